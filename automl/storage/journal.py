"""Journal of a study: every suggestion, measurement and ending, append-only, in `journal.log`.

The file is an Optuna journal: Optuna and its dashboard can open it. It adds a chained checksum per line, a single
writer, and the recovery of an unfinished last append (`journal_lines`). The sampler, the ladder and the trials of a
resumed study are restored from this file alone.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal._storage import JournalOperation
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from automl.storage import collection, records
from automl.storage.journal_lines import REMEDY, Lines
from automl.storage.journal_replay import EPOCH, Backend, Epoch, replay
from automl.storage.layout import JOURNAL
from automl.study import Ending, Loss, Measurement, Params, State, Trial
from automl.study.errors import StudyError
from automl.study.space import Choice, Integer, SearchSpace, Single, live

LOSSES: Final = "losses"
RETRAINING_EPOCH: Final = "confirm-epoch:"
RETRAINING_LOSSES: Final = "confirm-losses:"
OUTSIDE: Final = "params"
"""Attribute of a trial's params outside the space."""
STATES: Final = {
    State.COMPLETED: TrialState.COMPLETE,
    State.PRUNED: TrialState.PRUNED,
    State.FAILED: TrialState.FAIL,
    State.RUNNING: TrialState.RUNNING,
}


class Journal:
    """One study's journal. Trials are numbered from 0 in the order in which they were suggested."""

    def __init__(self, lines: Lines, metric: str) -> None:
        """Wrap journal lines; use `create` or `read`.

        Raises:
            RecordError: a line is none of a study.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._lines = lines
        self._metric = metric
        self._known: dict[int, tuple[FrozenTrial, Trial]] = {}
        self._storage = JournalStorage(Backend(lines))
        with collection.paused():
            replay(self._storage, lines.taken(), lines.path)
        studies = self._storage.get_all_studies()
        self._study = studies[0]._study_id if studies else -1

    @classmethod
    def create(cls, folder: Path, *, name: str, metric: str) -> Self:
        """Open for writing, and create the journal if missing; the caller must hold the folder's lock."""
        with collection.paused(freeze=True):
            journal = cls(Lines(folder / JOURNAL, writable=True), metric)
        if journal._study < 0:
            journal._study = journal._storage.create_new_study([StudyDirection.MAXIMIZE], name)
        return journal

    @classmethod
    def read(cls, folder: Path, *, metric: str) -> Self:
        """Open for reading only, also while another process writes.

        Raises:
            StudyError: there is no journal.
        """
        if not (folder / JOURNAL).is_file():
            raise StudyError(f"{folder}: must be a study's folder, but has no {JOURNAL}")
        return cls(Lines(folder / JOURNAL, writable=False), metric)

    @property
    def dropped(self) -> str:
        """Return a message on an unfinished append at the end of the file that was left out, empty if none."""
        return self._lines.dropped

    @property
    def warnings(self) -> list[str]:
        """Return a message on each unfinished append that was left out, now or by an earlier session."""
        return self._lines.warnings()

    @contextmanager
    def interpreted(self) -> Iterator[None]:
        """Convert what goes wrong while values of the journal are interpreted to one message.

        Raises:
            RecordError: the block found a value of another kind.
        """
        with records.reading(self._lines.path, kind="the journal of a study", remedy=REMEDY):
            yield

    def follow(self) -> None:
        """Read what another process has appended since; of a journal opened for reading.

        Raises:
            RecordError: a line is damaged, or none of a study.
        """
        self._lines.follow()
        with self.interpreted():
            studies = self._storage.get_all_studies()  # Optuna applies the new lines
        self._study = studies[0]._study_id if studies else -1

    def suggested(self, params: Params, space: SearchSpace, *, seed: int, origin: str, outside: bool = False) -> int:
        """Record a new trial and return its number; `origin` is the source of the params.

        Params `outside` the space have no distribution: Optuna sees a trial without params, and they are an attribute.
        """
        point: Params = {} if outside else params
        template = create_trial(
            state=TrialState.RUNNING,
            params=dict(point),
            distributions=distributions(space, point),
            user_attrs={"seed": seed, "origin": origin} | ({OUTSIDE: dict(params)} if outside else {}),
        )
        key = self._storage.create_new_trial(self._study, template)
        return self._storage.get_trial(key).number

    def measured(self, number: int, measurement: Measurement, *, node: str = "") -> None:
        """Record an epoch's measurement; an epoch recorded before is unchanged.

        An epoch that was not validated has no intermediate value in Optuna.
        """
        key = self._key(number)
        if _has_epoch(self._storage.get_trial(key), measurement.epoch, self._metric):
            return
        told = {**measurement.to_dict(), "metrics": measurement.metrics, "node": node}  # one copy of the metrics
        attr = {f"{EPOCH}{measurement.epoch}": told}
        logs = [{"op_code": JournalOperation.SET_TRIAL_USER_ATTR, "trial_id": key, "user_attr": attr}]
        if (value := measurement.metrics.get(self._metric)) is not None:
            op = JournalOperation.SET_TRIAL_INTERMEDIATE_VALUE
            logs.append({"op_code": op, "trial_id": key, "step": measurement.epoch, "intermediate_value": value})
        self._append(logs)

    def lost(self, number: int, loss: Loss) -> None:
        """Record that a trial lost its worker."""
        key = self._key(number)
        losses = self._storage.get_trial(key).user_attrs.get(LOSSES, [])
        self._storage.set_trial_user_attr(key, LOSSES, [*losses, loss.to_dict()])

    def ended(self, number: int, ending: Ending) -> None:
        """Record how a trial ended: PRUNED with the last value it has, COMPLETED with its best, FAILED without one."""
        key = self._key(number)
        self._storage.set_trial_user_attr(key, "ending", ending.to_dict())
        self._complete_record(key)

    def complete_records(self) -> None:
        """Complete records of a killed writer: endings that were written without their state."""
        for frozen in self._storage.get_all_trials(self._study, deepcopy=False):
            if frozen.state is TrialState.RUNNING and "ending" in frozen.user_attrs:
                self._complete_record(frozen._trial_id)

    def retraining_measured(self, name: str, measurement: Measurement, *, node: str) -> None:
        """Record an epoch's measurement of a re-training."""
        self.note(f"{RETRAINING_EPOCH}{name}:{measurement.epoch}", measurement.to_dict() | {"node": node})

    def retraining_measurements(self, name: str) -> tuple[Measurement, ...]:
        """Return the recorded epochs of a re-training, in order."""
        prefix = f"{RETRAINING_EPOCH}{name}:"
        with self.interpreted():
            found = [Measurement.from_dict(plain) for key, plain in self.notes().items() if key.startswith(prefix)]
        return tuple(sorted(found, key=lambda measurement: measurement.epoch))

    def retraining_lost(self, name: str, losses: Sequence[Loss]) -> None:
        """Record all losses of a re-training so far; empty to reset its retry limits."""
        self.note(f"{RETRAINING_LOSSES}{name}", [loss.to_dict() for loss in losses])

    def retraining_losses(self, name: str) -> tuple[Loss, ...]:
        """Return the losses of a re-training in all sessions."""
        with self.interpreted():
            return tuple(Loss.from_dict(plain) for plain in self.notes().get(f"{RETRAINING_LOSSES}{name}", ()))

    def note(self, key: str, value: Any) -> None:  # noqa: ANN401
        """Record a study-level value, such as a confirmed score; the last one of a key is valid."""
        self._storage.set_study_user_attr(self._study, key, value)

    def notes(self) -> dict[str, Any]:
        """Return the study-level values."""
        return dict(self._storage.get_study_user_attrs(self._study)) if self._study >= 0 else {}

    def trials(self) -> list[Trial]:
        """Return all trials by number."""
        if self._study < 0:
            return []
        with self.interpreted(), collection.paused():
            frozen = self._storage.get_all_trials(self._study, deepcopy=False)
            return [self._converted(one) for one in frozen]

    def _converted(self, frozen: FrozenTrial) -> Trial:
        """Return a record of Optuna as a trial; the trial of before if it is the same object, since Optuna copies."""
        known = self._known.get(frozen.number)
        if known is None or known[0] is not frozen:
            known = self._known[frozen.number] = (frozen, _trial(frozen, self._metric))
        return known[1]

    def _complete_record(self, key: int) -> None:
        frozen = self._storage.get_trial(key)
        trial = _trial(frozen, self._metric)
        last = frozen.intermediate_values.get(max(frozen.intermediate_values, default=0))
        value = {State.COMPLETED: trial.best(self._metric), State.PRUNED: last}.get(trial.state)
        self._storage.set_trial_state_values(key, STATES[trial.state], None if value is None else [value])

    def _append(self, logs: Sequence[dict[str, Any]]) -> None:
        """Append lines that add values to a trial, with one sync of the disk, under the lock of Optuna's own appends.

        The clock of a driver notes its time from another thread; without the lock one append would overwrite the other.
        """
        with self._storage._thread_lock:
            worker = self._storage._replay_result.worker_id
            self._lines.write({**log, "worker_id": worker} for log in logs)
            replay(self._storage, [logs], self._lines.path)

    def _key(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study, number)


def distributions(space: SearchSpace, params: Params) -> dict[str, BaseDistribution]:
    """Return the Optuna distribution of each parameter that exists under the params: that of its active range."""
    found = {name: live(space.parameters[name], params) for name in params}
    return {name: distribution(part) for name, part in found.items() if part}


def distribution(parameter: Single) -> BaseDistribution:
    """Return the Optuna distribution of a parameter."""
    if isinstance(parameter, Choice):
        return CategoricalDistribution(parameter.choices)
    if isinstance(parameter, Integer):
        return IntDistribution(parameter.low, parameter.high, log=parameter.log)
    return FloatDistribution(parameter.low, parameter.high, log=parameter.log)


def _epochs(frozen: FrozenTrial, metric: str) -> list[Epoch]:
    """Return the epochs with a complete measurement, in order.

    Both of its lines were written, or it has one line only.
    """
    recorded = [_epoch(key, attr) for key, attr in frozen.user_attrs.items() if key.startswith(EPOCH)]
    return sorted([one for one in recorded if _is_complete(one, frozen, metric)], key=_number)


def _epoch(key: str, attr: Any) -> Epoch:  # noqa: ANN401
    return attr if type(attr) is Epoch else Epoch.of(key, attr)


def _number(record: Epoch) -> int:
    return record.measurement.epoch


def _is_complete(record: Epoch, frozen: FrozenTrial, metric: str) -> bool:
    return record.measurement.epoch in frozen.intermediate_values or metric not in record.measurement.metrics


def _has_epoch(frozen: FrozenTrial, epoch: int, metric: str) -> bool:
    """Return True if an epoch has a complete measurement, as in `_epochs`."""
    key = f"{EPOCH}{epoch}"
    return (attr := frozen.user_attrs.get(key)) is not None and _is_complete(_epoch(key, attr), frozen, metric)


def _trial(frozen: FrozenTrial, metric: str) -> Trial:
    attrs = frozen.user_attrs
    epochs = _epochs(frozen, metric)
    return Trial(
        number=frozen.number,
        params=attrs.get(OUTSIDE, frozen.params),
        seed=attrs["seed"],
        measurements=tuple([one.measurement for one in epochs]),
        ending=Ending.from_dict(attrs["ending"]) if "ending" in attrs else None,
        losses=tuple(Loss.from_dict(plain) for plain in attrs.get(LOSSES, [])),
        node=epochs[-1].node if epochs else "",
        outside=OUTSIDE in attrs,
        origin=str(attrs.get("origin", "")),
    )
