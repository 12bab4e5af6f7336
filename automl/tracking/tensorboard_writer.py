"""TensorBoard writer: one folder per trial, the same tags in all, and a live HParams table.

Used by the driver, one writer per folder. The study's root has one record of all searched parameters with their
ranges; a trial's row appears when it starts and gets its end state when that is final. Pictures come from the worker
as archives in the trial's folder (`storage.epoch_details`). Needs no TensorFlow.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2, summary_v2

from automl.storage import epoch_details
from automl.storage.outage import retry_on_outage
from automl.study import Ending, Measurement, State, Trial
from automl.study.errors import StudyError
from automl.study.space import SearchSpace
from automl.tracking import event_budget, summaries
from automl.tracking.event_file import EventFile
from automl.tracking.summaries import BEST, OUTCOME

LOG: Final = logging.getLogger(__name__)

HEADER_BYTES: Final = 100
MB: Final = 1_000_000
OUTCOMES: Final = {State.COMPLETED: 1.0, State.PRUNED: 0.0, State.FAILED: -1.0}


@dataclass(frozen=True, slots=True)
class BoardSettings:
    """What a board shows beside the trials, and how much it may write."""

    metric: str
    """The tag that is maximised."""
    fixed: Mapping[str, Any] = field(default_factory=dict)
    """Fixed settings of all trials, for their table of params."""
    about: Mapping[str, str] = field(default_factory=dict)
    """Facts of the study by name: model, fingerprint of the data, code, packages."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Default settings of the trainer, for the same table."""
    budget_mb: float = 20.0
    """Limit of a trial's event files; beyond it the oldest pictures are deleted."""


class Board:
    """The event files of one study. A file that cannot be written now is logged once and written later."""

    def __init__(self, folder: Path, space: SearchSpace, settings: BoardSettings) -> None:
        """Write the record of the searched parameters into `folder`, once per study."""
        self._metric = settings.metric
        self._settings = settings
        self._space = space
        self._files: dict[int, EventFile] = {}
        self._late: dict[Path, EventFile] = {}
        if not _begun(folder):
            root = EventFile(folder)
            _add(root, summaries.space_record(space, settings.metric))
            if settings.about:
                _add(root, summaries.text("study", summaries.table(settings.about, title="study")))
            self._flush(root)

    def on_start(self, trial: Trial, folder: Path) -> None:
        """Add the row of a trial; if it resumes after an interruption, rewrite events that its file may lack."""
        known = _begun(folder)
        file = self._files[trial.number] = EventFile(folder)
        if not known:
            kinds = self._space.parameters
            params = {name: summaries.shown(kinds.get(name), value) for name, value in trial.params.items()}
            _add(file, summary_v2.hparams_pb(params, trial_id=folder.name))
            table = summaries.params_table(params, self._settings.fixed, self._settings.defaults, seed=trial.seed)
            _add(file, summaries.text("params", table))
            if self._settings.about:
                _add(file, summaries.text("fingerprints", summaries.table(self._settings.about, title="fingerprints")))
        elif trial.measurements:
            last = trial.measurements[-1]
            file.add(Event(wall_time=time.time(), step=last.epoch, session_log=SessionLog(status=SessionLog.START)))
            file.detailed = last.epoch - 1
            self._scalars(file, last, best=trial.best(self._metric))
        self._flush(file)

    def on_measurement(self, trial: Trial) -> None:
        """Write the last measurement of a trial, and what its worker shows of the epoch."""
        file = self._files[trial.number]
        self._scalars(file, trial.measurements[-1], best=trial.best(self._metric))
        self._pictures(file)
        self._flush(file)
        if file.path not in self._late:
            self._files[trial.number] = self._tidied(file)

    def note(self, number: int, tag: str, markdown: str, *, epoch: int) -> None:
        """Add a text of a trial; it is written with the next event of the trial."""
        _add(self._files[number], summaries.text(tag, markdown), epoch)

    def on_pause(self, trial: Trial) -> None:
        """Close the file of a paused trial; it gets a new file when it resumes."""
        del self._files[trial.number]

    def on_loss(self, trial: Trial) -> None:
        """Do nothing: the file stays open, and the trial resumes or ends."""

    def on_end(self, trial: Trial, ending: Ending) -> None:
        """Write how a trial ended and close its file."""
        file = self._files.pop(trial.number)
        status = api_pb2.STATUS_FAILURE if ending.state is State.FAILED else api_pb2.STATUS_SUCCESS
        end = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=time.time())
        content = plugin_data_pb2.HParamsPluginData(session_end_info=end)
        _add(file, summaries.plugin(metadata.SESSION_END_INFO_TAG, content))
        _add(file, summaries.scalars({OUTCOME: OUTCOMES[ending.state]}), trial.epoch)
        _add(file, summaries.text("ending", f"**{ending.state}**: {ending.text}"))
        self._flush(file)

    def close(self) -> None:
        """Write all pending events, if possible now."""
        for file in [*self._late.values()]:
            self._flush(file)
        self._files.clear()

    def _flush(self, file: EventFile) -> None:
        """Write a file, and those that could not be written before."""
        unwritten = {**self._late, file.path: file}
        troubles = {path: trouble for path, late in unwritten.items() if (trouble := late.flush())}
        if troubles and not self._late:
            LOG.warning(
                f"TensorBoard: cannot write {next(iter(troubles.values()))}; the events are buffered and written later"
            )
        self._late = {path: unwritten[path] for path in troubles}

    def _scalars(self, file: EventFile, measurement: Measurement, *, best: float | None) -> None:
        metrics = measurement.metrics
        values: dict[str, float] = {**metrics, **total_losses(metrics), "time/seconds_per_epoch": measurement.seconds}
        if best is not None and self._metric in metrics:
            values[BEST + self._metric.removeprefix("val/")] = best
        _add(file, summaries.scalars(values), measurement.epoch)
        try:
            details = epoch_details.read_details(file.path.parent)
        except OSError as error:
            self._unreadable(file, error)
            return
        for epoch, shown in details.items():
            if file.detailed < epoch <= measurement.epoch:
                _add(file, summaries.scalars(shown), epoch)
        file.detailed = measurement.epoch

    def _pictures(self, file: EventFile) -> None:
        """Add the archives that the worker left and that were not added; one that cannot be read now comes later."""
        try:
            found = epoch_details.picture_files(file.path.parent)
        except OSError as error:
            self._unreadable(file, error)
            return
        for epoch, path in found:
            if epoch <= file.shown:
                continue
            try:
                _add(file, summaries.pictures(epoch_details.EpochDetails.load(path)), epoch)
            except StudyError as error:
                LOG.warning(str(error))
            except OSError as error:
                self._unreadable(file, error)
                return
            file.shown = epoch

    def _tidied(self, file: EventFile) -> EventFile:
        """Delete the archives that are written, and return the file to write on, within the budget."""
        try:
            found = epoch_details.picture_files(file.path.parent)
            written = [path for epoch, path in found if epoch <= file.shown]
            for path in written:
                path.unlink(missing_ok=True)
            return event_budget.kept_within(file, self._settings.budget_mb * MB) if written else file
        except OSError as error:
            self._unreadable(file, error)
            return file

    def _unreadable(self, file: EventFile, error: OSError) -> None:
        """Log once for each file that details or pictures must wait; the next measurement tries again."""
        if not file.waits:
            LOG.warning(f"TensorBoard: details of {file.path.parent} are added later: {error.strerror}")
        file.waits = True


def _begun(folder: Path) -> bool:
    """Return True if a folder has an event beyond the header: a writer may be killed before its first record.

    Waits for an absent storage.
    """

    def found() -> bool:
        return any(path.stat().st_size > HEADER_BYTES for path in folder.glob("events.out.tfevents.*"))

    return retry_on_outage(folder, found)


def _add(file: EventFile, summary: Summary, step: int = 0) -> None:
    file.add(Event(wall_time=time.time(), step=step, summary=summary))


def total_losses(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the sum of the loss components of each split that has some.

    >>> total_losses({"train/box_loss": 1.0, "train/cls_loss": 0.5, "val/loss": 3.0})
    {'train/total_loss': 1.5}
    """
    found = dict[str, float]()
    for tag, value in metrics.items():
        split, _, name = tag.partition("/")
        if name.endswith("_loss"):
            found[f"{split}/total_loss"] = found.get(f"{split}/total_loss", 0.0) + value
    return found
