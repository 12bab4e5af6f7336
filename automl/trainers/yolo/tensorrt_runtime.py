"""Ultralytics' runs of a version-compatible engine of TensorRT: it contains the runtime of its own version as code."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

ENGINE: Final = ".engine"


@contextmanager
def allowing_own_code(weights: Path) -> Iterator[None]:
    """Let engines that are loaded during a block bring their runtime, if the weights are one.

    TensorRT refuses them otherwise, and Ultralytics does not ask for it. The weights are an engine that we built.
    """
    if weights.suffix != ENGINE or find_spec("tensorrt") is None:
        yield
        return
    module: Any = import_module("tensorrt")
    runtime = module.Runtime

    def allowed(*given: Any) -> Any:  # noqa: ANN401
        made = runtime(*given)
        made.engine_host_code_allowed = True
        return made

    module.Runtime = allowed
    try:
        yield
    finally:
        module.Runtime = runtime
