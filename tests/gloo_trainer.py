"""YOLO on two stand-in GPUs: the product's trainer, whose ranks train on the CPU and are joined by gloo.

Ultralytics trains in several processes on GPUs alone. What differs here: the device and the process group, the wrapper
of the model, which gets no device, a mean, which is a sum divided by the number of ranks, and the device of the last
evaluation. Registered as a trainer (`registered`), so that whole studies train with it on a cluster of stand-in GPUs.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from automl.study import Job
from automl.trainers import OnEpoch, register, yolo
from automl.trainers.yolo.arguments import processes

NAME = "gloo"


def registered() -> str:
    """Register this trainer and return its name."""
    register(NAME, __name__)
    return NAME


def __getattr__(name: str) -> Any:
    """Return what YOLO's trainer has of that name; a function takes a job as one without a GPU."""
    found = getattr(yolo, name)
    return partial(_without_gpu, found) if callable(found) else found


def _without_gpu(function: Any, *given: Any, **named: Any) -> Any:
    return function(*map(_on_cpu, given), **{name: _on_cpu(value) for name, value in named.items()})


def _on_cpu(value: Any) -> Any:
    return replace(value, gpus=0.0) if isinstance(value, Job) else value


def train(job: Job, scratch: Path, *, state: Path | None, on_epoch: OnEpoch) -> dict[str, float]:
    """Train a job, with a rank for each of its stand-in GPUs."""
    with _gloo(processes(job)):
        return yolo.train(job, scratch, state=state, on_epoch=on_epoch)


@contextmanager
def _gloo(count: int) -> Iterator[None]:
    """Replace what takes a GPU during a block."""
    yolo.settings()  # shuts the doors before Ultralytics is imported
    from torch import device, distributed, nn  # noqa: PLC0415
    from ultralytics.engine import validator  # noqa: PLC0415

    from automl.trainers.yolo import trainer_class  # noqa: PLC0415

    cpu = SimpleNamespace(current_device=lambda: 0)
    wanted: list[tuple[Any, str, Any]] = [
        (trainer_class, "StudyTrainer", _trainer(count)),
        (nn.parallel, "DistributedDataParallel", partial(_wrapped, nn.parallel.DistributedDataParallel)),
        (distributed, "reduce", partial(_mean_at, distributed.reduce)),
        (validator, "AutoBackend", partial(_backend, validator.AutoBackend, device("cpu"))),
        (validator, "get_torch_device_backend", lambda _kind: cpu),
    ]
    before = [(module, name, vars(module)[name]) for module, name, _ in wanted]
    try:
        for module, name, new in wanted:
            vars(module)[name] = new
        yield
    finally:
        for module, name, old in before:
            vars(module)[name] = old


def _trainer(count: int) -> Any:
    from torch import distributed  # noqa: PLC0415

    from automl.trainers.yolo.trainer_class import StudyTrainer  # noqa: PLC0415

    class GlooTrainer(StudyTrainer):
        """The trainer of a study, on several processes of a CPU."""

        def __init__(self, cfg: Any, overrides: Any, _callbacks: Any) -> None:
            super().__init__(cfg, {**overrides, "device": "cpu"}, _callbacks)
            self.world_size = count if count > 1 else 0
            self.ddp = count > 1 and "LOCAL_RANK" not in os.environ

        def _setup_ddp(self) -> None:
            distributed.init_process_group("gloo", rank=int(os.environ["RANK"]), world_size=count)

    from ultralytics.utils import DEFAULT_CFG  # noqa: PLC0415

    def made(cfg: Any = DEFAULT_CFG, overrides: Any = None, _callbacks: Any = None) -> Any:
        return GlooTrainer(cfg, overrides, _callbacks)

    return made


def _wrapped(wrapper: Any, module: Any, *, device_ids: Any, **more: Any) -> Any:
    del device_ids
    return wrapper(module, **more)


def _mean_at(reduce: Any, tensor: Any, dst: int, op: Any) -> None:
    from torch import distributed  # noqa: PLC0415

    assert op == distributed.ReduceOp.AVG
    reduce(tensor, dst=dst)
    tensor /= distributed.get_world_size()


def _backend(backend: Any, cpu: Any, **given: Any) -> Any:
    return backend(**{**given, "device": cpu})
