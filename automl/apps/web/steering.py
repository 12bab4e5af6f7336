"""Changes of a study from the page: a larger budget, the end of its search, the end of a trial; no page is imported."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from automl.apps import api
from automl.pipeline import requests
from automl.storage.journal import Journal
from automl.storage.place import Place, read_spec
from automl.study.errors import StudyError
from automl.study.extension import applied, history, latest

TRIALS: Final = "budget.trials"
HOURS: Final = "budget.hours"


def extend(place: Place, folder: Path, values: Mapping[str, float | None]) -> str:
    """Change the budget of a study and return what was done; a study that does not run does it when it is resumed.

    Raises:
        StudyError: the values are none of a budget, are the present ones, or the driver refused.
    """
    spec = read_spec(folder)
    journal = Journal.read(folder, metric=spec.metric)
    with journal.interpreted():
        kept = applied(spec, latest(history(journal.notes())))
    given = {key: value for key, value in values.items() if value is not None}
    if not given:
        raise StudyError("a larger budget must have a number of trials or of hours, but has neither")
    try:
        wanted = applied(kept, given)
    except ValueError as error:
        raise StudyError(f"the budget must be one that a description allows, but {error}") from None
    done = requests.extend(place, wanted)
    if not done:
        raise StudyError("the budget must be another one, but is the present one already")
    return done


def end_search(place: Place, folder: Path) -> str:
    """Let no further trial start: the budget becomes the trials begun, and the best of them is confirmed.

    Raises:
        StudyError: no trial has begun, or the search has ended.
    """
    spec = read_spec(folder)
    begun = len(Journal.read(folder, metric=spec.metric).trials())
    if begun < 1:
        raise StudyError(f"{spec.name}: must have a trial before its search can end, but none has begun")
    return extend(place, folder, {TRIALS: begun})


def cancel(folder: Path, number: int) -> str:
    """End one trial and return what was done.

    Raises:
        StudyError: there is no such trial, it has ended, or it is the baseline.
    """
    return api.open_study(folder).cancel(number)
