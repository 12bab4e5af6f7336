"""How many planted label errors an audit finds, and how pure the first half of its list is.

    python benchmarks/label_audit.py --data FOLDER/bccd FOLDER/bolts --weights yolo11n.pt [--models 3]

Of each data set a copy is made in which 5% of the boxes of train and val are moved, get another class, are dropped or
are added (`label_planting.py`). A few models are fine-tuned on it, predict its images, and the audit ranks suspect
labels. A list is as long as errors were planted; its first half is judged for precision, the whole for recall. A
suspect is right where it names a place of a planted error that no suspect before it has named. Killed at any moment
and called again with the same `--scratch`, it trains what is missing. Rows are kept in `label_audit/rows.jsonl`.
The last line is one JSON object; data sets on which thresholds were chosen are counted in it only where there is no
other.
"""

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("YOLO_OFFLINE", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from automl.data import check, staging
from automl.data.audit import ranking
from automl.data.audit.records import AuditImage, Box, Detections, Label, Suspect
from automl.data.labels import label_lines
from automl.data.record import DataSet
from automl.pipeline import audit_cache, audit_folds
from automl.storage import files, job_file
from automl.storage.layout import BEST
from automl.study import Job, yaml_io
from automl.study.errors import AutomlError
from automl.trainers import yolo
from automl.trials import worker
from benchmarks.detector_curves import digest, origin
from benchmarks.label_planting import KINDS, Planted, overlap, plant
from benchmarks.real_sides import BenchmarkError

ROWS: Final = Path(__file__).with_suffix("") / "rows.jsonl"
SHARE: Final = 0.05
SPLITS: Final = ("train", "val")
CHOSEN_ON: Final = ("bolts",)
"""Data sets that the last line leaves out if there are others: the ranking was designed on them. bccd has unlabelled
cells of its own, so that a suspect that counts as wrong may be right."""
HIT: Final = 0.5
"""IoU from which a detection without a label is of a box that was moved or dropped."""
SAME_BOX: Final = 0.999
"""IoU of one box that was written and read again."""
EPOCHS: Final = 10
IMGSZ: Final = 160
BATCH: Final = 8
VARIED: Final[Sequence[Mapping[str, float]]] = (
    {},
    {"mosaic": 0.5, "lr0": 0.7},
    {"lr0": 1.4},
    {"mosaic": 0.8, "lr0": 0.5},
    {"lr0": 1.0},
)
"""How the models differ beside their seeds, as the trials of a study do; `lr0` is a factor."""
USER_ERROR: Final = 2
Row = dict[str, Any]


def prepared(source: Path, place: Path, *, seed: int) -> tuple[DataSet, list[Planted]]:
    """Return the checked copy of a data set with planted errors, made at the first call."""
    record = place / "planted.json"
    if not record.is_file():
        planted = plant(source, place / "copy", share=SHARE, seed=seed, splits=SPLITS)
        files.write_text(record, json.dumps([asdict(one) for one in planted]))
    description = place / "copy" / "data.yaml"
    data = check.check(description, yaml_io.read_yaml(description), splits=SPLITS)
    return data, [_planted(one) for one in json.loads(record.read_text(encoding="utf-8"))]


def _planted(plain: Mapping[str, Any]) -> Planted:
    boxes = {key: None if plain[key] is None else tuple(plain[key]) for key in ("written", "true")}
    return Planted(**{**plain, **boxes})


def job_of(data: DataSet, folder: Path, *, weights: Path, number: int, epochs: int) -> Job:
    """Return the job of a model, without its data: params of a plain training, varied."""
    images = len(data.images["train"])
    auto = yolo.resolve_auto(images=images, classes=len(data.names), epochs=epochs, batch=BATCH)
    varied = VARIED[number % len(VARIED)]
    params = {**auto, **varied, "lr0": auto["lr0"] * varied.get("lr0", 1.0), "warmup_epochs": 1.0, "close_mosaic": 2}
    return Job(
        folder=folder, number=number, params=params, seed=number, epochs=epochs, model=str(weights), data="",
        metric="val/map50_95", settings={"imgsz": IMGSZ, "batch": BATCH, "cache": "ram"}, validate_every=4, threads=1,
    )  # fmt: skip


def trained(data: DataSet, place: Path, job: Job) -> Job:
    """Return the job of a model, trained at the first call."""
    folder = job.folder
    if (folder / "done").is_file():
        return job_file.read(folder)
    job = replace(job, data=str(staging.stage(data, place / "data")))
    folder.mkdir(parents=True, exist_ok=True)
    job_file.write(job)
    began = time.monotonic()
    ending = worker.run(job, lambda _measurement: None)
    if not ending.final:
        raise BenchmarkError(f"{folder}: must be trained, but {ending.cause}")
    score = ending.final.metrics["val/map50"]
    print(f"{place.name} model {job.number}: mAP50 {score:.3f} on val, {time.monotonic() - began:.0f} s", flush=True)
    files.write_text(folder / "done", f"{score}\n")
    return job


def suspects(data: DataSet, jobs: Sequence[Job], place: Path) -> list[Suspect]:
    """Return the ranked list of the audit; detections are kept in `place`."""
    found = [{split: detections(job, data, split, place) for split in SPLITS} for job in jobs]
    return ranked(data, found, names=[str(job.number) for job in jobs])


def ranked(
    data: DataSet, found: Sequence[Mapping[str, Sequence[Detections]]], *, names: Sequence[str]
) -> list[Suspect]:
    """Return the ranked list of the audit from the detections of models by split."""
    images = [
        AuditImage(split, path, labels_of(path, data), [one[split][number] for one in found])
        for split in SPLITS
        for number, path in enumerate(data.images[split])
    ]
    return ranking.rank(images, names=[data.names[number] for number in sorted(data.names)], models=names)


def out_of_fold(data: DataSet, place: Path, *, weights: Path, count: int, epochs: int) -> list[Suspect]:
    """Return the ranked list of the audit by models that were not trained on the images that they predict."""
    job = job_of(data, place, weights=weights, number=0, epochs=epochs)
    found = audit_folds.detections(data, SPLITS, job=job, folder=place / "folds", count=count)
    return ranked(data, [found], names=[audit_folds.NAME])


def detections(job: Job, data: DataSet, split: str, place: Path) -> Sequence[Detections]:
    """Return the detections of a model on a split, predicted at the first call."""
    weights, images = job.folder / BEST, data.images[split]
    kept = audit_cache.place(place / "detections", weights=files.sha256(weights), data=data.fingerprint, split=split)
    if not kept.is_file():
        audit_cache.write(kept, list(yolo.detect(weights, replace(job, folder=place), images)))
    return audit_cache.read(kept, len(images))


def labels_of(image: Path, data: DataSet) -> list[Label]:
    """Return the labels of an image."""
    lines = label_lines(image, len(data.names))
    return [Label(line.number, int(line.box[0]), _box(line.box)) for line in lines if not line.mistake]


def _box(values: Sequence[float]) -> Box:
    return values[1], values[2], values[3], values[4]


def hits(listed: Sequence[Suspect], planted: Sequence[Planted]) -> list[Planted | None]:
    """Return for each suspect the planted error whose place it names first, None for a wrong one."""
    left = list(planted)
    found: list[Planted | None] = []
    for suspect in listed:
        hit = next((one for one in left if names_place(suspect, one)), None)
        if hit:
            left.remove(hit)
        found.append(hit)
    return found


def names_place(suspect: Suspect, planted: Planted) -> bool:
    """Return True for a label with a planted error, or the true place of a box that was moved or dropped."""
    if (suspect.split, suspect.image.name) != (planted.split, planted.image):
        return False
    if suspect.box:
        return planted.written is not None and overlap(suspect.box, planted.written) >= SAME_BOX
    if suspect.suggested_box is None or planted.true is None:
        return False
    return overlap(suspect.suggested_box, planted.true) >= HIT


def judged(listed: Sequence[Suspect], planted: Sequence[Planted]) -> Row:
    """Return precision and recall of a list cut at the number of planted errors, and what was found of each kind."""
    length = len(planted)
    found = hits(listed[:length], planted)
    half = found[: length // 2]
    kinds = Counter(one.kind for one in found if one)
    return {
        "planted": length,
        "listed": len(listed),
        "precision_first_half": round(sum(one is not None for one in half) / len(half), 3),
        "recall": round(sum(one is not None for one in found) / length, 3),
        "found": {kind: kinds[kind] for kind in KINDS},
        "of": dict(Counter(one.kind for one in planted)),
        "wrong_in_first_half": dict(Counter(str(s.kind) for s, hit in zip(listed, half, strict=False) if hit is None)),
    }


def measured(source: Path, args: argparse.Namespace) -> Row | None:
    """Return the row of a data set; None where the time is over before its models are trained."""
    place: Path = args.scratch.absolute() / f"{source.name}-{args.seed}"
    data, planted = prepared(source, place, seed=args.seed)
    weights: Path = args.weights.absolute()
    if args.folds:
        listed = out_of_fold(data, place, weights=weights, count=args.folds, epochs=args.epochs)
        about = facts(source, args, models=args.folds)
        return {**about, "folds": args.folds, **judged(listed, planted), **origin(gpu=False)}
    jobs = []
    for number in range(args.models):
        folder = place / f"model{number}-{args.epochs}"
        if time.monotonic() > args.ends and not (folder / "done").is_file():
            return None
        job = job_of(data, folder, weights=weights, number=number, epochs=args.epochs)
        jobs.append(trained(data, place, job))
    return {
        **facts(source, args, models=args.models),
        "map50": [float((job.folder / "done").read_text(encoding="utf-8")) for job in jobs],
        **judged(suspects(data, jobs, place), planted),
        **origin(gpu=False),
    }


def facts(source: Path, args: argparse.Namespace, *, models: int) -> Row:
    """Return what distinguishes a row."""
    return {
        "data": source.name,
        "seed": args.seed,
        "thresholds_chosen_here": source.name in CHOSEN_ON,
        "models": models,
        "folds": 0,
        "epochs": args.epochs,
        "imgsz": IMGSZ,
        "weights": digest(args.weights.absolute()),
    }


def add(rows: Path, row: Row) -> None:
    """Replace the row of the same data set, seed and number of models, or append it."""
    key = ("data", "seed", "models", "folds", "epochs", "imgsz")
    text = rows.read_text(encoding="utf-8") if rows.is_file() else ""
    kept = [json.loads(line) for line in text.splitlines()]
    kept = [one for one in kept if any(one.get(name, 0) != row[name] for name in key)]
    rows.parent.mkdir(exist_ok=True)
    files.write_text(rows, "".join(json.dumps(one) + "\n" for one in [*kept, row]))


def totals(rows: Sequence[Row]) -> Row:
    """Return the figures of all rows together; of those of other data than thresholds were chosen on, if any."""
    counted = [row for row in rows if not row["thresholds_chosen_here"]] or rows
    planted = sum(row["planted"] for row in counted)
    halves = [row["planted"] // 2 for row in counted]
    right = sum(row["precision_first_half"] * half for row, half in zip(counted, halves, strict=True))
    return {
        "planted": planted,
        "precision_first_half": round(right / sum(halves), 3) if planted else None,
        "recall": round(sum(row["recall"] * row["planted"] for row in counted) / planted, 3) if planted else None,
    }


def parsed(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_ = parser.add_argument
    add_("--data", nargs="+", type=Path, default=[], help="folders with data.yaml, images/ and labels/; else the rows")
    add_("--weights", type=Path, help="the pretrained weights that are fine-tuned")
    add_("--models", type=int, default=3)
    add_("--folds", type=int, default=0, help="ask so many models, each about the images that it was not trained on")
    add_("--epochs", type=int, default=EPOCHS, help="of each training")
    add_("--seed", type=int, default=0, help="of the planted errors")
    add_("--scratch", type=Path, default=Path("label-audit-scratch"), help="copies, weights and detections")
    add_("--rows", type=Path, default=ROWS)
    add_("--hours", type=float, default=float("inf"), help="no training is started later")
    args = parser.parse_args(words)
    args.ends = time.monotonic() + 3600 * args.hours
    return args


def main() -> int:
    """Train, audit and judge; without --data print what the rows say."""
    args = parsed()
    try:
        missing = [path for path in args.data if not (path / "data.yaml").is_file()]
        if missing or (args.data and not (args.weights and args.weights.is_file())):
            raise BenchmarkError("--data, --weights: must be folders with a data.yaml, and a file, but are not there")
        for source in args.data:
            if row := measured(source, args):
                add(args.rows, row)
                print(json.dumps(row), flush=True)
    except (BenchmarkError, AutomlError) as error:
        print(f"{Path(__file__).name}: {error}", file=sys.stderr)
        return USER_ERROR
    text = args.rows.read_text(encoding="utf-8") if args.rows.is_file() else ""
    print(json.dumps(totals([json.loads(line) for line in text.splitlines()])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
