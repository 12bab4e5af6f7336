"""Earlier studies for the warm start: the project's own search on tasks that are not held out, by its own code."""

from collections.abc import Sequence
from dataclasses import replace
from math import exp, log

import numpy as np

from automl.hpo.warm_start.past_study import PastTrial
from automl.hpo.warm_start.ranking import scores
from automl.hpo.warm_start.transfer import UNKNOWN
from automl.study import Evidence, PastEvidence
from benchmarks import virtual
from benchmarks.ours import METRIC, Ours
from benchmarks.tables import Task

STUDIES = 3
"""Earlier studies of a warm start."""


def study(task: Task, *, full: float) -> PastEvidence:
    """Return what a cold study on a task leaves behind: four workers, time for `full` whole trainings each."""
    ours = Ours(task, seed=10_000)
    virtual.run(ours, task, workers=4, budget=full * task.full, startup=0.2 * task.epoch)
    told = [trial for trial in ours.trials.values() if trial.measurements]
    curves = [
        PastTrial(trial.params, {m.epoch: m.metrics[METRIC] for m in trial.measurements}, trial.state) for trial in told
    ]
    ranked = zip(told, scores(curves), strict=True)
    return PastEvidence(task.name, UNKNOWN, tuple(Evidence(trial.params, score) for trial, score in ranked))


def alike(task: Task, others: Sequence[Task], seed: int) -> list[tuple[Task, float]]:
    """Return the earlier tasks of a warm start with their similarity.

    The most similar ones where the family tells statistics of its data sets, else drawn by the seed.
    """
    if task.about:
        near = sorted(((_similarity(task, other), other.name, other) for other in others), reverse=True)[:STUDIES]
        return [(other, similar) for similar, _, other in near]
    drawn = np.random.default_rng([seed, 7]).permutation(len(others))[:STUDIES]
    return [(others[index], UNKNOWN) for index in drawn]


def weighed(evidence: PastEvidence, similarity: float) -> PastEvidence:
    """Return an earlier study with its similarity to the present one."""
    return replace(evidence, similarity=similarity)


def misleading(evidence: PastEvidence) -> PastEvidence:
    """Return an earlier study whose scores say the opposite of what was found, as for a data set of another nature."""
    return replace(evidence, trials=tuple(replace(trial, score=-trial.score) for trial in evidence.trials))


def _similarity(one: Task, other: Task) -> float:
    """As `automl.data.summary.similarity`, from the two statistics that the tables have: images and classes."""
    apart = [abs(log(one.about[key] / other.about[key])) / log(10) for key in one.about]
    return exp(-3 * sum(apart) / len(apart))
