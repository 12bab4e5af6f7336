"""TensorBoard summaries: protocol buffers of scalars, texts, images, curves, histograms and the HParams plugin.

The layouts are those of TensorBoard's plugins (`plugins/*/metadata.py`, `plugins/pr_curve/summary.py`,
`plugins/histogram/summary_v2.py` of TensorBoard 2.20). Needs no TensorFlow.
"""

import struct
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.plugins.histogram.metadata import create_summary_metadata as histogram_metadata
from tensorboard.plugins.hparams import metadata, plugin_data_pb2, summary_v2
from tensorboard.plugins.image.metadata import create_summary_metadata as image_metadata
from tensorboard.plugins.pr_curve.metadata import create_summary_metadata as pr_metadata

from automl.storage.epoch_details import EpochDetails, Histogram, PrCurve
from automl.study import ParamValue
from automl.study.space import Choice, Integer, Parameter, SearchSpace, parts
from automl.study.text import document, label

BEST: Final = "best/"
OUTCOME: Final = "trial/outcome"


def scalars(values: Mapping[str, float]) -> Summary:
    """Return scalars by tag."""
    return Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])


def pictures(details: EpochDetails) -> Summary:
    """Return the images, precision-recall curves and histograms of an epoch."""
    return Summary(
        value=[
            *(_image(tag, image) for tag, image in details.images.items()),
            *(_pr_curve(tag, curve) for tag, curve in details.pr_curves.items()),
            *(_histogram(tag, histogram) for tag, histogram in details.histograms.items()),
        ]
    )


def _image(tag: str, encoded: bytes) -> Summary.Value:
    """Return one encoded image; width and height come first, as the plugin reads them."""
    width, height = _size(encoded)
    return _tensor(
        tag,
        image_metadata(display_name=tag, description=""),
        TensorProto(
            dtype="DT_STRING",
            tensor_shape=_shape(3),
            string_val=[str(width).encode(), str(height).encode(), encoded],
        ),
    )


def _pr_curve(tag: str, curve: PrCurve) -> Summary.Value:
    """Return a curve as the plugin's six rows: true and false positives, true and false negatives, precision, recall.

    Detection has no true negatives, so these are 0.
    """
    hits = curve.recall * curve.truths
    wrong = hits * (1 - curve.precision) / np.maximum(curve.precision, 1e-9)
    rows = np.stack([hits, wrong, np.zeros_like(hits), curve.truths - hits, curve.precision, curve.recall])
    counts = rows.shape[1]
    content = TensorProto(dtype="DT_FLOAT", tensor_shape=_shape(6, counts), tensor_content=rows.astype("<f4").tobytes())
    return _tensor(tag, pr_metadata(display_name=tag, description="", num_thresholds=counts), content)


def _histogram(tag: str, histogram: Histogram) -> Summary.Value:
    rows = np.stack([histogram.edges[:-1], histogram.edges[1:], histogram.counts], axis=1)
    content = TensorProto(
        dtype="DT_DOUBLE", tensor_shape=_shape(len(rows), 3), tensor_content=rows.astype("<f8").tobytes()
    )
    return _tensor(tag, histogram_metadata(display_name=tag, description=""), content)


def _tensor(tag: str, described: SummaryMetadata, content: TensorProto) -> Summary.Value:
    return Summary.Value(tag=tag, metadata=described, tensor=content)


def _shape(*sizes: int) -> TensorShapeProto:
    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in sizes])


def _size(encoded: bytes) -> tuple[int, int]:
    """Return width and height of a PNG, or of a JPEG by its frame header; 0 x 0 if there is none."""
    if encoded[:4] == b"\x89PNG":
        width, height = struct.unpack(">II", encoded[16:24])
        return width, height
    place = 2
    while place + 9 < len(encoded) and encoded[place] == 0xFF:
        if 0xC0 <= encoded[place + 1] <= 0xC3:
            height, width = struct.unpack(">HH", encoded[place + 5 : place + 9])
            return width, height
        place += 2 + int.from_bytes(encoded[place + 2 : place + 4], "big")
    return 0, 0


def space_record(space: SearchSpace, metric: str) -> Summary:
    """Return the experiment record of the HParams plugin: all searched parameters with domains, and the metrics."""
    short = metric.removeprefix("val/")
    metrics = [
        summary_v2.Metric(BEST + short, display_name=f"best {short}"),
        summary_v2.Metric(metric, display_name=f"last {short}"),
        summary_v2.Metric("val/map50", display_name="last map50"),
        summary_v2.Metric("val/loss", display_name="val loss"),
        summary_v2.Metric(OUTCOME, display_name="outcome", description="1 completed, 0 pruned, -1 failed"),
    ]
    parameters = [summary_v2.HParam(name, _domain(kind)) for name, kind in space.parameters.items()]
    return summary_v2.hparams_config_pb(hparams=parameters, metrics=metrics)


def _domain(parameter: Parameter) -> summary_v2.Domain:
    """Return the domain of a parameter; of several ranges the span."""
    if isinstance(parameter, Choice):
        return summary_v2.Discrete([shown(parameter, choice) for choice in parameter.choices])
    if all(isinstance(part, Integer) for part in parts(parameter)):
        return summary_v2.IntInterval(int(parameter.low), int(parameter.high))
    return summary_v2.RealInterval(parameter.low, parameter.high)


def shown(parameter: Parameter | None, value: ParamValue) -> ParamValue:
    """Return a value in the column's single type, as HParams requires: `[0.5, 1]` floats, `[1, "auto"]` strings."""
    kinds = {type(choice) for choice in parameter.choices} if isinstance(parameter, Choice) else {type(value)}
    if len(kinds) == 1:
        return label(value)
    return float(value) if kinds == {int, float} else str(label(value))


def plugin(tag: str, content: plugin_data_pb2.HParamsPluginData) -> Summary:
    """Return a record of the HParams plugin."""
    return Summary(
        value=[
            Summary.Value(
                tag=tag,
                metadata=metadata.create_summary_metadata(content),
                tensor=metadata.NULL_TENSOR,
            )
        ]
    )


def text(tag: str, markdown: str) -> Summary:
    """Return a text in Markdown; control characters become escapes."""
    plugin = SummaryMetadata.PluginData(plugin_name="text")
    tensor = TensorProto(dtype="DT_STRING", tensor_shape=TensorShapeProto(), string_val=[document(markdown).encode()])
    return Summary(value=[Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=plugin), tensor=tensor)])


def params_table(
    searched: Mapping[str, Any], fixed: Mapping[str, Any], defaults: Mapping[str, Any], *, seed: int
) -> str:
    """Return a markdown table of a trial's settings: searched ones, then fixed ones, and the defaults that they change.

    Settings that are not in it have the trainer's default.
    """
    rows = [(name, value, "searched") for name, value in searched.items()]
    rows += [("seed", seed, "by trial")]
    rows += [(name, value, "fixed") for name, value in fixed.items() if name not in searched]
    lines = [
        f"| {name} | {value} | {kind} | {_default(defaults, name, value)} |" for name, value, kind in rows
    ]  # fmt: skip
    return "\n".join(["| param | value | set by | default |", "| --- | --- | --- | --- |", *lines])


def _default(defaults: Mapping[str, Any], name: str, value: object) -> str:
    """Return the default that a value changes, `=` where it is the same, empty where there is none."""
    if name not in defaults or name == "seed":
        return ""
    return "=" if value == defaults[name] else f"changed from {defaults[name]}"


def table(values: Mapping[str, Any], *, title: str = "param") -> str:
    """Return a markdown table of names and values."""
    rows = "\n".join(f"| {name} | {value} |" for name, value in values.items())
    return f"| {title} | value |\n| --- | --- |\n{rows}"
