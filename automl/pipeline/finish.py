"""The last stage: publish the verdict, write the report, print how the study ended."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import mean
from typing import Any

from automl.pipeline.session import Session
from automl.storage import files as storage_files
from automl.storage.layout import VERDICT
from automl.storage.outage import patiently
from automl.storage.registry import CHAMPION
from automl.study import Promotion
from automl.study.results import DEFAULT
from automl.tracking import report
from automl.tracking.report import spanned


def settle(session: Session, facts: dict[str, Any]) -> dict[str, Any]:
    """Publish the candidate, move the alias if it was accepted, report, and close the study.

    `facts` were written to the journal before, so that a process killed in here does the same again and nothing else.
    """
    registry, folder = session.place.registry(session.spec), session.folder
    files = {name: folder / path for name, path in facts["files"].items()}
    version = patiently(registry.folder, lambda: registry.publish(files, {VERDICT: facts}))
    if facts["accepted"]:
        registry.promote(version, why=f"study {session.spec.name}: {'; '.join(facts['reasons'])}")
    done = facts | {"version": version}
    storage_files.write_json(folder / VERDICT, done)
    report.write(folder, session.spec, session.journal.trials(), done, source=session.data.source)
    session.journal.note("promotion", done)
    return done


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
