"""Fits the prior of `automl.hpo.learning_curves` on every second task of the public tables, and prints its constants.

python benchmarks/curve_prior.py --data DIR
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from automl.hpo import learning_curves
from benchmarks.extrapolation import EPOCHS, studies, tables

SEEDS = 40
HALF = 1.2816
"""Widths on either side of the centre that hold 80% of a normal variable."""


def examples(of: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features, log gains still to come and weights of all unfinished trials of a family's studies."""
    shapes, gains, weights = [], [], []
    for _, study in studies(of, SEEDS, first=0):
        shown = [number for number, curve in enumerate(study.seen) if np.isfinite(curve).any()]
        known = learning_curves.study_of([study.seen[number] for number in shown], EPOCHS)
        ends = np.fmax.reduce(study.values[shown], axis=1)
        for epoch in np.unique(known.epochs[known.epochs < EPOCHS]).tolist() if known.scale else []:
            rows = np.flatnonzero(known.epochs == epoch)
            shapes.append(learning_curves.features(known, rows, epoch, EPOCHS))
            share = known.scale * (1 - epoch / EPOCHS)
            gains.append(np.log((ends[rows] - known.last[rows]) / share + learning_curves.OFFSET))
            # The trials of a study are alike: a hundred of them do not say a hundred times as much as one.
            weights.append(np.full(len(rows), len(rows) ** -0.5))
    weight = np.concatenate(weights)
    return np.concatenate(shapes), np.minimum(np.concatenate(gains), learning_curves.MOST), weight / weight.sum()


def solve(shape: np.ndarray, target: np.ndarray, weight: np.ndarray, share: float) -> np.ndarray:
    """Return linear coefficients below which a share of the targets lies, by least squares weighted again and again."""
    found, pull = np.zeros(shape.shape[1]), weight
    for _ in range(41):
        pull = pull / pull.sum()
        gram = shape.T @ (shape * pull[:, None]) + 1e-4 * np.eye(shape.shape[1])
        found = np.linalg.solve(gram, shape.T @ (pull * target))
        off = target - shape @ found
        pull = weight / weight.sum() * np.where(off > 0, share, 1 - share) / np.maximum(np.abs(off), 0.02)
    return found


def main() -> None:
    """Print the constants: a family counts as much as another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("AUTOML_BENCH_DATA"))
    given = parser.parse_args()
    if not given.data:
        parser.error("the prior comes from real curves: --data or AUTOML_BENCH_DATA must name their folder")
    families = [examples(of) for of in tables(Path(given.data)).values()]
    shape, gain, weight = (np.concatenate(part) for part in zip(*families, strict=True))
    width = np.ones(len(gain))
    for _ in range(2):
        centre = solve(shape, gain, weight / width, 0.5)
        spread = solve(shape, np.log(np.abs(gain - shape @ centre) + 0.01), weight, 0.8)
        spread[0] -= np.log(HALF)
        width = np.exp(np.clip(shape @ spread, -3.0, 1.5))
    print(f"CENTRE: Final = {tuple(np.round(centre, 3).tolist())}")
    print(f"WIDTH: Final = {tuple(np.round(spread, 3).tolist())}")
    for column in (3, 4, 5):
        off = shape[:, column] - np.average(shape[:, column], weights=weight)
        deviation = np.sqrt(np.average(off**2, weights=weight))
        print(f"SIMILARITY_SCALES column {column}: standard deviation {deviation:.2f}")


if __name__ == "__main__":
    main()
