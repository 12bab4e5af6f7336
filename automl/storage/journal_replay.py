"""Replay of a journal's lines into Optuna's storage in memory, and the backend through which Optuna reads new ones."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.storages.journal._storage import JournalOperation

from automl.storage import records
from automl.storage.journal_lines import REMEDY, Lines

ADDING: Final = (JournalOperation.SET_TRIAL_USER_ATTR, JournalOperation.SET_TRIAL_INTERMEDIATE_VALUE)
"""Lines that add one value to a trial."""


class Backend(BaseJournalBackend):
    """Optuna journal backend: the lines that this process appends; those before are replayed by `replay`."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        """Return the lines from a number onwards."""
        return self._lines.since(log_number_from)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append lines."""
        self._lines.append(logs)


def replay(storage: JournalStorage, logs: Iterable[dict[str, Any]], path: Path) -> None:
    """Apply lines as Optuna does.

    Optuna copies a trial and all its attributes for each line, so that what it returned before stays as it was.
    `Journal` returns no trial of Optuna's, so lines that add one value to an unfinished trial change it in place.

    Raises:
        RecordError: a line is none of a study; its number is in the message.
    """
    state = storage._replay_result
    for number, log in enumerate(logs, start=state.log_number_read + 1):
        try:
            trial = state._trials.get(log["trial_id"]) if log["op_code"] in ADDING else None
            if trial is None or trial.state.is_finished():
                state.apply_logs((log,))
                continue
            if log["op_code"] == JournalOperation.SET_TRIAL_USER_ATTR:
                ((key, value),) = log["user_attr"].items()
                trial.user_attrs[key] = value
            else:
                trial.intermediate_values[int(log["step"])] = float(log["intermediate_value"])
            state.log_number_read += 1
        except records.ODDITIES as error:
            raise records.RecordError(
                f"{path}:{number}: must be a line of a study's journal, but {records.reason(error)}; {REMEDY}"
            ) from None
