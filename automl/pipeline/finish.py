"""Final stage: publish the verdict, write the report, print the summary."""

import logging
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from automl.pipeline import plan, version_files
from automl.pipeline.session import Session
from automl.release.publish import outdated
from automl.storage import files as storage_files
from automl.storage.layout import VERDICT
from automl.storage.outage import retry_on_outage
from automl.storage.registry import CHAMPION
from automl.study.text import amount, shell_line
from automl.study.verdict import Verdict
from automl.tracking import outcome, structure_table
from automl.tracking.diagnosis import findings_file, shipped_findings

LOG: Final = logging.getLogger(__name__)


def publish(session: Session, verdict: Verdict, *, compare_again: Callable[[Verdict], Verdict]) -> Verdict:
    """Publish the candidate, move the alias if it was accepted, report, and close the study.

    A verdict against a champion that serves no longer is compared again first, under the registry's lock.

    Idempotent: the verdict is in the journal already, so a killed process repeats the same steps.
    """
    registry, folder = session.place.registry(session.spec.champion_name), session.folder
    files = {name: folder / path for name, path in verdict.files.items()}
    with registry.writing():
        champion = registry.records()[0].get(CHAMPION, 0)
        if outdated(verdict, champion, registry.published(files)):
            LOG.info(f"champion {registry.name}: {_changed(verdict, champion)}: the models are compared again")
            verdict = compare_again(verdict)
        more = partial(_texts, session, verdict, name=registry.name)
        documents = {VERDICT: verdict.to_dict()}
        version = retry_on_outage(registry.folder, lambda: registry.publish(files, documents, texts=more))
        if verdict.accepted:
            why = f"study {session.spec.name}: {'; '.join(verdict.reasons)}"
            registry.promote(version, why=why, instead_of=verdict.champion)
    done = replace(verdict, version=version)
    storage_files.write_json(folder / VERDICT, done.to_dict())
    shipped_findings.write(folder, done)
    _report(session, done)
    session.journal.note("promotion", done.to_dict())
    return done


def _report(session: Session, verdict: Verdict) -> None:
    from automl.tracking.report import page  # noqa: PLC0415  (Matplotlib)

    session.clock.note()  # else the page lacks the time since the last minute's note, such as that of the export
    rows = structure_table.rows(session.spec, session.journal.notes(), session.journal.trials())
    edition = page.Edition(session.data.source, structures=rows)
    page.write(session.folder, session.spec, session.journal.trials(), verdict, edition=edition)


def _texts(session: Session, verdict: Verdict, number: int, *, name: str) -> Mapping[str, str]:
    """Return the further files of a new version."""
    origin = version_files.Origin(session.folder, session.data, session.spec.seed)
    return version_files.texts(origin, verdict, name=name, number=number)


def _changed(verdict: Verdict, champion: int) -> str:
    judged = "an unknown one" if verdict.champion is None else f"version {verdict.champion or 'none'}"
    return f"{judged} served when the model was judged, version {champion or 'none'} serves now"


def summarize(session: Session, verdict: Verdict) -> Verdict:
    """Log the outcome of the study and the next commands."""
    for reason in verdict.reasons:
        LOG.info(f"gate {reason}")
    for target in verdict.targets:
        LOG.info(target.line())
    for line in findings_of(session, verdict):
        LOG.info(line)
    registry = session.place.registry(session.spec.champion_name)
    for line in outcome.lines(verdict, registry.name):
        LOG.info(line)
    version = registry.path(verdict.version or 0)
    elapsed = session.clock.stop()
    for line in plan.outcome(session.spec, session.journal.trials(), session.journal.notes(), elapsed):
        LOG.info(line)
    LOG.info(f"study took {elapsed.summary()}")
    LOG.info(f"files of version {version.name}:")
    for path in sorted(version.iterdir()):
        LOG.info(f"  {path} ({amount(path.stat().st_size)})")
    LOG.info("next:")
    LOG.info(f"  {shell_line(typed('tensorboard'), '--logdir', session.folder)}")
    LOG.info(f"  {shell_line('xdg-open', session.folder / 'report.html')}")
    name = CHAMPION if verdict.accepted else verdict.version
    image = session.data.images[verdict.split][0]
    LOG.info(f"  {shell_line(typed('automl'), 'serve', registry.folder, '--version', name)}")
    LOG.info(f"  {shell_line('curl', '--data-binary', f'@{image}', 'http://127.0.0.1:8000/predict')}")
    return verdict


def findings_of(session: Session, verdict: Verdict) -> list[str]:
    """Return what the diagnosis found in the study and in the training that ships, as lines."""
    shipped = verdict.shipped.name if verdict.shipped else ""
    found = findings_file.of_study(session.folder, session.spec, session.journal.trials())
    return [f"finding: {finding}" for finding in found if finding.trial in ("", shipped)]


def typed(command: str) -> str:
    """Return a command of this environment as typed here: with its path if it is not on PATH."""
    return command if shutil.which(command) else os.path.relpath(Path(sys.executable).with_name(command))
