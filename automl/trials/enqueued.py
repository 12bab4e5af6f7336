"""Queue of params that a user asked to be tried next; kept in the journal."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from automl.storage.journal import Journal
from automl.study import Params, Trial
from automl.trials.lease import utc_now

NOTE: Final = "enqueued"
"""Journal key of all params that were ever enqueued, in this order."""
ORIGIN: Final = "enqueued"
"""Origin of their trials: as many entries as there are such trials have been tried."""


def pending(notes: Mapping[str, Any], trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """Return the entries of the queue that no trial has taken, each with `params`, `by` and `at`."""
    tried = sum(trial.origin == ORIGIN for trial in trials)
    return list(notes.get(NOTE, ()))[tried:]


class Queue:
    """The queue of a study, first in first out."""

    def __init__(self, journal: Journal) -> None:
        """Start empty; use `restore`."""
        self._journal = journal
        self._pending: list[dict[str, Any]] = []

    def restore(self, trials: Sequence[Trial]) -> None:
        """Read what is left of the queue in the journal."""
        with self._journal.interpreted():
            self._pending = pending(self._journal.notes(), trials)

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._pending)

    def add(self, params: Params, *, by: str) -> None:
        """Append params to the queue, in the journal first; the same that already wait are not added again."""
        if any(entry["params"] == dict(params) for entry in self._pending):
            return
        entry = {"params": dict(params), "by": by, "at": utc_now()}
        self._journal.note(NOTE, [*self._journal.notes().get(NOTE, ()), entry])
        self._pending.append(entry)

    def first(self) -> Params:
        """Return the params that are next."""
        params: Params = self._pending[0]["params"]
        return params

    def remove_first(self) -> None:
        """Remove the first entry, once its trial is in the journal."""
        del self._pending[0]
