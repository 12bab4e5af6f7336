"""TensorBoard writer: one folder per trial, the same tags in all, and a live HParams table.

Used by the driver, one writer per folder. The study's root has one record of all searched parameters with their
ranges; a trial's row appears when it starts and gets its end state when that is final. Needs no TensorFlow.
"""

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2, summary_v2

from automl.study import Ending, Measurement, Params, ParamValue, State, Trial
from automl.study.space import Choice, Integer, Parameter, SearchSpace, parts
from automl.study.text import label
from automl.tracking.event_file import EventFile

LOG: Final = logging.getLogger(__name__)

HEADER_BYTES: Final = 100
BEST: Final = "best/"
OUTCOME: Final = "trial/outcome"
OUTCOMES: Final = {State.COMPLETED: 1.0, State.PRUNED: 0.0, State.FAILED: -1.0}


class Board:
    """The event files of one study. A file that cannot be written now is logged once and written later."""

    def __init__(self, folder: Path, space: SearchSpace, *, metric: str) -> None:
        """Write the record of the searched parameters into `folder`, once per study."""
        self._metric = metric
        self._space = space
        self._files: dict[int, EventFile] = {}
        self._late: dict[Path, EventFile] = {}
        if not _begun(folder):
            root = EventFile(folder)
            _add(root, _space_record(space, metric))
            self._flush(root)

    def on_start(self, trial: Trial, folder: Path) -> None:
        """Add the row of a trial; if it resumes after an interruption, rewrite events that its file may lack."""
        known = _begun(folder)
        file = self._files[trial.number] = EventFile(folder)
        if not known:
            params = {name: _shown(self._space.parameters.get(name), value) for name, value in trial.params.items()}
            _add(file, summary_v2.hparams_pb(params, trial_id=folder.name))
            _add(file, _text("params", _table(params | {"seed": trial.seed})))
        elif trial.measurements:
            last = trial.measurements[-1]
            file.add(Event(wall_time=time.time(), step=last.epoch, session_log=SessionLog(status=SessionLog.START)))
            self._scalars(file, last, best=trial.best(self._metric))
        self._flush(file)

    def on_measurement(self, trial: Trial) -> None:
        """Write the last measurement of a trial."""
        file = self._files[trial.number]
        self._scalars(file, trial.measurements[-1], best=trial.best(self._metric))
        self._flush(file)

    def on_pause(self, trial: Trial) -> None:
        """Close the file of a paused trial; it gets a new file when it resumes."""
        del self._files[trial.number]

    def on_end(self, trial: Trial, ending: Ending) -> None:
        """Write how a trial ended and close its file."""
        file = self._files.pop(trial.number)
        status = api_pb2.STATUS_FAILURE if ending.state is State.FAILED else api_pb2.STATUS_SUCCESS
        end = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=time.time())
        _add(file, _plugin(metadata.SESSION_END_INFO_TAG, plugin_data_pb2.HParamsPluginData(session_end_info=end)))
        _add(file, Summary(value=[Summary.Value(tag=OUTCOME, simple_value=OUTCOMES[ending.state])]), trial.epoch)
        _add(file, _text("ending", f"**{ending.state}**: {ending.text}"))
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
        values: dict[str, float] = {**measurement.metrics, "time/seconds_per_epoch": measurement.seconds}
        if best is not None and self._metric in measurement.metrics:
            values[BEST + self._metric.removeprefix("val/")] = best
        summary = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])
        _add(file, summary, measurement.epoch)


def _space_record(space: SearchSpace, metric: str) -> Summary:
    short = metric.removeprefix("val/")
    metrics = [
        summary_v2.Metric(BEST + short, display_name=f"best {short}"),
        summary_v2.Metric(metric, display_name=f"last {short}"),
        summary_v2.Metric("val/map50", display_name="last map50"),
        summary_v2.Metric("val/loss", display_name="val loss"),
        summary_v2.Metric(OUTCOME, display_name="outcome (1 completed, 0 pruned, -1 failed)"),
    ]
    parameters = [summary_v2.HParam(name, _domain(kind)) for name, kind in space.parameters.items()]
    return summary_v2.hparams_config_pb(hparams=parameters, metrics=metrics)


def _domain(parameter: Parameter) -> summary_v2.Domain:
    """Return the domain of a parameter; of several ranges the span."""
    if isinstance(parameter, Choice):
        return summary_v2.Discrete([_shown(parameter, choice) for choice in parameter.choices])
    if all(isinstance(part, Integer) for part in parts(parameter)):
        return summary_v2.IntInterval(int(parameter.low), int(parameter.high))
    return summary_v2.RealInterval(parameter.low, parameter.high)


def _shown(parameter: Parameter | None, value: ParamValue) -> ParamValue:
    """Return a value in the column's single type, as HParams requires: `[0.5, 1]` floats, `[1, "auto"]` strings."""
    kinds = {type(choice) for choice in parameter.choices} if isinstance(parameter, Choice) else {type(value)}
    if len(kinds) == 1:
        return label(value)
    return float(value) if kinds == {int, float} else str(label(value))


def _begun(folder: Path) -> bool:
    """Return True if a folder has an event beyond the header: a writer may be killed before its first record."""
    return any(path.stat().st_size > HEADER_BYTES for path in folder.glob("events.out.tfevents.*"))


def _plugin(tag: str, content: plugin_data_pb2.HParamsPluginData) -> Summary:
    return Summary(
        value=[
            Summary.Value(
                tag=tag,
                metadata=metadata.create_summary_metadata(content),
                tensor=metadata.NULL_TENSOR,
            )
        ]
    )


def _text(tag: str, markdown: str) -> Summary:
    plugin = SummaryMetadata.PluginData(plugin_name="text")
    tensor = TensorProto(dtype="DT_STRING", tensor_shape=TensorShapeProto(), string_val=[markdown.encode()])
    return Summary(value=[Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=plugin), tensor=tensor)])


def _table(values: Mapping[str, ParamValue] | Params) -> str:
    rows = "\n".join(f"| {name} | {value} |" for name, value in values.items())
    return f"| param | value |\n| --- | --- |\n{rows}"


def _add(file: EventFile, summary: Summary, step: int = 0) -> None:
    file.add(Event(wall_time=time.time(), step=step, summary=summary))
