"""Do the 80% intervals of forecasts hold on detectors? Whole curves of finished studies, looked at before their end.

    python benchmarks/detector_forecasts.py runs/STUDY [runs/STUDY …]

Each training that was validated at every epoch (the re-trainings of a confirmation) takes the place of a trial that has
come as far as an epoch, beside the study's own trials as they ended; its forecast is compared with what it reached. The
last line is one JSON object: the share of intervals that hold the truth, without and with the calibration for
fine-tuned detectors, by how far the training had come, with a 95% interval by bootstrap over trainings.
"""

import argparse
import json
import sys
from math import nan
from pathlib import Path
from typing import Any, Final

import numpy as np

ROOT: Final = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from automl.hpo.learning_curves import forecast, of_fine_tuning
from automl.storage.curves_file import read_curves
from automl.storage.journal import Journal
from automl.storage.layout import CONFIRM
from automl.storage.place import read_spec

FEWEST: Final = 2
"""A forecast is shown from the second validated epoch on."""
PARTS: Final = {"first third": (0.0, 1 / 3), "second third": (1 / 3, 2 / 3), "last third": (2 / 3, 1.0)}


def hits_of(folder: Path, *, calibrated: bool) -> list[tuple[int, float, bool, float]]:
    """Return training, share of the epochs done, whether the interval holds what was reached, and its width."""
    spec = read_spec(folder)
    last, metric = spec.ladder.max_epochs, spec.metric
    trials = Journal.read(folder, metric=metric).trials()
    beside = [[m.metrics.get(metric, nan) for m in trial.measurements] for trial in trials if trial.best(metric)]
    found = []
    for number, place in enumerate(sorted((folder / CONFIRM).iterdir())):
        curve = [m.metrics.get(metric, nan) for m in read_curves(place)]
        if len(curve) < last:
            continue
        for epoch in range(FEWEST, last):
            told = forecast([*beside, curve[:epoch]], last, ceiling=1.0)[-1]
            told = of_fine_tuning(told, best=float(np.nanmax(curve[:epoch]))) if calibrated else told
            reached = max(curve)
            found.append((number, epoch / last, told.low <= reached <= told.high, told.high - told.low))
    return found


def share(hits: list[tuple[int, bool]], rng: np.random.Generator) -> dict[str, Any]:
    """Return the share of hits and its interval by bootstrap over trainings."""
    trainings = sorted({training for training, _ in hits})
    means = np.array([np.mean([hit for training, hit in hits if training == one]) for one in trainings])
    resampled = means[rng.integers(len(means), size=(2000, len(means)))].mean(axis=1)
    low, high = np.quantile(resampled, (0.025, 0.975))
    return {"holds": round(float(means.mean()), 3), "interval": [round(float(low), 3), round(float(high), 3)],
            "trainings": len(trainings), "forecasts": len(hits)}  # fmt: skip


def by_part(hits: list[tuple[int, float, bool, float]]) -> dict[str, Any]:
    """Return the share of hits of a study, whole and by how far the training had come, and the median width."""
    rng = np.random.default_rng(0)
    figures = {"all": share([(training, hit) for training, _, hit, _ in hits], rng)}
    for name, (low, high) in PARTS.items():
        if part := [(training, hit) for training, done, hit, _ in hits if low < done <= high]:
            figures[name] = share(part, rng)
    return figures | {"median_width": round(float(np.median([width for *_, width in hits])), 3)}


def main() -> None:
    """Read the command line and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", type=Path, nargs="+", help="folders of finished studies")
    given = parser.parse_args()
    figures = {
        name: {folder.name: by_part(hits_of(folder.absolute(), calibrated=name == "calibrated"))
               for folder in given.studies}
        for name in ("plain", "calibrated")
    }  # fmt: skip
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
