"""Resume state of a training between two epochs: capture it from a trainer and restore it in a new one.

Bitwise equal where the training process itself loads the images, as on a CPU. Loader processes, as on a GPU, each have
a random state of their own, which cannot be read: there the curve is close, not equal. In a training of several
processes rank 0 writes the state, with what only the others have: random states, and what they have loaded.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from automl.trainers.yolo import state_file
from automl.trainers.yolo.vendor import rank, unwrapped

PLAIN: Final = (int, float, str, bool, type(None))


@dataclass(slots=True)
class Steps:
    """Batch of the last optimizer step, for gradient accumulation.

    Ultralytics' loop keeps that in a local variable, which is reset when a training resumes. So in a resumed training
    the loop's own steps do nothing, and the same steps are made here, after each batch.
    """

    last: int = -1
    """Counted over all epochs."""
    _batch: int = 0
    _size: int = 0
    _updates: int = 0
    _step: Callable[[], None] | None = None

    def replace_loop_steps(self, trainer: Any) -> None:  # noqa: ANN401
        """Replace the steps of the loop; not needed where each batch is a step."""
        if trainer.accumulate > 1:
            self._step, trainer.optimizer_step = trainer.optimizer_step, _no_op

    def epoch_started(self, trainer: Any) -> None:  # noqa: ANN401
        """Count the batches of an epoch from its first."""
        if self._size not in (0, trainer.batch_size):
            self.last = -1  # memory ran out; Ultralytics halved the batch and began the epoch again
        self._batch, self._size, self._updates = -1, trainer.batch_size, trainer.ema.updates

    def batch_started(self, trainer: Any) -> None:  # noqa: ANN401, ARG002
        """Count a batch."""
        self._batch += 1

    def batch_ended(self, trainer: Any) -> None:  # noqa: ANN401
        """Step if it is due and the steps are made here; record the batch of a step in both cases."""
        number = self._batch + len(trainer.train_loader) * trainer.epoch
        if self._step and number - self.last >= trainer.accumulate:
            self._step()
        if trainer.ema.updates != self._updates:
            self.last, self._updates = number, trainer.ema.updates


@dataclass(slots=True)
class Continuation:
    """Restore the state of an earlier training in a new trainer; without a state only count steps."""

    state: Mapping[str, Any] = field(default_factory=dict)
    steps: Steps = field(default_factory=Steps)
    ranks: list[Mapping[str, Any]] = field(default_factory=list)
    """Of each rank but the first: what is its own after the epoch under way."""
    _pending: bool = False
    _random: Mapping[str, Any] = field(default_factory=dict)
    """Random states of this rank after the epoch, where it is not the first."""

    @classmethod
    def of(cls, path: Path | None) -> "Continuation":
        """Resume from a file, or start without one."""
        state = state_file.take(path) if path else {}
        return cls(state, Steps(last=state.get("last_step", -1)), _pending=bool(state))

    def training_started(self, trainer: Any) -> None:  # noqa: ANN401
        """Restore all but what the loop would reset before its first batch."""
        if not self._pending:
            return
        state, epoch = self.state, self.state["epoch"]
        model = unwrapped(trainer)
        model.load_state_dict(state["model"])
        trainer.ema.ema.load_state_dict(state["ema"])
        trainer.ema.updates = state["updates"]
        trainer.optimizer.load_state_dict(state["optimizer"])
        if state["scaler"]:
            trainer.scaler.load_state_dict(state["scaler"])
        trainer.best_fitness = state["best_fitness"]
        vars(trainer.stopper).update(state["stopper"])
        _restore_criterion(model, state["criterion"])
        dataset = trainer.train_loader.dataset
        for index in self._own("buffer"):
            dataset.load_image(index)
        trainer.start_epoch = epoch  # the loop reads it after this callback
        trainer.scheduler.last_epoch = epoch - 1
        self.steps.replace_loop_steps(trainer)

    def epoch_started(self, trainer: Any) -> None:  # noqa: ANN401
        """Begin each epoch with a new iterator, and the first one with the random state of the earlier training.

        An iterator keeps a part of the order that cannot be read; a new one draws all from the generator.
        """
        self.steps.epoch_started(trainer)
        if not trainer.train_loader.num_workers:
            trainer.train_loader.reset()
        if self._pending:
            self._pending = False
            for name, parameter in unwrapped(trainer).named_parameters():
                if name in self.state["gradients"]:
                    parameter.grad = self.state["gradients"][name].to(parameter.device)
            if self._has_own():
                trainer.train_loader.generator.set_state(self._own("loader"))
                _restore_random(self._own("random"))
        elif self._random:  # a validation has drawn numbers since they were gathered
            _restore_random(self._random)

    def gather_ranks(self, trainer: Any) -> None:  # noqa: ANN401
        """Gather at rank 0 what is another rank's own after an epoch; all ranks take part."""
        if rank() < 0:
            return
        from torch import distributed

        parts: list[Any] = [None] * distributed.get_world_size()
        mine = _own_state(trainer.train_loader)
        distributed.gather_object(mine, parts if rank() == 0 else None, dst=0)
        if rank() == 0:
            self.ranks = parts[1:]
        else:
            self._random = mine["random"]

    def _has_own(self) -> bool:
        """Return False if the training had no process of this rank: it keeps the random numbers of its seed."""
        return rank() <= len(self.state.get("ranks", ()))

    def _own(self, part: str) -> Any:  # noqa: ANN401
        if not self._has_own():
            return ()
        return self.state[part] if rank() <= 0 else self.state["ranks"][rank() - 1][part]


def capture(trainer: Any, *, attempt: int, last_step: int) -> dict[str, Any]:  # noqa: ANN401
    """Return the state of a trainer after an epoch; its tensors are the trainer's own, so write it at once."""
    loader, model = trainer.train_loader, unwrapped(trainer)
    return {
        "epoch": trainer.epoch + 1,
        "attempt": attempt,
        "batch": trainer.batch_size,
        "model": dict(model.state_dict()),
        "ema": dict(trainer.ema.ema.state_dict()),
        "updates": trainer.ema.updates,
        "optimizer": _plain(trainer.optimizer.state_dict()),
        "scaler": trainer.scaler.state_dict(),
        "best_fitness": None if trainer.best_fitness is None else float(trainer.best_fitness),
        "stopper": {name: float(getattr(trainer.stopper, name)) for name in ("best_fitness", "best_epoch")},
        "criterion": getattr(model.criterion, "updates", None),
        **_own_state(loader),
        "last_step": last_step,
        "gradients": {name: p.grad for name, p in model.named_parameters() if p.grad is not None},
        "structure": _structure(trainer),
    }


def _own_state(loader: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return what each process of a training has for itself: random states, and the images kept for mosaics."""
    return {
        "random": _random(),
        "loader": loader.generator.get_state(),
        "buffer": list(getattr(loader.dataset, "buffer", ())),
    }


def _structure(trainer: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the arguments to rebuild the model for its weights."""
    model = trainer.ema.ema
    return {
        "class": type(model).__name__,
        "yaml": _plain(model.yaml),
        "channels": int(trainer.data["channels"]),
        "classes": int(trainer.data["nc"]),
        "class_width": state_file.class_width(model),
        "names": _plain(model.names),
        "args": _plain(vars(trainer.args)),
    }


def _restore_criterion(model: Any, updates: int | None) -> None:  # noqa: ANN401
    """Restore the progress of a loss that changes from epoch to epoch, such as that of one-to-one heads."""
    if updates:
        model.criterion = model.init_criterion()
        model.criterion.updates = updates - 1
        model.criterion.update()


def _random() -> dict[str, Any]:
    import torch

    version, words, gauss = random.getstate()
    kind, keys, position, has_gauss, cached = np.random.get_state()
    return {
        "python": [version, list(words), gauss],
        "numpy": [str(kind), [int(key) for key in keys], int(position), int(has_gauss), float(cached)],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
    }


def _restore_random(state: Mapping[str, Any]) -> None:
    import torch

    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if state["cuda"] and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])


def _plain(value: Any) -> Any:  # noqa: ANN401
    """Return a value without classes: a file that contains one is code to the program that reads it."""
    import torch

    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_plain, value))
    if isinstance(value, np.generic):
        return value.item()
    return value if isinstance(value, (torch.Tensor, *PLAIN)) else str(value)


def _no_op() -> None:
    """Replace the step of Ultralytics' loop with a no-op."""
