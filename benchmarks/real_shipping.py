"""What a study shipped against what a plain `yolo train` gives: every model that is left, on the same test images.

    python benchmarks/real_shipping.py runs/STUDY [--seeds 3]

For a finished study: trains its model on its data with Ultralytics' defaults and nothing of ours but the conditions of
the study (image size, batch, cache, number of epochs), once a seed, in processes of their own, and measures on the test
split by what ships: the study's version, its re-trainings, and the plain models; with 95% intervals by bootstrap over
images, the differences paired. Plain trainings are kept in `STUDY/plain`, so that a run that was stopped continues.
The last line is one JSON object.
"""

import argparse
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from automl.hpo import bootstrap
from automl.hpo.bootstrap import Resampling
from automl.release import parity
from automl.storage import job_file
from automl.storage.detections import ImageStats
from automl.storage.layout import BEST, JUDGED, ONNX_STATS, TORCH_STATS
from automl.study import Job
from automl.study.load import stored
from automl.study.spec import StudySpec
from automl.trainers.yolo.defaults import HYPERPARAMETERS

PLAIN: Final = """
import json, sys
from automl.trainers.yolo import offline
offline.disable_network()
from ultralytics import YOLO
wanted = json.loads(sys.argv[1])
YOLO(wanted.pop("model")).train(**wanted)
"""


def plain_settings(spec: StudySpec, study: Path, *, seed: int) -> dict[str, Any]:
    """Return what is typed for a plain training: conditions of the study, no hyperparameter."""
    conditions = {name: value for name, value in spec.train.items() if name not in HYPERPARAMETERS}
    return {
        "model": str(study / spec.model) if (study / spec.model).is_file() else spec.model,
        "data": str(study / "data" / "data.yaml"), "epochs": spec.ladder.max_epochs, "seed": seed, "device": "cpu",
        "workers": 0, "project": str(study / "plain"), "name": f"seed{seed}", "exist_ok": True, "plots": False,
        **conditions,
    }  # fmt: skip


def plain_model(spec: StudySpec, study: Path, *, seed: int) -> Path:
    """Return the `best.pt` of a plain training, trained now unless it is there."""
    weights = study / "plain" / f"seed{seed}" / "weights" / "best.pt"
    done = weights.parents[1] / "done"
    if not done.is_file():
        settings = json.dumps(plain_settings(spec, study, seed=seed))
        subprocess.run([sys.executable, "-c", PLAIN, settings], check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
        done.touch()
    return weights


def judged(weights: Path, job: Job, kept: Path) -> ImageStats:
    """Return the detections of a model on the test split, measured now unless they are kept."""
    if not kept.is_file():
        parity.score(weights, job, keep=kept)
    return ImageStats.load(kept)


def compared(study: Path, seeds: int) -> dict[str, Any]:
    """Print a line a model and return the figures."""
    spec = stored(study / "study.yaml")
    facts = json.loads((study / "promotion.json").read_text())
    shipped = study / facts["files"]["best.pt"]
    job = replace(job_file.read(shipped.parent), split=spec.confirm.split)
    models = {"shipped (ONNX)": ImageStats.load(study / "export" / ONNX_STATS)}
    ours = ImageStats.load(study / "export" / TORCH_STATS)
    for folder in sorted((study / "confirm").glob("*")):
        if (folder / JUDGED).is_file():
            models[folder.name] = ImageStats.load(folder / JUDGED)
    for folder in sorted((study / "trials").glob("*")):
        if (folder / BEST).is_file() and (folder / "outcome.json").is_file():
            models[folder.name] = judged(folder / BEST, job, study / "plain" / f"{folder.name}.npz")
    plain = {}
    for seed in range(seeds):
        weights = plain_model(spec, study, seed=seed)
        plain[f"plain_seed{seed}"] = judged(weights, job, study / "plain" / f"seed{seed}.npz")
    found = {name: bootstrap.interval(stats, spec.objective_name) for name, stats in {**models, **plain}.items()}
    for name, interval in found.items():
        print(f"{name:<44} {interval.value:.4f} ({interval.low:.4f}..{interval.high:.4f})", flush=True)
    over = bootstrap.paired_difference(ours, list(plain.values()), spec.objective_name, Resampling())
    best = sum(interval.value > found["shipped (ONNX)"].value for interval in found.values())
    return {
        "study": spec.name, "chosen": facts["shipped"]["name"], "models": len(found), "better_than_shipped": best,
        "shipped": round(found["shipped (ONNX)"].value, 4),
        "plain": [round(found[name].value, 4) for name in plain],
        "over_plain": [round(value, 4) for value in (over.value, over.low, over.high)],
        "baseline": [round(value, 4) for value in facts["default"]], "params_better": facts["params_better"],
    }  # fmt: skip


def main() -> None:
    """Read the command line and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, help="the folder of a finished study")
    parser.add_argument("--seeds", type=int, default=3, help="plain trainings")
    given = parser.parse_args()
    if given.seeds < 1:
        parser.error(f"--seeds: must be at least 1, but got {given.seeds}")
    if not (given.study / "promotion.json").is_file():
        parser.error(f"{given.study}: must be the folder of a finished study, but has no promotion.json")
    figures = compared(given.study.absolute(), given.seeds)
    print(f"{time.process_time():.0f} s of one core, plain trainings not counted")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
