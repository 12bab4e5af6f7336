"""What the sampler's model learns from looks: rows of `detector-curves/`, cut as a search cuts trials. No simulation.

Each table is taken as the trials of a study: all rows are seen up to the first rung, the best third of them to the
second, the best third of these to the end. Rows of the same params are left out and predicted from the others
(`left_out`: rank correlation with their end). At the first rung all rows are ranked by their value (`value`) and by
the model's posterior mean, which knows that value and those of the others (`model`). Rules: `noise alike` is the
product's, with one noise for all trials, `noise by epochs` is that of `noisy_looks.py`, `other data sets` has the
tables of other data sets as a warm start. Length scales are those of other data sets. The last line is one JSON object.
"""

import argparse
import json
import os
import sys
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from automl.hpo.sampler.acquisition import Proposal, normal_quantiles
from automl.hpo.sampler.encoding import Encoding
from automl.hpo.sampler.observations import Observations, ObservedTrial
from automl.hpo.sampler.transfer_prior import TransferPrior
from automl.study import Evidence, Measurement, PastEvidence
from automl.study.ladder import ladder
from benchmarks import detector_tasks, noisy_looks, tables
from benchmarks.detector_tasks import SmoothTask, learned_lengths
from benchmarks.ours import FIRST_RUNG, REDUCTION
from benchmarks.portfolio import teachers
from benchmarks.rung_looks import ranks
from benchmarks.tables import Matrix

ALIKE: Final = "noise alike"
BY_EPOCHS: Final = "noise by epochs"
TAUGHT: Final = "other data sets"
RULES: Final = (ALIKE, BY_EPOCHS, TAUGHT)
METRIC: Final = "value"
SIMILARITY: Final = 0.6
"""Of the other data sets: they share model, image size and length of training."""
TIE: Final = 1e-9


def main() -> None:
    """Predict and rank, print a line a task and rule, and the means over the tasks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rules", nargs="+", choices=RULES, default=RULES)
    options = parser.parse_args()
    every = detector_tasks.cached()
    found: dict[str, dict[str, dict[str, float]]] = {rule: {} for rule in options.rules}
    for task in every:
        if isinstance(task, SmoothTask):
            for rule in options.rules:
                found[rule][task.name] = figures(task, rule)
                print(task.name, rule, found[rule][task.name], flush=True)
    halves = {"open": tables.open_to_all(every), "held_out": tables.held_out(every), "all": every}
    print(json.dumps({
        rule: {half: mean([by_task[task.name] for task in tasks]) for half, tasks in halves.items()}
        for rule, by_task in found.items()
    }))  # fmt: skip


def mean(found: list[dict[str, float]]) -> dict[str, float]:
    """Return the mean of each figure."""
    return {name: round(float(np.mean([one[name] for one in found])), 3) for name in found[0]}


def figures(task: SmoothTask, rule: str) -> dict[str, float]:
    """Return the rank correlations with the end on one table."""
    points, curves = task.response.table.points, task.response.table.curves
    ends = curves.max(axis=1)
    lengths = cut(curves)
    left = [
        predicted(task, rule, np.flatnonzero(~np.isclose(points, point).all(axis=1)), epochs=lengths, at=point[None])
        for point in points
    ]
    rung = np.full(len(points), FIRST_RUNG)
    opinion = predicted(task, rule, np.arange(len(points)), epochs=rung, at=points)
    # of equal values the earlier one is the better, as at a rung
    values = curves[:, :FIRST_RUNG].max(axis=1) - TIE * np.arange(len(points))
    found = {"left_out": np.concatenate(left), "value": values, "model": opinion}
    return {name: round(ranks(one, ends), 3) for name, one in found.items()}


def cut(curves: Matrix) -> Matrix:
    """Return (rows,): up to which epoch each row is seen.

    >>> cut(np.arange(108.0).reshape(9, 12)).tolist()
    [2, 2, 2, 2, 2, 2, 6, 6, 12]
    """
    epochs = [*ladder(FIRST_RUNG, curves.shape[1], REDUCTION), curves.shape[1]]
    seen, left = np.full(len(curves), epochs[0]), np.arange(len(curves))
    for epoch, further in pairwise(epochs):
        values = curves[left, :epoch].max(axis=1)
        left = left[np.argsort(-values, kind="stable")[: max(1, len(left) // REDUCTION)]]
        seen[left] = further
    return seen


def predicted(task: SmoothTask, rule: str, rows: Matrix, *, epochs: Matrix, at: Matrix) -> Matrix:
    """Return the model's posterior mean at points, from some rows up to these epochs."""
    table, encoding = task.response.table, Encoding(task.space)
    transfer = TransferPrior(encoding, taught(task) if rule == TAUGHT else ())
    known = learned_lengths(task.source)
    lengths = np.array([known.get(name, np.nan) for name in task.space.parameters])
    seen = [observed(table.points[row], table.curves[row, : epochs[row]]) for row in rows]
    with noisy_looks.known() if rule == BY_EPOCHS else nullcontext():
        proposal = Proposal(encoding, Observations.of(seen), transfer, task.max_epochs, lengths=lengths)
    return np.asarray(proposal._model.predict(at)[0] + proposal._expected(at))


def observed(point: Matrix, curve: Matrix) -> ObservedTrial:
    """Return a trial of the sampler with a row's values."""
    trial = ObservedTrial(point)
    for epoch, value in enumerate(curve.tolist(), 1):
        trial.record([Measurement(epoch, {METRIC: value}, 1.0)], METRIC)
    return trial


def taught(task: SmoothTask) -> tuple[PastEvidence, ...]:
    """Return the tables of other data sets as past studies."""
    found: list[PastEvidence] = []
    for other in teachers(task, detector_tasks.cached()):
        table, encoding = other.response.table, Encoding(other.space)
        scores = normal_quantiles(table.finals.tolist(), np.ones(len(table.finals)))
        pairs: list[tuple[Any, float]] = list(zip(table.points, scores.tolist(), strict=True))
        trials = tuple(Evidence(encoding.decode(point), score) for point, score in pairs)
        found.append(PastEvidence(other.name, SIMILARITY, trials))
    return tuple(found)


if __name__ == "__main__":
    main()
