"""What the user's own past studies bring: their best params tried right after the default of a new study.

Each past study is the project's own search on another task (`Past.of`): its winners are the trials with the best values
at the last epoch. Rules: `cold` knows nothing; `drawn N` tries the best params of N past studies that the seed draws,
`near N` those of the N on the most similar data sets, in place of as many of the first random params, `added N` the
same beside all of these, `second N` of each of N most similar ones also its second best,
`misled N` the params that were worst at the first rung; `warm` has the three most similar past studies as a warm start,
whose trials also inform the model. A detector learns from studies of other data sets with the same start (pretrained or
from scratch); a held-out task of another family from that family's open tasks. Results are appended to `--out`, and the
same call does what is missing. `--without-model` draws params near the default or at random in place of the sampler's
model. Prints the regret at a quarter, half and all of the budget, and each rule's difference to `cold`, mean over the
budget and at its end, with standard errors. `--rows` searches nothing: the best row of each other data set's table of
detectors, looked up in the table left out (0: its best row, 1: its median). The last line is one JSON object.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any, Final, Self
from unittest.mock import patch

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from automl.data.summary import Summary, similarity
from automl.hpo.sampler import Sampler
from automl.hpo.sampler import sampler as sampler_module
from automl.hpo.warm_start.past_study import PastTrial
from automl.hpo.warm_start.ranking import scores
from automl.hpo.warm_start.transfer import UNKNOWN
from automl.study import Evidence, Params, PastEvidence
from benchmarks import detector_tasks, ladder_rules, past, portfolio, tables, virtual
from benchmarks.detector_rows import read_rows
from benchmarks.detector_tasks import SmoothTask, learned_lengths
from benchmarks.ours import METRIC, Ours, Start
from benchmarks.search_efficiency import FULL, GRID, STARTUP, TRAININGS, first_rung, from_scratch
from benchmarks.tables import Matrix, Task

COLD: Final = "cold"
WARM: Final = "warm"
FAMILIES: Final = ("detectors", "quicktune", "lcbench", "taskset")
KINDS: Final = ("drawn", "near", "added", "second", "misled")
PAST_SEED: Final = 10_000
"""Seed of all past studies, and of the functions that answer them."""


@dataclass(frozen=True, slots=True)
class Past:
    """What a study leaves behind."""

    best: tuple[Params, ...]
    """Its best two params, by the value of trials at their last epoch; the longest ones first."""
    worst: Params
    evidence: PastEvidence

    @classmethod
    def of(cls, task: Task, *, workers: int = 4) -> Self:
        """Search a task from a cold start, with the usual budget of its family."""
        asked = task.drawn(PAST_SEED) if isinstance(task, SmoothTask) else task
        ours = Ours(asked, seed=PAST_SEED, start=Start(first_rung(asked), lengths=_lengths(asked)))
        budget = FULL[task.family][workers] * asked.full
        virtual.run(ours, asked, workers=workers, budget=budget, startup=STARTUP * asked.epoch)
        seen = [trial for trial in ours.trials.values() if trial.measurements]
        ranked = sorted(seen, key=lambda trial: (-trial.epoch, -(trial.best(METRIC) or 0.0)))
        first = ours.rungs[0] if ours.rungs else 1
        looked = [trial for trial in seen if trial.epoch >= first]
        worst = min(looked, key=lambda trial: trial.best(METRIC, until=first) or 0.0)
        curves = [
            PastTrial(trial.params, {m.epoch: m.metrics[METRIC] for m in trial.measurements}, trial.state)
            for trial in seen
        ]
        pairs = zip(seen, scores(curves), strict=True)
        evidence = PastEvidence(task.name, UNKNOWN, tuple(Evidence(trial.params, score) for trial, score in pairs))
        return cls(tuple(trial.params for trial in ranked[:2]), worst.params, evidence)


def _lengths(task: Task) -> dict[str, float]:
    return learned_lengths(task.source) if isinstance(task, SmoothTask) else {}


@cache
def every_task(place: Path | None, family: str) -> list[Task]:
    """Return the tasks of a family."""
    return detector_tasks.cached() if family in TRAININGS else tables.families(place)[family]


def teachers(task: Task, every: Sequence[Task]) -> list[Task]:
    """Return the tasks on which past studies of a task may have been."""
    if isinstance(task, SmoothTask):
        return [
            other for other in every
            if isinstance(other, SmoothTask) and other.source != task.source
            and from_scratch(other) == from_scratch(task)
        ]  # fmt: skip
    return [other for other in tables.open_to_all(every) if other.name != task.name]


@cache
def summary(name: str) -> Summary:
    """Return the statistics of a detector's data set."""
    return Summary.from_dict(read_rows(detector_tasks.TABLES / f"{name}.jsonl")[0]["data"])


def alike(task: Task, other: Task) -> float | None:
    """Return the similarity of two tasks' data sets; None where the family has no statistics."""
    if isinstance(task, SmoothTask):
        return similarity(summary(task.name), summary(other.name))
    return past._similarity(task, other) if task.about else None


def chosen(task: Task, every: Sequence[Task], *, kind: str, count: int, seed: int) -> list[Task]:
    """Return the tasks of the past studies that a rule uses, the most similar one first."""
    others = teachers(task, every)
    drawn = [others[index] for index in np.random.default_rng([seed, 7]).permutation(len(others))]
    if kind in {"near", "added", "second"}:
        drawn.sort(key=lambda other: -(alike(task, other) or 0.0))  # equal ones in the order drawn
    return drawn[:count]


@cache
def past_of(place: Path | None, family: str, name: str) -> Past:
    """Return the past study on a task."""
    return Past.of(next(task for task in every_task(place, family) if task.name == name))


def started(
    place: Path | None, task: Task, rule: str, seed: int
) -> tuple[tuple[Params, ...], tuple[PastEvidence, ...]]:
    """Return the params that a rule tries after the default, and what the model knows of past studies."""
    family, every = task.family, every_task(place, task.family)
    if rule == COLD:
        return (), ()
    if rule == WARM:
        kind = "near" if isinstance(task, SmoothTask) or task.about else "drawn"
        near = chosen(task, every, kind=kind, count=past.STUDIES, seed=seed)
        found = [(past_of(place, family, one.name).evidence, alike(task, one)) for one in near]
        return (), tuple(past.weighed(one, UNKNOWN if similar is None else similar) for one, similar in found)
    kind, count = rule.split()
    studies = [past_of(place, family, one.name) for one in chosen(task, every, kind=kind, count=int(count), seed=seed)]
    if kind == "misled":
        return tuple(study.worst for study in studies), ()
    ranks = (0, 1) if kind == "second" else (0,)
    return tuple(study.best[rank] for rank in ranks for study in studies if rank < len(study.best)), ()


def searched(task: Task, rule: str, *, options: argparse.Namespace, seed: int) -> Matrix:
    """Return the regret of one search along its budget."""
    asked = task.drawn(seed) if isinstance(task, SmoothTask) else task
    given, earlier = started(options.data, task, rule, seed)
    budget = FULL[task.family][options.workers] * asked.full
    start = Start(first_rung(asked), portfolio=given, lengths=_lengths(asked))
    more = len(given) if rule.startswith("added") else 0
    blind = patch.object(Sampler, "_of_model", ladder_rules.drawn) if options.without_model else nullcontext()
    with blind, patch.object(sampler_module, "STARTS", sampler_module.STARTS + more):
        search = Ours(asked, seed=seed, earlier=earlier, start=start)
        trace = virtual.run(search, asked, workers=options.workers, budget=budget, startup=STARTUP * asked.epoch)
    return virtual.regret(trace, asked, GRID * budget)


def of_rows() -> dict[str, list[float]]:
    """Return, and print, the regret of the default's row, and with it those of one to three winners of other tables.

    For each number: the mean over all choices of tables, those of the most similar data sets, and random rows.
    """
    answer: dict[str, list[float]] = {}
    every = [task for task in detector_tasks.cached() if isinstance(task, SmoothTask)]
    for task in every:
        own = portfolio.regrets([task.scores])[:, 0]
        others = sorted(teachers(task, every), key=lambda other: -(alike(task, other) or 0.0))
        best = [int(np.nanargmax(other.scores)) for other in others if isinstance(other, SmoothTask)]
        values = [float(own[row]) if row < len(own) else float("nan") for row in best]
        found = [float(own[0])]
        generator, there = np.random.default_rng(0), own[~np.isnan(own)]
        for count in (1, 2, 3):
            chosen = [np.nanmin([own[0], *some]) for some in combinations(values, min(count, len(values)))]
            rows = [min(own[0], generator.permutation(there)[:count].min()) for _ in range(portfolio.DRAWS)]
            found += [float(np.mean(chosen)), float(np.nanmin([own[0], *values[:count]])), float(np.mean(rows))]
        answer[task.name] = [round(value, 3) for value in found]
        print(task.name, "held out" if task.held_out else "open", answer[task.name])
    for half in (True, False):
        means = [answer[task.name] for task in every if task.held_out == half]
        answer["held_out" if half else "open"] = [round(float(value), 3) for value in np.mean(means, axis=0)]
    return answer


def kept(path: Path) -> dict[str, list[float]]:
    """Return the searches that an earlier call did."""
    lines = path.read_text().splitlines() if path.exists() else []
    return {line["cell"]: line["regret"] for line in map(json.loads, lines)}


def key(options: argparse.Namespace, rule: str, task: str, seed: int) -> str:
    """Return the name of one search."""
    return json.dumps([options.family, options.workers, options.without_model, rule, task, seed])


def missing(options: argparse.Namespace) -> Iterator[tuple[Task, str, int]]:
    """Yield what is not yet searched, all rules on one task before the next task."""
    done = kept(options.out)
    for seed in range(options.seeds):
        for task in every_task(options.data, options.family):
            for rule in (COLD, *options.rules):
                if key(options, rule, task.name, seed) not in done:
                    yield task, rule, seed


def figures(found: Matrix, base: Matrix) -> dict[str, float | int | list[float]]:
    """Return the figures of a rule from (searches, points) of it and of a cold start."""
    apart, last = (found - base).mean(axis=1), (found - base)[:, -1]
    error = [float(one.std(ddof=1)) / len(one) ** 0.5 if len(one) > 1 else 0.0 for one in (apart, last)]
    return {
        "searches": len(apart), "regret": [round(float(found[:, place].mean()), 3) for place in (24, 49, 99)],
        "apart": round(float(apart.mean()), 3), "error": round(error[0], 3),
        "at_end": round(float(last.mean()), 3), "error_at_end": round(error[1], 3),
    }  # fmt: skip


def compared(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Return the figures of each rule on each half, on the searches that all rules have done."""
    done, answer = kept(options.out), dict[str, dict[str, Any]]()
    every = every_task(options.data, options.family)
    rules = [COLD, *options.rules]
    for half, tasks in {"open": tables.open_to_all(every), "held_out": tables.held_out(every), "all": every}.items():
        cells = [(task.name, seed) for task in tasks for seed in range(options.seeds)]
        cells = [cell for cell in cells if all(key(options, rule, *cell) in done for rule in rules)]
        for rule in rules if cells else ():
            found, base = (np.array([done[key(options, one, *cell)] for cell in cells]) for one in (rule, COLD))
            answer.setdefault(rule, {})[half] = figures(found, base)
            print(half, rule, answer[rule][half], flush=True)
    return answer


def rule(text: str) -> str:
    """Read the name of a rule.

    Raises:
        ValueError: there is no such rule.
    """
    kind, _, count = text.partition(" ")
    if text != WARM and not (kind in KINDS and count.isdecimal() and int(count)):
        raise ValueError(text)
    return text


def main() -> None:
    """Search and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help=f"folder of the tables; else ${tables.ENVIRONMENT}")
    parser.add_argument("--family", choices=FAMILIES, default="detectors")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rules", nargs="+", type=rule, default=["drawn 1", "drawn 3", "misled 3", WARM])
    parser.add_argument("--without-model", action="store_true")
    parser.add_argument("--rows", action="store_true", help="look rows up; no search")
    parser.add_argument("--minutes", type=float, default=60.0, help="no search begins later")
    parser.add_argument("--out", type=Path, default=Path("past_winners.jsonl"), help="results, kept")
    options = parser.parse_args()
    if options.rows:
        print(json.dumps(of_rows()))
        return
    options.data = options.data or tables.folder(None)
    ends = time.monotonic() + 60 * options.minutes
    for task, name, seed in missing(options):
        if time.monotonic() > ends:
            break
        found = searched(task, name, options=options, seed=seed)
        with options.out.open("a") as file:
            cell = key(options, name, task.name, seed)
            file.write(json.dumps({"cell": cell, "regret": found.round(5).tolist()}) + "\n")
    print(json.dumps(compared(options)))


if __name__ == "__main__":
    main()
