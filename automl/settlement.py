"""How a study is settled: the candidate, the judge's verdict, the registry, the report, the last words."""

import math
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

from automl import card, durable, finals, promotion, report
from automl.earlier import DATASET
from automl.errors import StudyError
from automl.finals import CHALLENGER, DEFAULT
from automl.patience import patiently
from automl.records import Engine, Gain, Job, Promotion, Score, Trial
from automl.registry import CHAMPION
from automl.session import SPEC, Session
from automl.spec import read_yaml


@dataclass(frozen=True, slots=True)
class Case:
    """What is laid before the judge."""

    winner: Trial
    """The trial that was judged."""
    side: str
    """Whose model the candidate is: `challenger` or `default`."""
    candidate: Score
    gain: Gain
    engine: Engine


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


def candidate(session: Session, gain: Gain) -> tuple[str, Score]:
    """Return whose model goes on and which: the default's where no gain is sure and nothing serves yet."""
    spec = session.spec
    serves = CHAMPION in session.place.registry(spec).aliases()
    side = CHALLENGER if serves or promotion.convincing(gain, spec.laws) else DEFAULT
    scores = gain.challenger if side == CHALLENGER else gain.default
    return side, finals.shipped(scores, metric=spec.metric)


def judge(session: Session, case: Case, *, champion_score: float | None) -> Promotion:
    """Return the verdict on the candidate; `champion_score` as in `promotion.judge`."""
    if case.side == DEFAULT:
        return promotion.judge_first(case.gain, case.engine, session.spec.laws)
    return promotion.judge(case.gain, case.engine, session.spec.laws, champion_score=champion_score)


def serving(session: Session, rival: Score) -> tuple[Path, Job] | None:
    """Return the champion's weights and a job that judges them, at their own image size, on their rival's images.

    None where there is no champion, or where the rival is the champion.
    """
    registry = session.place.registry(session.spec)
    number = registry.aliases().get(CHAMPION)
    if number is None or durable.sha256(registry.path(number) / "best.pt") == durable.sha256(rival.weights):
        return None
    here = card.read(rival.weights.parent)
    theirs = card.read(registry.path(number))
    job = replace(theirs, data=here.data, split=here.split, gpus=here.gpus, threads=here.threads)
    return registry.path(number) / "best.pt", job


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
    gain, built = case.gain, case.engine
    return {
        "study": session.spec.name,
        "accepted": verdict.accepted,
        "side": case.side,
        "reasons": list(verdict.reasons),
        "notes": list(verdict.notes),
        "trial": case.winner.number,
        "params": dict(case.winner.params),
        "seed": case.candidate.seed,
        "objective": session.spec.objective,
        "split": session.spec.confirm.split,
        "challenger": [score.value for score in gain.challenger],
        "default": [score.value for score in gain.default],
        "difference": gain.difference,
        "lower_bound": gain.low if math.isfinite(gain.low) else None,
        "confidence": gain.confidence,
        "retrainings": sum(key.startswith("confirm:") for key in session.journal.notes()),
        "metrics": dict(case.candidate.metrics),
        "torch_score": built.torch_score,
        "onnx_score": built.onnx_score,
        "onnx_difference": built.onnx_difference,
        "engine": built.builder,
        "engine_score": built.plan_score,
        "files": _files(session.folder, case),
        "data": session.data.fingerprint,
        "names": {str(number): name for number, name in session.data.names.items()},
    }


def _files(folder: Path, case: Case) -> dict[str, str]:
    """Return what a version holds: name in the registry to path in the study's folder."""
    files = {
        "best.pt": case.candidate.weights,
        "model.onnx": case.engine.onnx,
        card.FILE: case.candidate.weights.parent / card.FILE,
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
    """Return the verdict in plain words."""
    challenger, default = mean(facts["challenger"]), mean(facts["default"])
    against = f"{facts['objective']} {challenger:.4f} against the default's {default:.4f} on {facts['split']}"
    no_gain = any("gain over the default" in reason and "holds" not in reason for reason in facts["reasons"])
    lines = [f"no significant gain over the default: {against}, which is a proper result"] if no_gain else []
    if facts["accepted"] and facts["side"] == DEFAULT:
        lines.append(f"champion {name}: version {facts['version']}, the default params' own model, {default:.4f}")
    elif facts["accepted"]:
        lines.append(f"champion {name}: version {facts['version']}, {against}")
    else:
        lines.append(f"nothing was promoted: {against}; the champion, if any, stays as it was")
    return lines
