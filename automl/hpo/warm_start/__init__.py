"""Warm start: map trials of past studies into a new study's search space.

Steps: `read` (past_study.py), `scores` (ranking.py), `translated` (mapping.py). The result is stored in the new study's
folder, which never reads the past studies again.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from automl.data.summary import Summary, similarity
from automl.hpo.warm_start.mapping import Terms, translated
from automl.hpo.warm_start.past_study import PastStudy, PastTrial, read
from automl.hpo.warm_start.ranking import scores
from automl.hpo.warm_start.transfer import Transfer, keep, kept
from automl.storage.layout import RUNS, WARM_START
from automl.study import Evidence, PastEvidence
from automl.study.errors import AutomlError, StudyError
from automl.study.spec import StudySpec

__all__ = [ "WARM_START", "PastStudy", "PastTrial", "Transfer", "evidence", "gather", "keep", "kept",
    "read",
]  # fmt: skip


def evidence(transfers: tuple[Transfer, ...]) -> tuple[PastEvidence, ...]:
    """Return the trials of the past studies for the sampler."""
    return tuple(transfer.evidence() for transfer in transfers)


def gather(
    spec: StudySpec, storage: Path, *, data: Summary | None, settings: Mapping[str, Any]
) -> tuple[Transfer, ...]:
    """Read the studies that a description names; relative paths are those of the storage.

    `settings` are the trainer's defaults, for settings that neither study fixes.

    Raises:
        StudyError: one line for each path that names no study, or one without usable trials.
    """
    found: list[Transfer] = []
    taken = {(storage / RUNS / spec.name).resolve(): "this study itself"}
    mistakes: list[str] = []
    here = Terms.of(spec.search_space, spec.train, model=spec.model, settings=settings)
    for name in spec.warm_start:
        try:
            study = read(storage / name, metric=spec.metric)
            if study.folder in taken:
                raise StudyError(f"{storage / name}: must be another study, but is {taken[study.folder]}")
            taken[study.folder] = f"the same study as {name}"
            found.append(_transfer(study, here, name=name, data=data, settings=settings))
        except AutomlError as error:
            mistakes += [f"warm_start: {line}" for line in error.args]
    if mistakes:
        raise StudyError(*mistakes)
    return tuple(found)


def _transfer(
    study: PastStudy, here: Terms, *, name: str, data: Summary | None, settings: Mapping[str, Any]
) -> Transfer:
    there = Terms.of(study.spec.search_space, study.spec.train, model=study.spec.model, settings=settings)
    if not there.space.parameters.keys() & here.space.parameters.keys():
        raise StudyError(
            f"{study.folder}: must have searched a parameter that this study searches, {list(here.space.parameters)}, "
            f"but searched {list(study.spec.space)}"
        )
    left_out: dict[str, int] = {}
    trials = tuple(_fitting(study, there, here, left_out))
    if not trials:
        counted = ", ".join(f"{parameter} {count}" for parameter, count in left_out.items())
        raise StudyError(
            f"{study.folder}: must contain trials in this study's space, but has none; parameters outside: {counted}"
        )
    alike = similarity(study.data, data) if study.data and data else None
    return Transfer(study.spec.name, name, alike, trials, left_out, study.note)


def _fitting(study: PastStudy, there: Terms, here: Terms, left_out: dict[str, int]) -> Iterator[Evidence]:
    trials = study.countable
    for trial, score in zip(trials, scores(trials), strict=True):
        params = translated(trial.params, there, here)
        if isinstance(params, str):
            left_out[params] = left_out.get(params, 0) + 1
        else:
            yield Evidence(params, score)
