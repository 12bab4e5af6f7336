"""Inference backends: what runs a model, made from the verified files of a registry version.

The seam between a runtime and detection: `opened` chooses a backend by the files that a version has and by the runtimes
of this machine; `Detector` needs no more of it than `Backend`.
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from automl.storage import engine_machine
from automl.storage.layout import ENGINE, ENGINE_FACTS, ONNX, TARGET, VERDICT
from automl.study.errors import RegistryError

LOG: Final = logging.getLogger(__name__)
Array = NDArray[np.float32]
Read = Callable[[str], bytes | None]
"""Returns the verified bytes of a file of a version, None for one that it does not have."""
PROVIDERS: Final = ("CUDAExecutionProvider", "CPUExecutionProvider")
"""Execution providers in order of preference; the first that this build of ONNX Runtime has is used."""
THREADS: Final = 1
"""Threads of ONNX Runtime for one image. Requests run side by side, one a core (`detector.workers`), so more threads
would make them wait for each other; they do not spin between requests."""

FAILURES: Final[tuple[type[Exception], ...]] = (
    *(
        kind
        for kind in vars(onnxruntime.capi.onnxruntime_pybind11_state).values()
        if isinstance(kind, type) and issubclass(kind, Exception)
    ),
    ValueError,
    RuntimeError,
)
"""What ONNX Runtime raises for a model that it cannot load or run: its own exceptions have no common class."""


class Backend(Protocol):
    """A loaded model; `run` is called from several threads at once."""

    @property
    def source(self) -> str:
        """Path of the file, for messages."""

    @property
    def provider(self) -> str:
        """Name of what runs the model."""

    @property
    def shape(self) -> tuple[Any, ...]:
        """Shape of the input: batch, channels, height, width; an axis of any length is no number."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """Metadata that the exporter wrote: task, names, end2end."""

    def run(self, batch: Array) -> Array:
        """Return the raw output of a batch of images, batch x 3 x height x width, RGB, 0 to 1.

        Raises:
            RegistryError: the runtime cannot run the model.
        """


def opened(folder: Path, read: Read, *, target: str = "") -> Backend:
    """Return the backend for the version in a folder.

    Without a target its TensorRT engine, if this machine has what it needs, else its ONNX file in ONNX Runtime.

    Args:
        folder: The version's folder, for messages.
        read: Returns the verified bytes of a file of the version, None for one that it does not have.
        target: The target whose artifact runs; empty for the ONNX file.

    Raises:
        RegistryError: no file of the version can be loaded.
    """
    if target:
        return _of_target(folder, read, target)
    content = read(ONNX)
    if content is None:
        raise RegistryError(f"{folder}: must contain {ONNX}, the file that is served, but does not")
    graph = OnnxRuntime(content, source=str(folder / ONNX))
    plan = read(ENGINE)
    return graph if plan is None else _engine(folder / ENGINE, plan, read, graph)


def _engine(source: Path, plan: bytes, read: Read, graph: "OnnxRuntime") -> Backend:
    """Return the engine of a version; its ONNX file, with the reason in the log, where this machine cannot run it."""
    from automl.apps.serve import tensorrt_backend  # noqa: PLC0415  (it needs this module)

    facts, score = engine_machine.recorded(read(VERDICT), read(ENGINE_FACTS))
    why = engine_machine.unusable(facts, score=score)
    if not why:
        try:
            return tensorrt_backend.TensorRt(plan, graph.metadata, facts=facts, source=str(source))
        except RegistryError as error:
            why = str(error)
    LOG.info(f"{source} does not serve on this machine, {ONNX} does: {why}")
    return graph


def _of_target(folder: Path, read: Read, target: str) -> Backend:
    """Return the backend for the artifact of a target: an engine built on its device, a graph, or an OpenVINO model."""
    name = f"{TARGET}{target}"
    record = read(f"{name}.json")
    for suffix, load in {".engine": _engine_of_target, ".onnx": _graph_of_target, ".xml": _openvino_of_target}.items():
        content = read(f"{name}{suffix}")
        if content is not None and record is not None:
            return load(folder / f"{name}{suffix}", content, record, read)
    there = sorted({path.stem.removeprefix(TARGET) for path in folder.glob(f"{TARGET}*") if path.suffix != ".json"})
    raise RegistryError(
        f"{folder}: must contain the artifact of target {target}, but contains those of "
        f"{', '.join(there) or 'none'}; a version contains an artifact that passed its gates"
    )


def _graph_of_target(source: Path, content: bytes, record: bytes, read: Read) -> Backend:
    del record, read
    return OnnxRuntime(content, source=str(source))


def _openvino_of_target(source: Path, content: bytes, record: bytes, read: Read) -> Backend:
    from automl.apps.serve.openvino_backend import OpenVino  # noqa: PLC0415  (it needs this module)

    weights = read(source.with_suffix(".bin").name)
    if weights is None:
        raise RegistryError(f"{source}: must have its .bin file beside it, but has none")
    return OpenVino(content, weights, record, source=str(source))


def _engine_of_target(source: Path, content: bytes, record: bytes, read: Read) -> Backend:
    """Return the engine of a target, whose record has a score if it was measured on its device.

    Raises:
        RegistryError: this machine cannot run it.
    """
    from automl.apps.serve import tensorrt_backend  # noqa: PLC0415  (it needs this module)

    facts, metadata = engine_machine.of_target(record)
    if why := engine_machine.unusable(facts, score=1.0):  # it was measured: a version contains no other
        raise RegistryError(f"{source}: must be an engine that this machine runs, but {why}")
    del read
    return tensorrt_backend.TensorRt(content, metadata, facts=facts, source=str(source))


class OnnxRuntime:
    """An ONNX model in ONNX Runtime."""

    def __init__(self, content: bytes, *, source: str) -> None:
        """Load the bytes of an ONNX file.

        Raises:
            RegistryError: ONNX Runtime cannot load them.
        """
        self.source = source
        self._session = _session(content, source)
        if not self._session.get_inputs() or not self._session.get_outputs():
            raise RegistryError(f"{source}: must have an input and an output, but lacks one")
        entry = self._session.get_inputs()[0]
        self.shape = tuple(entry.shape)
        self.metadata: Mapping[str, str] = self._session.get_modelmeta().custom_metadata_map
        self._entry = entry.name
        self._type = np.float16 if entry.type == "tensor(float16)" else np.float32

    @property
    def provider(self) -> str:
        """Return the execution provider that runs the model."""
        return str(self._session.get_providers()[0])

    def run(self, batch: Array) -> Array:
        """Return the first output for a batch.

        Raises:
            RegistryError: ONNX Runtime cannot run the model.
        """
        try:
            found = self._session.run(None, {self._entry: batch.astype(self._type, copy=False)})[0]
        except FAILURES as error:
            raise RegistryError(f"{self.source}: must be a model that ONNX Runtime can run, but {error}") from None
        if not isinstance(found, np.ndarray) or not np.issubdtype(found.dtype, np.floating):
            raise RegistryError(f"{self.source}: must have an output of floating-point numbers, but has another")
        return found


def _session(content: bytes, source: str) -> Any:  # noqa: ANN401
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = THREADS
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = [name for name in PROVIDERS if name in onnxruntime.get_available_providers()]
    try:
        return onnxruntime.InferenceSession(content, options, providers=providers)
    except FAILURES as error:
        raise RegistryError(f"{source}: must be a model that ONNX Runtime can load, but {error}") from None
