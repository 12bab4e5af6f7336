"""TensorRT as an inference backend: the engine of a registry version, where this machine can run it.

An engine runs with the TensorRT version that built it, on the kind of GPU that it was built for: what its version
records of it is compared with this machine before the engine is loaded. It serves only if it was measured when it was
built; else the ONNX file does.
"""

import threading
import weakref
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np

from automl.apps.serve.backend import Array
from automl.storage.engine_machine import CUDA
from automl.study.engine_facts import EngineFacts
from automl.study.errors import RegistryError


class TensorRt:
    """An engine on the first CUDA GPU; each thread has an execution context and buffers of its own."""

    def __init__(self, plan: bytes, metadata: Mapping[str, str], *, facts: EngineFacts, source: str) -> None:
        """Load the bytes of an engine; the metadata is that of the ONNX file, since a plan has none.

        Raises:
            RegistryError: TensorRT cannot load it, such as one for another kind of GPU, or it has other tensors than
                an input and an output of numbers.
        """
        module = import_module(facts.module)
        runtime = module.Runtime(module.Logger(module.Logger.ERROR))
        if facts.version_compatible:  # it contains the runtime of its own version
            runtime.engine_host_code_allowed = True
        self._engine = runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise RegistryError(f"{source}: must be an engine for this GPU and {facts.builder}, but cannot be loaded")
        names = [self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)]
        modes = [self._engine.get_tensor_mode(name) for name in names]
        entries = [name for name, mode in zip(names, modes, strict=True) if mode == module.TensorIOMode.INPUT]
        if len(entries) != 1 or len(names) < 2:
            raise RegistryError(f"{source}: must have an input and an output, but has {', '.join(names) or 'none'}")
        self._entry = entries[0]
        self._types = {name: np.dtype(module.nptype(self._engine.get_tensor_dtype(name))) for name in names}
        self.shape: tuple[Any, ...] = tuple(self._engine.get_tensor_shape(self._entry))
        self.metadata, self.source = metadata, source
        self.provider = f"{'TensorRT' if module.__name__ == 'tensorrt' else 'TensorRT for RTX'} {module.__version__}"
        self._own = threading.local()

    def run(self, batch: Array) -> Array:
        """Return the first output for a batch.

        Raises:
            RegistryError: the GPU cannot run the model.
        """
        if tuple(batch.shape) != self.shape:
            raise RegistryError(f"{self.source}: must get a batch of {self.shape}, but got {batch.shape}")
        if not hasattr(self._own, "execution"):
            self._own.execution = Execution(self._engine, self._entry, self._types, source=self.source)
        found: Array = self._own.execution.run(batch)
        return found


class Execution:
    """An execution context with its stream and the memory of its tensors on the GPU, which is freed with it."""

    def __init__(self, engine: Any, entry: str, types: Mapping[str, Any], *, source: str) -> None:  # noqa: ANN401
        self._source, self._entry = source, entry
        self._cuda = import_module(CUDA)
        self._context = engine.create_execution_context()
        self._stream = self._done(self._cuda.cudaStreamCreate())
        self._hosts = {name: np.empty(tuple(engine.get_tensor_shape(name)), kind) for name, kind in types.items()}
        self._devices: dict[str, int] = {}
        for name, host in self._hosts.items():
            self._devices[name] = self._done(self._cuda.cudaMalloc(host.nbytes))
            weakref.finalize(self, self._cuda.cudaFree, self._devices[name])
            self._context.set_tensor_address(name, self._devices[name])
        self._output = next(name for name in types if name != entry)

    def run(self, batch: Array) -> Array:
        """Copy a batch to the GPU, run the model, and return its first output."""
        kinds = self._cuda.cudaMemcpyKind
        entry, output = self._hosts[self._entry], self._hosts[self._output]
        np.copyto(entry, batch, casting="same_kind")
        self._copy(self._devices[self._entry], entry.ctypes.data, entry.nbytes, kinds.cudaMemcpyHostToDevice)
        if not self._context.execute_async_v3(int(self._stream)):
            raise RegistryError(f"{self._source}: must be an engine that TensorRT can run, but its execution failed")
        self._copy(output.ctypes.data, self._devices[self._output], output.nbytes, kinds.cudaMemcpyDeviceToHost)
        self._done(self._cuda.cudaStreamSynchronize(self._stream))
        return np.array(output, np.float32)  # a copy: the next run writes to the same place

    def _copy(self, target: int, source: int, size: int, kind: Any) -> None:  # noqa: ANN401
        self._done(self._cuda.cudaMemcpyAsync(target, source, size, kind, self._stream))

    def _done(self, result: tuple[Any, ...]) -> Any:  # noqa: ANN401
        """Return the value of a call of the CUDA runtime.

        Raises:
            RegistryError: it failed.
        """
        error, *values = result
        if int(error):
            raise RegistryError(f"{self._source}: needs a CUDA GPU with free memory, but CUDA says {error}")
        return values[0] if values else None
