"""Verdict of a study: what ships, its comparison with the baseline and the champion, and the gates."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

from automl.data.record import DataSet
from automl.hpo import statistics
from automl.hpo.selection import Candidate
from automl.release import gates as release_gates
from automl.storage import checkpoint_files
from automl.storage.journal import Journal
from automl.storage.layout import (
    BEST,
    CURVES,
    DATASET,
    ENGINE,
    ENGINE_FACTS,
    EVALUATION,
    EXPORT,
    FINDINGS,
    ONNX,
    PARAMS,
    SMOKE,
    SPEC,
    VERDICT,
    trial_folder,
)
from automl.storage.place import Place
from automl.storage.registry import CHAMPION, Registry
from automl.study import ExportResult, Gain, Gates, Job, Params, TargetResult, Trial
from automl.study.confirmation_end import ConfirmationEnd
from automl.study.errors import RegistryError, StudyError
from automl.study.gate_result import GateResult
from automl.study.spec import StudySpec
from automl.study.verdict import Claim, Comparison, Further, Interval, Shipped, TargetVerdict, Verdict
from automl.study.yaml_io import read_yaml
from automl.trainers import trainer_of

LOG: Final = logging.getLogger(__name__)


class StudySession(Protocol):
    """The fields of an open study that the verdict needs; `pipeline.session.Session` satisfies it."""

    spec: StudySpec
    place: Place
    folder: Path
    data: DataSet
    journal: Journal


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Results of the re-trainings."""

    winner: Trial
    """The trial whose params were compared with the baseline's."""
    baseline: Params
    gain: Gain
    jobs: Mapping[str, Job]
    """All re-trainings by name."""
    further: int | None
    """Further seeds of each side that would decide a close verdict; None if it is not close."""
    end: ConfirmationEnd | None = None
    """At which look it ended and why; None if nothing was compared."""
    allowed: int | None = None
    """The most re-trainings of a confirmation begun by an earlier version; None: those of the description."""


@dataclass(frozen=True, slots=True)
class Worth:
    """Scores of the chosen model on the judged split."""

    value: Interval
    """Its objective, measured on the ONNX file."""
    images: int
    over_baseline: Interval | None
    """Its difference to the mean of the baseline's models, all measured in torch; None if there are none."""
    baselines: int
    """Models of the baseline that it is compared with."""
    over_champion: Interval | None
    """Its difference to the serving champion, both measured on their ONNX files; None without a champion."""
    champion: int = 0
    """Version of that champion; 0 if none serves."""


@dataclass(frozen=True, slots=True)
class Case:
    """Input of the promotion decision."""

    confirmed: Confirmed
    chosen: Candidate
    params: Params
    """Params of the chosen model."""
    built: ExportResult
    worth: Worth


def check_champion(registry: Registry, classes: Mapping[int, str], *, train: Mapping[str, Any]) -> None:
    """Check before the first trial that the serving champion, if any, has the classes of this data set.

    Raises:
        StudyError: the champion has other classes, so no model can be compared with it.
        RegistryError: it, the aliases or the history are damaged.
    """
    aliases, _ = registry.records()
    if CHAMPION not in aliases:
        return
    names = _names_in(registry.verified(aliases[CHAMPION]) / VERDICT)
    ours = trainer_of().model_names(train, classes)
    if names != ours:
        raise StudyError(
            f"{registry.folder}: the champion must have the classes of this study, {list(ours.values())}, but has "
            f"{list(names.values())}; set champion to another name"
        )


def _names_in(path: Path) -> dict[int, str]:
    """Return the classes in the verdict of a version."""
    try:
        return {int(key): name for key, name in read_yaml(path)["names"].items()}
    except (AttributeError, LookupError, TypeError, ValueError):
        raise RegistryError(
            f"{path}: must name the classes of the champion under `names`, but does not; promote a version of a study"
        ) from None


def extended(done: Verdict, retrainings: int) -> bool:
    """Return True if more re-trainings are requested than the finished study's verdict was allowed."""
    return done.claim.allowed is not None and retrainings > done.claim.allowed


def reopen(journal: Journal, done: Verdict, *, retrainings: int) -> None:
    """Withdraw the verdict of a finished study, so that its confirmation continues; the registry is unchanged."""
    LOG.info(f"study continues: {done.claim.allowed} re-trainings were allowed, now {retrainings}")
    journal.note("verdict", None)
    journal.note("promotion", None)


def delete_weights(session: StudySession, verdict: Verdict) -> None:
    """Delete the weights of the models that do not ship, except those of the best trials (`retention.keep`)."""
    folder, spec, trials = session.folder, session.spec, session.journal.trials()
    shipped = folder / verdict.files[BEST]
    checkpoint_files.delete_retraining_weights(folder, shipped)
    best = checkpoint_files.best_ended(trials, spec.metric, most=spec.retention.keep)
    checkpoint_files.delete_trial_weights(
        folder, shipped, best=[trial_folder(folder, trial, spec.model) for trial in best]
    )


def verdict_of(session: StudySession, case: Case, gates: Sequence[GateResult]) -> Verdict:
    """Return the verdict on a case: accepted if every gate is passed."""
    spec, built, worth = session.spec, case.built, case.worth
    retrained = sum(key.startswith("confirm:") for key in session.journal.notes())
    names = trainer_of().model_names(spec.train, session.data.names)
    ranked = sorted(gates, key=lambda gate: gate.passed)
    return Verdict(
        study=spec.name,
        accepted=all(gate.passed for gate in gates),
        side=case.chosen.side,
        reasons=tuple(gate.reason for gate in ranked),
        notes=built.notes,
        objective=spec.objective_name,
        split=spec.confirm.split,
        claim=_claim(case.confirmed, spec.laws, done=retrained, allowed=case.confirmed.allowed or spec.retrainings[1]),
        metrics=dict(built.metrics),
        torch_score=built.torch_score,
        onnx_score=built.onnx_score,
        onnx_difference=built.onnx_difference,
        engine=built.engine.builder if built.engine else "",
        engine_score=built.engine.score if built.engine else None,
        files=_files(session.folder, case, spec.laws),
        data=session.data.fingerprint,
        names={str(number): name for number, name in names.items()},
        shipped=Shipped(case.chosen.name, dict(case.params), case.chosen.on_val, worth.images, worth.value),
        over_baseline=Comparison(worth.baselines, worth.over_baseline) if worth.over_baseline else None,
        over_champion=worth.over_champion,
        champion=worth.champion,
        gates=tuple(ranked),
        threshold=built.threshold,
        targets=tuple(_target(one, spec.laws) for one in built.targets),
        onnx_cost=built.onnx_cost,
    )


def _target(built: TargetResult, laws: Gates) -> TargetVerdict:
    results = tuple(release_gates.of_target(built, laws))
    target, latency = built.target, built.latency
    return TargetVerdict(
        target.name,
        target.format,
        target.precision,
        accepted=all(gate.passed for gate in results),
        score=built.artifact.score if built.artifact else None,
        p50_ms=latency.p50 if latency else None,
        p99_ms=latency.p99 if latency else None,
        stable=latency.stable if latency else False,
        device=latency.device if latency else "",
        float_blocks=built.float_blocks,
        gates=results,
        mb=built.mb,
        end_to_end=built.end_to_end,
        in_int8_p50_ms=built.in_int8.p50 if built.in_int8 else None,
        own_p50_ms=built.own.latency.p50 if built.own else None,
        own_mb=built.own.mb if built.own else None,
    )


def _accepted(built: TargetResult, laws: Gates) -> bool:
    return all(gate.passed for gate in release_gates.of_target(built, laws))


def outdated(verdict: Verdict, champion: int, published: int | None) -> bool:
    """Return True if a verdict depends on the comparison with a champion, and another one serves now.

    `published` is the version that contains the model already, if any: as the champion it needs no comparison.
    """
    if champion in {verdict.champion, published} or (champion == 0 and verdict.over_champion is None):
        return False
    return all(gate.passed for gate in verdict.gates if gate.name not in release_gates.AGAINST_CHAMPION)


def compared_again(
    verdict: Verdict, laws: Gates, *, champion: int, over: Interval | None, classes: Sequence[GateResult] = ()
) -> Verdict:
    """Return a verdict with the comparison to another champion, and that of the classes, in place of its own."""
    kept = [gate for gate in verdict.gates if gate.name not in release_gates.AGAINST_CHAMPION]
    results = sorted((*kept, *release_gates.champion(over, laws), *classes), key=lambda gate: gate.passed)
    earlier = verdict.accepted, verdict.reasons  # a verdict of an earlier version has no gates
    known, reasons = (True, ()) if verdict.gates else earlier
    return replace(
        verdict,
        accepted=known and all(gate.passed for gate in results),
        reasons=(*reasons, *(gate.reason for gate in results)),
        over_champion=over,
        champion=champion,
        gates=tuple(results),
    )


def _claim(confirmed: Confirmed, gates: Gates, *, done: int, allowed: int) -> Claim:
    """Return the claim on the params: those of the winner against the baseline's, on fresh seeds."""
    gain, further = confirmed.gain, confirmed.further
    return Claim(
        trial=confirmed.winner.number,
        params=dict(confirmed.winner.params),
        baseline_params=dict(confirmed.baseline),
        challenger=tuple(score.value for score in gain.challenger),
        baseline=tuple(score.value for score in gain.default),
        difference=gain.difference,
        lower_bound=gain.low if math.isfinite(gain.low) else None,
        confidence=gain.confidence,
        better=statistics.convincing(gain, gates),
        retrainings=done,
        allowed=allowed,
        further=Further(further, max(done + 2 * further, allowed + 1)) if further else None,
        end=confirmed.end,
    )


def _engine_files(engine: Path) -> dict[str, Path]:
    facts = engine.with_name(ENGINE_FACTS)
    return {ENGINE: engine} | ({ENGINE_FACTS: facts} if facts.is_file() else {})


def _files(folder: Path, case: Case, laws: Gates) -> dict[str, str]:
    """Return the files of a version: name in the registry to path in the study's folder.

    The artifact of a target is among them if it passed its gates.
    """
    record = folder / EXPORT / EVALUATION
    files = {
        BEST: case.chosen.weights,
        ONNX: case.built.onnx.file,
        PARAMS: case.chosen.weights.parent / PARAMS,
        SPEC: folder / SPEC,
    } | (_engine_files(case.built.engine.file) if case.built.engine else {})
    if record.is_file():
        files[EVALUATION] = record
    if (folder / DATASET).is_file():
        files[DATASET] = folder / DATASET
    trained = case.chosen.weights.parent
    files |= {name: trained / name for name in (CURVES, FINDINGS) if (trained / name).is_file()}
    files |= {path.name: path for path in sorted((folder / EXPORT).glob(f"{SMOKE}-*"))}
    for built in case.built.targets:
        files |= built.files if _accepted(built, laws) else {}
    return {name: str(path.relative_to(folder)) for name, path in files.items()}
