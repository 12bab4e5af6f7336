"""Repair of damaged records of trainings: set aside, and made again from the journal or by another training."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from automl.storage import curves_file, records
from automl.storage.journal import Journal
from automl.storage.layout import CURVES
from automl.storage.records import RecordError
from automl.study import Ending, Job, Measurement
from automl.trials import checkpoints


def mend_curves(folder: Path, known: Sequence[Measurement]) -> str:
    """Set damaged curves of a training aside and write those in the journal; return what was done, empty if nothing.

    A worker that resumes takes the newest checkpoint of which the curves have every epoch.
    """
    damage = _damage(folder)
    if not damage:
        return ""
    aside = records.set_aside(folder / CURVES)
    if known:
        curves_file.write_curves(folder, known)
    return f"{damage}: set aside as {aside.name}, {len(known)} epochs are written again from the journal"


def mend_retrainings(journal: Journal, jobs: Mapping[str, Job]) -> dict[str, str]:
    """Repair the curves of re-trainings that ended; return what was done, by name.

    Their curves decide which model ships. Where the journal has no epochs of a re-training (earlier versions did not
    record them), its ending is withdrawn and its state deleted, so that it is made again: `remade` names those.
    """
    done: dict[str, str] = {}
    for name, job in jobs.items():
        note = journal.notes().get(f"confirm:{name}") or {}
        known = journal.retraining_measurements(name)
        if not note.get("final"):
            continue
        if [m.epoch for m in known] == list(range(1, job.epochs + 1)):
            if not (job.folder / CURVES).exists() and job.folder.is_dir():
                curves_file.write_curves(job.folder, known)
                done[name] = f"{job.folder / CURVES} is missing and is written again from the journal"
            elif message := mend_curves(job.folder, known):
                done[name] = message
        elif damage := _damage(job.folder):
            aside = records.set_aside(job.folder / CURVES)
            checkpoints.start_over(job.folder)
            why = f"{damage}: set aside as {aside.name}, and the re-training is made again"
            journal.note(f"confirm:{name}", Ending(cause=why, again=True).to_dict())
            done[name] = why
    return done


def remade(journal: Journal, jobs: Mapping[str, Job]) -> dict[str, Job]:
    """Return the re-trainings whose ending was withdrawn because of a damaged record."""
    notes = journal.notes()
    return {
        name: job
        for name, job in jobs.items()
        if (note := notes.get(f"confirm:{name}")) and note.get("again") and not note.get("final")
    }


def _damage(folder: Path) -> str:
    try:
        curves_file.read_curves(folder)
    except RecordError as error:
        return str(error).partition("; ")[0]
    return ""
