"""Read-only view of a past study: description, curves and data summary; safe while its writer runs.

Reads `study.yaml`, `journal.log` and `dataset.json`; opens no weights.
"""

import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from statistics import fmean
from typing import Any, TypeGuard

from automl.data.labels import label_of
from automl.data.summary import Summary, summarise
from automl.hpo.warm_start.locate import read_json, read_summary, study_of, version_of
from automl.storage import records
from automl.storage.journal import Journal
from automl.storage.layout import DATASET, JOURNAL, SPEC, VERDICT
from automl.storage.records import RecordError
from automl.storage.symlinks import file_in, inside, real
from automl.study import Params, State, Trial
from automl.study.errors import StudyError
from automl.study.load import differences, stored
from automl.study.space import SearchSpace
from automl.study.spec import StudySpec


@dataclass(frozen=True, slots=True)
class PastTrial:
    """One trial of a past study."""

    params: Params
    curve: Mapping[int, float]
    """Maps an epoch to the metric, in order; epochs without it are absent."""
    state: State

    @property
    def epoch(self) -> int:
        """Return the last epoch with a value, 0 before any."""
        return max(self.curve, default=0)

    def best(self, until: int) -> float | None:
        """Return the highest value up to an epoch, None before any."""
        return max((value for epoch, value in self.curve.items() if epoch <= until), default=None)


@dataclass(frozen=True, slots=True)
class PastStudy:
    """Data of a past study."""

    folder: Path
    spec: StudySpec
    """Its name, space, fixed settings and ladder."""
    metric: str
    """The metric of the curves."""
    trials: tuple[PastTrial, ...]
    data: Summary | None
    """None if neither the study's data summary nor its staged data exist."""
    note: str = ""
    """Remark for the user on how it was read."""

    @property
    def ended(self) -> list[PastTrial]:
        """Return the trials that completed or were stopped, with at least one value."""
        return [trial for trial in self.trials if trial.state in {State.COMPLETED, State.PRUNED} and trial.curve]

    @property
    def countable(self) -> list[PastTrial]:
        """Return the trials that can be ranked: all beyond the first rung, and those stopped before it."""
        first = self.spec.ladder.first_rung
        going = [trial for trial in self.trials if trial.state is State.RUNNING and trial.epoch >= first]
        return [*self.ended, *going]


def read(path: Path, *, metric: str = "") -> PastStudy:
    """Read the study at a path: a study folder, or a registry folder for the study of its champion.

    Without `metric` the curves are those of the study's own objective. Every epoch has all metrics, so a study of
    another objective can be read by the present one.

    Raises:
        AutomlError: the path names no study, a document is damaged, or no trial ended with a value of the metric.
    """
    folder = real(path)
    if inside(folder, "versions") and not file_in(folder, SPEC):
        study = _from_registry(folder, metric)
    else:
        study = look(folder, metric=metric)
    if not study.ended:
        lost = f" ({study.note})" if study.note else ""
        raise StudyError(
            f"{path}: must contain a trial that ended with a value of {study.metric}, "
            f"but of its {len(study.trials)} trials none did{lost}"
        )
    return study


def look(path: Path, *, metric: str = "") -> PastStudy:
    """Read a study's folder, even if no trial ended.

    Raises:
        AutomlError: it is no study folder, or a document is damaged.
    """
    folder = real(path)
    for name in (SPEC, JOURNAL):
        if not file_in(folder, name):
            raise StudyError(f"{path}: must be the folder of a study that has begun, but has no {name}")
    spec = stored(folder / SPEC)
    journal = Journal.read(folder, metric=spec.metric)
    wanted = metric or spec.metric
    read_trials = tuple(_trial(trial, wanted) for trial in journal.trials() if not trial.changed)
    data, lost = _data(folder)
    return PastStudy(folder, spec, wanted, read_trials, data, "; ".join([*journal.warnings, *lost]))


def _trial(trial: Trial, metric: str) -> PastTrial:
    values = ((m.epoch, m.metrics.get(metric)) for m in trial.measurements)
    curve = {epoch: float(value) for epoch, value in values if _number(value)}
    return PastTrial(trial.params, curve, trial.state)


def _number(value: float | None) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _from_registry(folder: Path, metric: str) -> PastStudy:
    version = version_of(folder)
    verdict, spec = read_json(version / VERDICT), stored(version / SPEC)
    name = verdict.get("study") if isinstance(verdict, dict) else None
    study = study_of(folder, name)
    if study and file_in(study, SPEC) and file_in(study, JOURNAL) and not differences(spec, stored(study / SPEC)):
        return look(study, metric=metric)
    with records.reading(version / VERDICT, kind="a study's verdict", remedy="restore it from a copy"):
        trials = tuple(_outcomes(verdict, spec.search_space, epochs=spec.ladder.max_epochs))
    if metric and metric != spec.metric:
        raise StudyError(
            f"{folder}: must be from a study of {metric}, since the study's folder no longer exists, but its version "
            f"{version.name} was scored by {spec.metric}"
        )
    note = f"its study {name} no longer exists, so only version {version.name} is used"
    data, lost = _noted(version)
    return PastStudy(version, spec, spec.metric, trials, data, "; ".join([note, *lost]))


def _outcomes(verdict: Mapping[str, Any], space: SearchSpace, *, epochs: int) -> Iterator[PastTrial]:
    """Yield winner and default with the means of their confirmed scores, which were taken on the same split."""
    sides = {
        "challenger": dict(verdict["params"]),
        "default": dict(verdict.get("baseline_params") or space.defaults()),
    }
    if sides["challenger"] == sides["default"]:
        del sides["challenger"]
    for side, params in sides.items():
        if scores := [float(score) for score in verdict[side]]:
            yield PastTrial(params, {epochs: fmean(scores)}, State.COMPLETED)


def _data(folder: Path) -> tuple[Summary | None, list[str]]:
    """Return the study's data summary, else that of its staged data, None if neither exists; and what is damaged."""
    noted, lost = _noted(folder)
    return noted or _staged(folder), lost


def _staged(folder: Path) -> Summary | None:
    pictures, marker = inside(folder, "data/images/train"), file_in(folder, "data/data.yaml")
    if pictures is None or not pictures.is_dir() or marker is None or not inside(folder, "data/labels/train"):
        return None
    # The images are links to outside folders and are not followed; labels must be copies.
    images = [image for image in sorted(pictures.iterdir()) if _regular(label_of(image))]
    head, *lines = marker.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
    names = lines[lines.index("names:") + 1 :] if "names:" in lines else []
    return summarise(images, classes=len(names), fingerprint=head.removeprefix("# "), heads=False) if names else None


def _noted(folder: Path) -> tuple[Summary | None, list[str]]:
    note = file_in(folder, DATASET)
    if note is None:
        return None, []
    try:
        remedy = "the staged data are looked at instead; a resumed study writes it again"
        return read_summary(note, remedy=remedy), []
    except RecordError as error:
        return None, [str(error)]


def _regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False
