"""How a study is settled: the verdict on what ships, the registry, the report, the last words."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from automl.data.record import DataSet
from automl.hpo import statistics
from automl.hpo.bootstrap import Interval
from automl.hpo.selection import Candidate
from automl.storage import checkpoint_files
from automl.storage.journal import Journal
from automl.storage.layout import BEST, DATASET, ENGINE, ONNX, PARAMS, SPEC, VERDICT
from automl.storage.place import Place
from automl.storage.registry import CHAMPION
from automl.study import Engine, Gain, Job, Params, Promotion, Trial
from automl.study.errors import StudyError
from automl.study.spec import StudySpec
from automl.study.yaml_io import read_yaml
from automl.trials.listener import EventLog


class StudySession(Protocol):
    """The fields of an open study that the verdict needs; `pipeline.session.Session` satisfies it."""

    spec: StudySpec
    place: Place
    folder: Path
    data: DataSet
    journal: Journal

    @property
    def progress(self) -> EventLog:
        """Return where events are logged."""
        ...


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What the re-trainings gave."""

    winner: Trial
    """The trial whose params were compared with the baseline's."""
    gain: Gain
    jobs: Mapping[str, Job]
    """All re-trainings by name."""
    further: int | None
    """So many further seeds of each side would decide a close verdict; None where it is not close."""


@dataclass(frozen=True, slots=True)
class Worth:
    """What the chosen model is worth on the judged split."""

    value: Interval
    """Its objective, measured on the ONNX file."""
    images: int
    over_baseline: Interval | None
    """Its difference to the mean of the baseline's models, all measured in torch; None where there are none."""
    baselines: int
    """Models of the baseline that it is compared with."""
    over_champion: Interval | None
    """Its difference to the serving champion, both measured on their ONNX files; None where nothing serves."""


@dataclass(frozen=True, slots=True)
class Case:
    """All that a verdict rests on."""

    confirmed: Confirmed
    chosen: Candidate
    params: Params
    """What the chosen model was trained with."""
    engine: Engine
    worth: Worth


def check_champion(session: StudySession) -> None:
    """See before the first trial that the serving champion, if any, knows the classes of this data set.

    Raises:
        StudyError: the champion is a model of other classes, with which nothing can be compared.
    """
    registry = session.place.registry(session.spec)
    number = registry.aliases().get(CHAMPION)
    if number is None:
        return
    names = {int(key): name for key, name in read_yaml(registry.path(number) / VERDICT)["names"].items()}
    if names != dict(session.data.names):
        raise StudyError(
            f"{registry.folder}: its champion must know the classes of this data set, but knows {list(names.values())} "
            f"and the data has {list(session.data.names.values())}; set champion to another name"
        )


def extended(spec: StudySpec, done: Mapping[str, Any]) -> bool:
    """Return True if more re-trainings are asked for than the finished study's verdict was allowed."""
    return "allowed" in done and spec.retrainings[1] > done["allowed"]


def reopen(session: StudySession, done: Mapping[str, Any]) -> None:
    """Take the verdict of a finished study back, so that its confirmation continues; the registry stays as it is."""
    allowed = session.spec.retrainings[1]
    session.progress.event(f"study continues: {done['allowed']} re-trainings were allowed, now {allowed}")
    session.journal.note("verdict", None)
    session.journal.note("promotion", None)


def give_up_weights(session: StudySession, facts: Mapping[str, Any]) -> None:
    """Delete the weights of the models that do not ship, but those of the best trials (`retention.keep`)."""
    shipped = session.folder / facts["files"][BEST]
    checkpoint_files.settled(session.folder, shipped, say=session.progress.event)
    checkpoint_files.thinned(
        session.folder, session.spec, session.journal.trials(), shipped, say=session.progress.event
    )


def evidence(session: StudySession, case: Case, verdict: Promotion) -> dict[str, Any]:
    """Return the verdict and all it rests on, as plain values; a bound that is not there is None."""
    built, worth = case.engine, case.worth
    return {
        "study": session.spec.name,
        "accepted": verdict.accepted,
        "side": case.chosen.side,
        "reasons": list(verdict.reasons),
        "notes": list(verdict.notes),
        "objective": session.spec.objective,
        "split": session.spec.confirm.split,
        "shipped": {
            "name": case.chosen.name,
            "params": dict(case.params),
            "on_val": case.chosen.on_val,
            "images": worth.images,
            **asdict(worth.value),
        },
        "over_baseline": worth.over_baseline and {"models": worth.baselines, **asdict(worth.over_baseline)},
        "over_champion": worth.over_champion and asdict(worth.over_champion),
        **_claim(session, case.confirmed),
        "metrics": dict(built.metrics),
        "torch_score": built.torch_score,
        "onnx_score": built.onnx_score,
        "onnx_difference": built.onnx_difference,
        "engine": built.builder,
        "engine_score": built.plan_score,
        "files": _files(session.folder, case),
        "data": session.data.fingerprint,
        "names": {str(number): name for number, name in session.data.names.items()},
    }


def _claim(session: StudySession, confirmed: Confirmed) -> dict[str, Any]:
    """Return what is known of the params: those of the winner against the baseline's, on fresh seeds."""
    gain, further = confirmed.gain, confirmed.further
    done = sum(key.startswith("confirm:") for key in session.journal.notes())
    return {
        "trial": confirmed.winner.number,
        "params": dict(confirmed.winner.params),
        "challenger": [score.value for score in gain.challenger],
        "default": [score.value for score in gain.default],
        "difference": gain.difference,
        "lower_bound": gain.low if math.isfinite(gain.low) else None,
        "confidence": gain.confidence,
        "params_better": statistics.convincing(gain, session.spec.laws),
        "retrainings": done,
        "allowed": session.spec.retrainings[1],
        "further": further and {"seeds": further, "retrainings": done + 2 * further},
    }


def _files(folder: Path, case: Case) -> dict[str, str]:
    """Return what a version holds: name in the registry to path in the study's folder."""
    files = {
        BEST: case.chosen.weights,
        ONNX: case.engine.onnx,
        PARAMS: case.chosen.weights.parent / PARAMS,
        SPEC: folder / SPEC,
    } | ({ENGINE: case.engine.plan} if case.engine.plan else {})
    if (folder / DATASET).is_file():
        files[DATASET] = folder / DATASET
    return {name: str(path.relative_to(folder)) for name, path in files.items()}
