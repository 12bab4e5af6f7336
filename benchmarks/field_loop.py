"""A simulated season: does the loop from the field hold the miss rate where a model left alone loses it?

    python benchmarks/field_loop.py [--months 4] [--scratch FOLDER]

Light and defects of the drawn sample data drift from month to month (`drifting_sample.py`). A model trained on month 0
serves alone to the end. In the loop the same model serves; `FieldFolder` keeps what it is unsure of and a random share,
`collect` leaves out copies, a person (here the drawing's truth) labels them, `settle` gives them splits, the model is
trained again from its own weights on the next data set version, and takes over if the forgetting check on every earlier
version's test split is passed. Both are measured on pictures of the month that nothing else has seen.

Killed at any moment and called again with the same `--scratch` it continues. The last line is one JSON object: the miss
rates in the last month of the models that serve in it, so that the loop's has learned the months before (boxes that no
prediction of their class meets at IoU 0.5, at the served threshold), and how many months' pictures the last model of
the loop misses more of, by 0.05, than the model that learned that month.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("YOLO_OFFLINE", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from numpy.typing import NDArray

from automl.apps import labels
from automl.apps.serve.backend import OnnxRuntime
from automl.apps.serve.detector import Detector
from automl.apps.serve.field_folder import FieldFolder
from automl.apps.serve.thresholds import Thresholds
from automl.data import check, sample, staging
from automl.data.labelling import field
from automl.data.labelling.boxes import LabelBox
from automl.data.labelling.store import NONE
from automl.data.pictures import digest_of
from automl.hpo import bootstrap
from automl.pipeline import data_versions
from automl.pipeline.data_versions import DataVersion
from automl.release import gates
from automl.release.working_point import best_threshold
from automl.storage import files, job_file
from automl.storage.boxes import overlaps
from automl.storage.layout import BEST, ONNX
from automl.storage.place import Place
from automl.study import Job, shipped_spaces
from automl.study.load import load
from automl.study.spec import StudySpec
from automl.study.yaml_io import read_yaml
from automl.trainers import yolo
from automl.trials import worker
from benchmarks.drifting_sample import Boxes, encoded, scene, write_split

FIRST: Final = {"train": 200, "val": 60, "test": 60}
SERVED: Final = 400
"""Pictures that are served in a month."""
JUDGED: Final = 80
"""Pictures of a month on which both models are measured."""
EPOCHS: Final = 50
AGAIN: Final = 12
"""Epochs of the first training, and of a training from the weights of the model before."""
MINUTES: Final = 10.0
"""Between two served pictures, for the hourly rate of what is kept."""
IOU: Final = 0.5
FORGOTTEN: Final = 0.05
THRESHOLD: Final = "threshold.json"
"""The served threshold of a model, where F1 on val is highest, as in a study."""
MICRO: Final = shipped_spaces.folder() / "models" / "micro.yaml"
Pictures = list[tuple[NDArray[np.uint8], Boxes]]


def drawn(month: int, part: int, count: int, months: int) -> Pictures:
    """Return pictures of a month; `part` distinguishes those that train, are served and are judged."""
    return [scene(np.random.default_rng([7, month, part, index]), month / max(1, months)) for index in range(count)]


def trained(version: DataVersion, folder: Path, *, model: Path, epochs: int) -> Path:
    """Train on a version, if not done; return the weights."""
    weights = folder / BEST
    if not (folder / "done").is_file():
        source = version.data
        data = check.check(source, read_yaml(source), splits=("train", "val", "test"))
        staged = staging.stage(data, folder / "data")
        settings = {"imgsz": sample.SIZE, "batch": 16, "cache": "ram", "workers": 0}
        job = Job(folder, 0, {}, 0, epochs, str(model), str(staged), "val/map50_95", settings, validate_every=5)
        job_file.write(job)
        ending = worker.run(job, lambda _measurement: None)
        if not ending.final:
            sys.exit(f"training in {folder} did not end: {ending.text}")
        with tempfile.TemporaryDirectory() as place:  # the export is written beside the weights
            files.copy(weights, Path(place) / BEST)
            files.copy(yolo.export_onnx(Path(place) / BEST, job), folder / ONNX)
            threshold = best_threshold(yolo.judge(Path(place) / BEST, job, split="val")[1])
        files.write_json(folder / THRESHOLD, threshold)
        (folder / "done").touch()
    return weights


def detector(folder: Path) -> Detector:
    """Return the served model of a folder."""
    return Detector(OnnxRuntime((folder / ONNX).read_bytes(), source=str(folder / ONNX)))


def served_at(folder: Path) -> Thresholds:
    """Return the thresholds with which a model is served."""
    return Thresholds(conf=float(json.loads((folder / THRESHOLD).read_text())))


def missed(folder: Path, pictures: Pictures) -> tuple[int, int]:
    """Return the missed boxes of a model, and all boxes."""
    model, count, total, wanted = detector(folder), 0, 0, served_at(folder)
    for picture, boxes in pictures:
        found = model.detect(picture, wanted)
        for kind, box in boxes:
            same = [one["box"] for one in found if one["name"] == sample.NAMES[kind]]
            edges = np.array([box], np.float64)
            count += not same or float(overlaps(edges, np.array(same, np.float64)).max()) < IOU
            total += 1
    return count, total


def rate(folder: Path, pictures: Pictures) -> float:
    """Return the miss rate."""
    count, total = missed(folder, pictures)
    return count / total


def collected(place: Place, spec: StudySpec, served: Path, *, month: int, months: int) -> DataVersion:
    """Serve a month, collect what was kept, label it and close the data set version; what is done is not repeated."""
    last = data_versions.last_version(place, spec)
    if last.number == month + 1 and last.description.is_file():
        return last
    pictures = drawn(month, 1, SERVED, months)
    model, now, wanted = detector(served), 0.0, served_at(served)
    kept = FieldFolder(
        place.storage / "served" / str(month), clock=lambda: now, draw=np.random.default_rng(month).random
    )
    truth: dict[str, Boxes] = {}
    for picture, boxes in pictures:
        now += MINUTES * 60
        content = encoded(picture)
        truth[digest_of(content).hex()[:16]] = boxes
        _, doubt = model.detect_with_doubt(picture, wanted)
        if why := kept.wanted(doubt):
            kept.keep(content, "JPEG", why, {})
    version = data_versions.open_version(place, spec)
    store = labels.store_at(version.data)
    field.collect(store, [kept.folder])
    for key in labels.unlabelled(store):
        if Path(key).stem in truth:
            edges = [(kind, *(edge / sample.SIZE for edge in box)) for kind, box in truth[Path(key).stem]]
            store.save(key, [LabelBox(*one) for one in edges], version=NONE, by="truth")  # type: ignore[arg-type]
    moved = labels.settle(store, by="truth")
    data_versions.describe(place, spec, version, new=sum(moved.images.values()))
    return version


def forgets(new: Path, old: Path, version: DataVersion, spec: StudySpec) -> list[str]:
    """Return the gates that a new model fails against the one that serves, on the test split of earlier versions."""
    found = []
    for number, source in enumerate(version.earlier, start=1):
        data = check.check(source, read_yaml(source), splits=("train", "val", "test"))
        staged = staging.stage(data, new / f"earlier-{number}")
        stats = []
        for folder in (new, old):
            with tempfile.TemporaryDirectory() as place:
                files.copy(folder / BEST, Path(place) / BEST)
                job = replace(job_file.read(folder), data=str(staged), split="test")
                stats.append(yolo.judge(Path(place) / BEST, job, split="test")[1])
        over = bootstrap.paired_difference(stats[0], [stats[1]], "map50_95", bootstrap.Resampling(resamples=200))
        result = gates.forgetting(f"version {number}", over, replace(spec.laws, policy="expected"))
        print(f"  {result.reason}", flush=True)
        found += [] if result.passed else [result.name]
    return found


def season(scratch: Path, months: int) -> list[dict[str, Any]]:
    """Run the season; return one row a month."""
    first = scratch / "first"
    if not (first / "data.yaml").is_file():
        for part, (split, count) in enumerate(FIRST.items()):
            write_split(first, split, drawn(0, 10 + part, count, months))
        names = "".join(f"  {number}: {name}\n" for number, name in enumerate(sample.NAMES))
        paths = "".join(f"{split}: images/{split}\n" for split in FIRST)
        (first / "data.yaml").write_text(f"{paths}names:\n{names}")
    overrides = {"data": str(first / "data.yaml"), "name": "season"}
    spec = load(shipped_spaces.folder() / "smoke.yaml", rules=yolo, overrides=overrides)
    place, alone = Place(scratch), scratch / "models-0"
    trained(data_versions.last_version(place, spec) if not (alone / "done").is_file() else
            DataVersion(1, first / "data.yaml", ()), alone, model=MICRO, epochs=EPOCHS)  # fmt: skip
    serving, rows = alone, list[dict[str, Any]]()
    for month in range(1, months + 1):
        record = scratch / f"month-{month}.json"
        if not record.is_file():
            version = collected(place, spec, serving, month=month, months=months)
            new = scratch / f"models-{month}"
            trained(version, new, model=serving / BEST, epochs=AGAIN)
            judged = drawn(month, 2, JUDGED, months)
            before, failed = rate(serving, judged), forgets(new, serving, version, spec)
            after = serving if failed else new
            row = {
                "month": month, "alone": rate(alone, judged), "served": before, "served_by": serving.name,
                "images": _images(version), "refused": failed, "next": after.name, "after": rate(after, judged),
            }  # fmt: skip
            files.write_json(record, row)
        rows.append(json.loads(record.read_text()))
        serving = scratch / rows[-1]["next"]
        print(json.dumps(rows[-1]), flush=True)
    return rows


def _images(version: DataVersion) -> Mapping[str, int]:
    return {split: len(list((version.folder / "images" / split).iterdir())) for split in FIRST}


def forgotten(scratch: Path, rows: Sequence[Mapping[str, Any]], months: int) -> int:
    """Return on how many months' pictures the last model is worse than the model after that month was learned."""
    last = scratch / rows[-1]["next"]
    then = [("models-0", 0), *((row["next"], row["month"]) for row in rows[:-1])]
    return sum(
        rate(last, drawn(month, 2, JUDGED, months)) > rate(scratch / name, drawn(month, 2, JUDGED, months)) + FORGOTTEN
        for name, month in then
    )


def main() -> None:
    """Run the season."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--months", type=int, default=4)
    parser.add_argument("--scratch", type=Path, default=None)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        scratch = (given.scratch or Path(place)).absolute()
        scratch.mkdir(parents=True, exist_ok=True)
        rows = season(scratch, given.months)
        result = {
            "months": given.months, "miss_rate_alone": round(rows[-1]["alone"], 4),
            "miss_rate_loop": round(rows[-1]["served"], 4), "forgotten": forgotten(scratch, rows, given.months),
        }  # fmt: skip
    print(json.dumps(result))


if __name__ == "__main__":
    main()
