"""Checks whether a study's folder has begun: its description, its journal and its trainings must agree."""

import shlex
from pathlib import Path

from automl.storage.layout import CONFIRM, JOURNAL, SPEC, TRIALS
from automl.study.errors import StudyError
from automl.study.load import COPIES


def check(folder: Path) -> None:
    """Check that no part of a study is missing that another part shows to have been there.

    Raises:
        StudyError: the journal has lines and there is no description, or there are trainings and no journal.
    """
    journal, spec = folder / JOURNAL, folder / SPEC
    if has_lines(folder) and not spec.exists():
        raise StudyError(
            f"{spec}: must be the description with which {journal.name} was begun, but is missing; {COPIES}"
        )
    if not has_lines(folder):
        for name in (TRIALS, CONFIRM):
            if (folder / name).is_dir() and any((folder / name).iterdir()):
                raise StudyError(
                    f"{journal}: must be the journal of the trainings in {name}/, but is missing or empty; restore it "
                    f"from a copy, begin again under another --name, or take {shlex.quote(str(folder))} away"
                )


def has_lines(folder: Path) -> bool:
    """Return True if a study's folder has a journal that is not empty."""
    journal = folder / JOURNAL
    return journal.exists() and (not journal.is_file() or journal.stat().st_size > 0)
