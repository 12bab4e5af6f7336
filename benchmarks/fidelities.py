"""Which cheap look at a trial tells most about its end: fewer epochs, smaller images or a share of the data?

    python benchmarks/fidelities.py [--data bolts/data.yaml] [--runs 12]
    python benchmarks/fidelities.py --rungs sample-small bccd --data bccd/data.yaml --weights yolo11n.pt

Trains a model from scratch with params drawn as a study draws its first, each at full strength with two seeds, and
once with smaller images and once with half of the training images. Of each way to look, at each epoch: its CPU-seconds
as a share of the whole training's, and the rank correlation (Spearman) of its best value so far with where the whole
training ended, over all params. `again` is the whole training with another seed, so what noise leaves of a correlation.
`--rungs` asks of tasks of `detector-curves/` whether a probe at a rung, or averaged weights, rank better (rung_looks).
The last line is one JSON object.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any, Final

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scipy.stats import spearmanr

from automl.data import sample
from automl.storage import scratch
from automl.study import Job, Measurement
from automl.trials import worker
from benchmarks import rung_looks
from benchmarks.detector_curves import wanted_tasks
from benchmarks.detector_rows import path_of, read_rows
from benchmarks.validation import METRIC, jobs, machine, staged

WAYS: Final[dict[str, dict[str, float]]] = {
    "whole": {},
    "again": {},
    "images 0.75": {"imgsz": 0.75},
    "images 0.5": {"imgsz": 0.5},
    "data 0.5": {"fraction": 0.5},
}
"""What each way to look changes, as a share of the whole training's setting."""
STRIDE: Final = 32
"""Image sizes are multiples of it."""
AGAIN: Final = 1_000
"""Added to the seed of `again`."""
Curve = list[tuple[float, float]]
"""CPU-seconds so far and best value so far, an entry an epoch."""


def looked(job: Job, way: str) -> Job:
    """Return a job as one way to look trains it."""
    change = dict(WAYS[way])
    if "imgsz" in change:
        size = int(job.settings["imgsz"])
        change["imgsz"] = max(STRIDE, round(size * change["imgsz"] / STRIDE) * STRIDE)
    seed = job.seed + AGAIN * (way == "again")
    return replace(job, folder=job.folder / way.replace(" ", "_"), settings={**job.settings, **change}, seed=seed)


def trained(job: Job) -> Curve:
    """Train, and return what it had cost and reached at each epoch."""
    job.folder.mkdir(parents=True)
    began, best, curve = time.process_time(), 0.0, []

    def report(measurement: Measurement) -> None:
        nonlocal best
        best = max(best, measurement.metrics[METRIC])
        curve.append((time.process_time() - began, best))

    ending = worker.run(job, report)
    if ending.final is None:
        raise SystemExit(f"{job.folder}: the training failed: {ending.cause}")
    return curve


def compared(curves: Sequence[dict[str, Curve]]) -> dict[str, Any]:
    """Return, of each way and epoch, the share of CPU-seconds and the rank correlation with the whole training's end.

    Args:
        curves: of each params, way to curve.
    """
    ends = [found["whole"][-1][1] for found in curves]
    figures: dict[str, Any] = {}
    for way in WAYS:
        figures[way] = []
        for epoch in range(len(curves[0][way])):
            share = mean(found[way][epoch][0] / found["whole"][-1][0] for found in curves)
            values = [found[way][epoch][1] for found in curves]
            ranks = float(spearmanr(values, ends).statistic) if len(set(values)) > 1 else 0.0
            figures[way].append({"epoch": epoch + 1, "cpu": round(share, 3), "ranks": round(ranks, 3)})
    return figures


def measured(data: Path, place: Path, *, epochs: int, image_size: int, runs: int) -> dict[str, Any]:
    """Train all params in all ways on one data set."""
    found: list[dict[str, Curve]] = []
    warm = True
    for job in jobs(data, place, epochs=epochs, image_size=image_size, runs=runs):
        if warm:
            trained(replace(job, folder=job.folder / "warm", epochs=2))
            warm = False
        found.append({way: trained(looked(job, way)) for way in WAYS})
        print(f"  {job.number}:", {way: f"{curve[-1][1]:.4f}" for way, curve in found[-1].items()}, flush=True)
    return compared(found)


def at_rungs(asked: argparse.Namespace) -> dict[str, Any]:
    """Look at the rungs of some tasks as far as that is missing, and return what the looks say of the end."""
    asked.tasks, asked.device = asked.rungs, "cpu"
    with scratch.folder() as place:
        rung_looks.collect(wanted_tasks(asked), place)
    return rung_looks.compared({task: read_rows(path_of(rung_looks.OUT, task)) for task in asked.rungs}) | machine()


def main() -> None:
    """Measure, print a table a data set, and one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", default=[], help="the data.yaml of further data sets")
    parser.add_argument("--runs", type=int, default=12, help="params, each trained in five ways")
    parser.add_argument("--rungs", nargs="+", metavar="TASK", help="look at rungs in place of whole trainings")
    parser.add_argument("--weights", type=Path, help="the weights that the tasks of --rungs are fine-tuned from")
    asked = parser.parse_args()
    if asked.rungs:
        print(json.dumps(at_rungs(asked)))
        return
    figures: dict[str, Any] = {"runs": asked.runs, **machine()}
    with scratch.folder() as place:
        sets = {"sample": staged(sample.draw(place / "drawn"), place / "sample")}
        sets |= {path.parent.name: staged(path, place / f"given-{path.parent.name}") for path in asked.data}
        for name, data in sets.items():
            size = 128 if name == "sample" else 160
            figures[name] = measured(data, place / f"runs_{name}", epochs=12, image_size=size, runs=asked.runs)
            for way, rows in figures[name].items():
                shown = [
                    f"{row['epoch']}: {row['cpu']:.2f} {row['ranks']:+.2f}" for row in rows if row["epoch"] % 3 == 0
                ]
                print(f"{name:8} {way:12} epoch: cpu ranks  {'   '.join(shown)}", flush=True)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
