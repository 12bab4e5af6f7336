"""How a study is settled: the verdict on what ships, the registry, the report, the last words."""

import math
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from automl import card, durable, promotion, report, retention
from automl.earlier import DATASET
from automl.errors import StudyError
from automl.finals import DEFAULT
from automl.patience import patiently
from automl.records import Engine, Gain, Job, Params, Promotion, Trial
from automl.registry import CHAMPION
from automl.report import spanned
from automl.selection import Candidate
from automl.session import SPEC, Session
from automl.shipping import Worth
from automl.spec import StudySpec, read_yaml


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
class Case:
    """All that a verdict rests on."""

    confirmed: Confirmed
    chosen: Candidate
    params: Params
    """What the chosen model was trained with."""
    engine: Engine
    worth: Worth


def check_champion(session: Session) -> None:
    """See before the first trial that the serving champion, if any, knows the classes of this data set.

    Raises:
        StudyError: the champion is a model of other classes, with which nothing can be compared.
    """
    registry = session.place.registry(session.spec)
    number = registry.aliases().get(CHAMPION)
    if number is None:
        return
    names = {int(key): name for key, name in read_yaml(registry.path(number) / "promotion.json")["names"].items()}
    if names != dict(session.data.names):
        raise StudyError(
            f"{registry.folder}: its champion must know the classes of this data set, but knows {list(names.values())} "
            f"and the data has {list(session.data.names.values())}; set champion to another name"
        )


def extended(spec: StudySpec, done: Mapping[str, Any]) -> bool:
    """Return True if more re-trainings are asked for than the finished study's verdict was allowed."""
    return "allowed" in done and spec.retrainings[1] > done["allowed"]


def reopen(session: Session, done: Mapping[str, Any]) -> None:
    """Take the verdict of a finished study back, so that its confirmation continues; the registry stays as it is."""
    allowed = session.spec.retrainings[1]
    session.progress.event(f"study continues: {done['allowed']} re-trainings were allowed, now {allowed}")
    session.journal.note("verdict", None)
    session.journal.note("promotion", None)


def give_up_weights(session: Session, facts: Mapping[str, Any]) -> None:
    """Delete the weights of the models that do not ship, but those of the best trials (`retention.keep`)."""
    shipped = session.folder / facts["files"]["best.pt"]
    retention.settled(session.folder, shipped, say=session.progress.event)
    retention.thinned(session.folder, session.spec, session.journal.trials(), shipped, say=session.progress.event)


def settle(session: Session, facts: dict[str, Any]) -> dict[str, Any]:
    """Publish the candidate, move the alias if it was accepted, report, and close the study.

    `facts` were written to the journal before, so that a process killed in here does the same again and nothing else.
    """
    registry, folder = session.place.registry(session.spec), session.folder
    files = {name: folder / path for name, path in facts["files"].items()}
    version = patiently(registry.folder, lambda: registry.publish(files, {"promotion.json": facts}))
    if facts["accepted"]:
        registry.promote(version, why=f"study {session.spec.name}: {'; '.join(facts['reasons'])}")
    done = facts | {"version": version}
    durable.write_json(folder / "promotion.json", done)
    report.write(folder, session.spec, session.journal.trials(), done, source=session.data.source)
    session.journal.note("promotion", done)
    return done


def evidence(session: Session, case: Case, verdict: Promotion) -> dict[str, Any]:
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


def _claim(session: Session, confirmed: Confirmed) -> dict[str, Any]:
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
        "params_better": promotion.convincing(gain, session.spec.laws),
        "retrainings": done,
        "allowed": session.spec.retrainings[1],
        "further": further and {"seeds": further, "retrainings": done + 2 * further},
    }


def _files(folder: Path, case: Case) -> dict[str, str]:
    """Return what a version holds: name in the registry to path in the study's folder."""
    files = {
        "best.pt": case.chosen.weights,
        "model.onnx": case.engine.onnx,
        card.FILE: case.chosen.weights.parent / card.FILE,
        "study.yaml": folder / SPEC,
    } | ({"model.engine": case.engine.plan} if case.engine.plan else {})
    if (folder / DATASET).is_file():
        files[DATASET] = folder / DATASET
    return {name: str(path.relative_to(folder)) for name, path in files.items()}


def tell(session: Session, facts: Mapping[str, Any]) -> Promotion:
    """Say how the study ended and what to type next."""
    say = session.progress.event
    for reason in facts["reasons"]:
        say(f"gate {reason}")
    registry = session.place.registry(session.spec)
    for line in outcome(facts, registry.name):
        say(line)
    version = registry.path(facts["version"])
    say(f"study took {session.clock.stop().told()}")
    say(f"files of version {version.name}:")
    for path in sorted(version.iterdir()):
        say(f"  {path} ({path.stat().st_size / 1e6:.2f} MB)")
    say("next:")
    say(f"  {typed('tensorboard')} --logdir {session.folder}")
    say(f"  open {session.folder / 'report.html'}")
    name = CHAMPION if facts["accepted"] else facts["version"]
    image = session.data.images[facts["split"]][0]
    say(f"  {typed('automl')} serve {registry.folder} --version {name}")
    say(f"  curl --data-binary @{image} http://127.0.0.1:8000/predict")
    return Promotion(facts["accepted"], tuple(facts["reasons"]), tuple(facts["notes"]))


def typed(command: str) -> str:
    """Return how a command of this environment is typed here: by its path where it is not on PATH."""
    return command if shutil.which(command) else os.path.relpath(Path(sys.executable).with_name(command))


def outcome(facts: Mapping[str, Any], name: str) -> list[str]:
    """Return the verdict in plain words: what ships, what a plain training gives, whether the params are better."""
    lines = [_shipped(facts), _against_baseline(facts), *_params(facts)] if "shipped" in facts else []
    if facts["accepted"]:
        return [*lines, f"champion {name}: version {facts['version']}"]
    return [*lines, "nothing was promoted: the champion, if any, stays as it was"]


def _shipped(facts: Mapping[str, Any]) -> str:
    shipped = facts["shipped"]
    whose = ", trained with the baseline's params" if facts["side"] == DEFAULT else ""
    return (
        f"what ships: {shipped['name']}{whose}: {facts['objective']} {spanned(shipped)} on {shipped['images']} images "
        f"of {facts['split']} (95% interval), chosen on val"
    )


def _against_baseline(facts: Mapping[str, Any]) -> str:
    found = facts["over_baseline"]
    if not found:
        return "against a plain yolo train: not known, since no model of the baseline was trained to the end"
    seeds = "one model, whose seed may have been a lucky one" if found["models"] == 1 else f"{found['models']} models"
    return f"against a plain yolo train: {spanned(found, sign='+')} (95% interval), the mean of {seeds}"


def _params(facts: Mapping[str, Any]) -> list[str]:
    if not facts["challenger"] or not facts["default"]:
        return ["whether the params are better is not known: nothing was trained again (confirm.seeds is 0)"]
    challenger, default = mean(facts["challenger"]), mean(facts["default"])
    against = f"{facts['objective']} {challenger:.4f} against the baseline's {default:.4f} on {facts['split']}"
    if facts["params_better"]:
        return [f"the params of trial {facts['trial']} are better: {against}, {facts['confidence']:.0%} sure"]
    lines = [f"no significant gain of the params over the baseline: {against}, which is a proper result"]
    if further := facts["further"]:
        lines.append(
            f"that is close: {further['seeds']} more seeds of each would decide it if the difference holds; repeat the "
            f"command with --set confirm.retrainings={further['retrainings']}"
        )
    return lines
