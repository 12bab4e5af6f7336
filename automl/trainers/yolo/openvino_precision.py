"""Ultralytics' runs of an OpenVINO model compute in FP32, as ours do, whatever the processor offers (decision 67)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from automl.trainers.other_formats import OPENVINO_FOLDER, OPENVINO_FP32


@contextmanager
def in_fp32(weights: Path) -> Iterator[None]:
    """Compile models of OpenVINO for FP32 during a block, if the weights are one.

    Ultralytics asks for it on ARM alone, and compiles by `openvino.Core`, which has no setting of this for a process.
    """
    if not weights.name.endswith(OPENVINO_FOLDER) or find_spec("openvino") is None:
        yield
        return
    core = import_module("openvino").Core
    compile_model = core.compile_model

    def compiled(
        self: Any,  # noqa: ANN401
        model: Any,  # noqa: ANN401
        device_name: str | None = None,
        config: Mapping[str, Any] | None = None,
        **named: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        return compile_model(self, model, device_name, {**(config or {}), **OPENVINO_FP32}, **named)

    core.compile_model = compiled
    try:
        yield
    finally:
        core.compile_model = compile_model
