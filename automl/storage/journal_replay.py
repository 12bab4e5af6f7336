"""Replay of a journal's lines into Optuna's storage in memory, and the backend through which Optuna reads new ones."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from sys import intern
from typing import Any, Final, NamedTuple

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.storages.journal._storage import JournalOperation, JournalStorageReplayResult
from optuna.trial import TrialState

from automl.storage import records
from automl.storage.journal_lines import REMEDY, Lines
from automl.study import Measurement

EPOCH: Final = "epoch:"
"""Start of the attribute of a trial that is the measurement of an epoch; its number follows."""
ATTRIBUTE: Final = int(JournalOperation.SET_TRIAL_USER_ATTR)
ADDING: Final = frozenset({ATTRIBUTE, int(JournalOperation.SET_TRIAL_INTERMEDIATE_VALUE)})
"""Lines that add one value to a trial."""
OPEN: Final = frozenset({TrialState.RUNNING, TrialState.WAITING})
"""States of an unfinished trial."""


class Epoch(NamedTuple):
    """What was recorded of an epoch. A large study has a million of them, and a dict takes 128 bytes more."""

    measurement: Measurement
    node: str

    @classmethod
    def of(cls, key: str, plain: dict[str, Any]) -> "Epoch":
        """Read the attribute `key` of a trial.

        Raises:
            KeyError, TypeError, ValueError: it is none of an epoch.
        """
        return cls(Measurement.from_dict(plain, epoch=int(key[len(EPOCH) :])), intern(plain.get("node", "")))


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


def replay(storage: JournalStorage, blocks: Iterable[Sequence[dict[str, Any]]], path: Path) -> None:
    """Apply blocks of lines as Optuna does.

    Optuna copies a trial and all its attributes for each line, so that what it returned before stays as it was.
    `Journal` returns no trial of Optuna's, so lines that add one value to an unfinished trial change it in place, and
    what they say of an epoch becomes an `Epoch`. Lines that Optuna applies leave it a dict.

    Raises:
        RecordError: a line is none of a study; its number is in the message.
    """
    state = storage._replay_result
    for logs in blocks:
        _apply(state, logs, path)


def _apply(state: JournalStorageReplayResult, logs: Sequence[dict[str, Any]], path: Path) -> None:
    """Apply lines; a million of them: what is looked up for each is looked up once."""
    trials, before = state._trials, state.log_number_read
    for number, log in enumerate(logs, start=before + 1):
        try:
            trial = trials.get(log["trial_id"]) if (operation := log["op_code"]) in ADDING else None
            if trial is None or trial.state not in OPEN:
                state.log_number_read = number - 1
                state.apply_logs((log,))
            elif operation == ATTRIBUTE:
                ((key, value),) = log["user_attr"].items()
                trial.user_attrs[key] = Epoch.of(key, value) if key.startswith(EPOCH) else value
            else:
                trial.intermediate_values[int(log["step"])] = float(log["intermediate_value"])
        except records.ODDITIES as error:
            raise records.RecordError(
                f"{path}:{number}: must be a line of a study's journal, but {records.reason(error)}; {REMEDY}"
            ) from None
    state.log_number_read = before + len(logs)
