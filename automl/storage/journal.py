"""Journal of a study: every suggestion, measurement and ending, append-only, in `journal.log`.

The file is an Optuna journal: Optuna and its dashboard can open it. It adds a checksum per line, a single writer, and
the repair of a partial last line after a power cut. The sampler, the ladder and the trials of a resumed study are
restored from this file alone.
"""

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from automl.storage import files
from automl.storage.layout import JOURNAL
from automl.storage.outage import retry_on_outage
from automl.study import Ending, Loss, Measurement, Params, State, Trial
from automl.study.errors import StudyError
from automl.study.space import Choice, Integer, SearchSpace, Single, live

EPOCH: Final = "epoch:"
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

    def __init__(self, lines: "_Lines", metric: str) -> None:
        """Wrap journal lines; use `create` or `read`."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._lines = lines
        self._metric = metric
        self._storage = JournalStorage(lines)
        studies = self._storage.get_all_studies()
        self._study = studies[0]._study_id if studies else -1

    @classmethod
    def create(cls, folder: Path, *, name: str, metric: str) -> Self:
        """Open for writing, and create the journal if missing; the caller must hold the folder's lock."""
        journal = cls(_Lines(folder / JOURNAL, writable=True), metric)
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
        return cls(_Lines(folder / JOURNAL, writable=False), metric)

    @property
    def dropped(self) -> str:
        """Return a message on an unreadable end of the file that was left out, empty if none."""
        return self._lines.dropped

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
        if measurement.epoch in _epochs(self._storage.get_trial(key), self._metric):
            return
        attr = measurement.to_dict() | {"node": node}
        self._storage.set_trial_user_attr(key, f"{EPOCH}{measurement.epoch}", attr)
        if self._metric in measurement.metrics:
            self._storage.set_trial_intermediate_value(key, measurement.epoch, measurement.metrics[self._metric])

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
        found = [Measurement.from_dict(plain) for key, plain in self.notes().items() if key.startswith(prefix)]
        return tuple(sorted(found, key=lambda measurement: measurement.epoch))

    def retraining_lost(self, name: str, losses: Sequence[Loss]) -> None:
        """Record all losses of a re-training so far; empty to reset its retry limits."""
        self.note(f"{RETRAINING_LOSSES}{name}", [loss.to_dict() for loss in losses])

    def retraining_losses(self, name: str) -> tuple[Loss, ...]:
        """Return the losses of a re-training in all sessions."""
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
        return [_trial(frozen, self._metric) for frozen in self._storage.get_all_trials(self._study, deepcopy=False)]

    def _complete_record(self, key: int) -> None:
        frozen = self._storage.get_trial(key)
        trial = _trial(frozen, self._metric)
        last = frozen.intermediate_values.get(max(frozen.intermediate_values, default=0))
        value = {State.COMPLETED: trial.best(self._metric), State.PRUNED: last}.get(trial.state)
        self._storage.set_trial_state_values(key, STATES[trial.state], None if value is None else [value])

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


def _epochs(frozen: FrozenTrial, metric: str) -> list[int]:
    """Return the epochs with a complete measurement: both of its lines were written, or it has one line only."""
    recorded = {int(key.removeprefix(EPOCH)): attr for key, attr in frozen.user_attrs.items() if key.startswith(EPOCH)}
    values = frozen.intermediate_values
    return sorted(epoch for epoch, attr in recorded.items() if epoch in values or metric not in attr["metrics"])


def _trial(frozen: FrozenTrial, metric: str) -> Trial:
    attrs = frozen.user_attrs
    measurements = tuple(
        Measurement.from_dict(attrs[f"{EPOCH}{step}"] | {"epoch": step}) for step in _epochs(frozen, metric)
    )
    return Trial(
        number=frozen.number,
        params=attrs.get(OUTSIDE, frozen.params),
        seed=attrs["seed"],
        measurements=measurements,
        ending=Ending.from_dict(attrs["ending"]) if "ending" in attrs else None,
        losses=tuple(Loss.from_dict(plain) for plain in attrs.get(LOSSES, [])),
        node=attrs[f"{EPOCH}{measurements[-1].epoch}"].get("node", "") if measurements else "",
        outside=OUTSIDE in attrs,
    )


class _Lines(BaseJournalBackend):
    """Optuna journal backend with a checksum per line; this process's own lines are not read back."""

    def __init__(self, path: Path, *, writable: bool) -> None:
        self._path = path
        self._logs: list[dict[str, Any]] = []
        self._writable = writable
        self.dropped = ""
        try:
            self._end = self._read()
            if writable:
                self._add(b"")
                files.sync_folder(path.parent)
        except OSError as error:
            raise StudyError(f"{path}: must be a file that can be read and written, but {error.strerror}") from None

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        """Return the lines from a number onwards."""
        return self._logs[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append lines with fsync; lines that could not be written completely are removed."""
        if not self._writable:
            raise StudyError(f"{self._path}: was opened for reading only")
        text = "".join(_sealed(log) for log in logs)
        try:
            self._add(text.encode())
        except OSError as error:
            raise StudyError(
                f"{self._path}: must be writable, but {error.strerror}; fix that, then resume the study"
            ) from None
        # JSON round trip, so that this process sees the same values as a later one.
        self._logs += [json.loads(line) for line in text.splitlines()]

    def _add(self, content: bytes) -> None:
        """Write after the last valid line; a partial line there is truncated first."""
        self._end = retry_on_outage(self._path.parent, lambda: files.append(self._path, content, end=self._end))

    def _read(self) -> int:
        """Read all valid lines and return where they end; an invalid line is tolerated only at the end of the file."""
        if not self._path.exists():
            return 0
        content = self._path.read_bytes()
        lines = content.split(b"\n")
        end = 0
        for number, line in enumerate(lines[:-1], start=1):
            log = _unsealed(line)
            if log is None:
                if any(_unsealed(later) for later in lines[number:-1]):
                    raise StudyError(
                        f"{self._path}:{number}: the checksum must match, but the line is damaged and others follow;"
                        " restore the file from a copy"
                    )
                break
            self._logs.append(log)
            end += len(line) + 1
        if end < len(content):
            self.dropped = f"{self._path}: the last {len(content) - end} bytes are an incomplete line and are ignored"
        return end


def _sealed(log: Mapping[str, Any]) -> str:
    body = json.dumps(log, separators=(",", ":"), allow_nan=False)
    return f'{body[:-1]},"crc":{zlib.crc32(body.encode())}}}\n'


def _unsealed(line: bytes) -> dict[str, Any] | None:
    body, found, seal = line.rpartition(b',"crc":')
    if not found or not seal.endswith(b"}") or seal[:-1] != str(zlib.crc32(body + b"}")).encode():
        return None
    log: dict[str, Any] = json.loads(line)
    return log
