"""What `diagnosis.py` trains: faults of several strengths, and trainings without a fault, on several data sets.

Strengths are named, and a case of even seed serves to choose thresholds, one of odd seed to judge them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

HEALTHY: Final = ""
SAMPLE: Final = "sample"
MICRO: Final = "micro"
"""From random weights."""
LEARNED: Final = "learned"
"""The micro model after a training on other images of the sample: fine-tuning it takes few epochs."""
NANO: Final = "nano"
"""The given weights."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A planted fault, or none: one training setting, change of the labels or of the program."""

    name: str
    """The finding that it must lead to; empty: none."""
    strength: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    edit: tuple[str, float] = ("", 0.0)
    """Change of the labels or images, see `diagnosis_edits`."""
    hook: tuple[str, float] = ("", 0.0)
    """Change of the program while it trains."""
    start: str = LEARNED
    epochs: int = 10
    images: int = 72
    """Training images drawn of the sample, and most of them kept of another data set; 0: all."""
    data: str = SAMPLE


@dataclass(frozen=True, slots=True)
class Case:
    """A fault, or none, with a seed."""

    fault: Fault
    seed: int

    @property
    def key(self) -> tuple[str, str, int]:
        """Return what tells a case from others."""
        return self.fault.name, self.fault.strength, self.seed


SETTINGS: Final[Mapping[str, Any]] = {
    "imgsz": 128, "batch": 8, "nbs": 8, "cache": "ram", "optimizer": "SGD", "lr0": 0.01, "warmup_epochs": 1.0,
    "close_mosaic": 3,
}  # fmt: skip
PLAIN: Final[Mapping[str, Any]] = {
    "mosaic": 0.0, "scale": 0.0, "translate": 0.0, "fliplr": 0.0, "hsv_h": 0.0, "hsv_s": 0.0, "hsv_v": 0.0,
}  # fmt: skip

FAULTS: Final[Sequence[tuple[Fault, ...]]] = (
    (
        Fault("class suppressed", "labels of 95%", edit=("unlabelled", 0.95), settings={"lr0": 0.02}),
        Fault("class suppressed", "labels of 85%", edit=("unlabelled", 0.85), settings={"lr0": 0.02}),
    ),
    (
        Fault("collapsed", "lr0 0.5", {"lr0": 0.5, "warmup_epochs": 0.0, "lrf": 1.0}, epochs=6),
        Fault("collapsed", "lr0 0.2", {"lr0": 0.2, "warmup_epochs": 0.0, "lrf": 1.0}, epochs=6),
    ),
    (
        Fault("loss oscillates", "lr0 0.08", {"lr0": 0.08, "lrf": 1.0, "close_mosaic": 0}),
        Fault("loss oscillates", "lr0 0.05", {"lr0": 0.05, "lrf": 1.0, "close_mosaic": 0}),
    ),
    (
        Fault("overfitting", "8 images", {**PLAIN, "lrf": 1.0, "lr0": 0.03}, images=8, epochs=24),
        Fault("overfitting", "16 images", {**PLAIN, "lrf": 1.0, "lr0": 0.03}, images=16, epochs=24),
    ),
    (
        Fault("augmentation without effect", "all off", hook=("no augmentation", 1.0), epochs=3, images=48),
        Fault(
            "augmentation without effect", "from micro", hook=("no augmentation", 1.0), epochs=3, images=48, start=MICRO
        ),
    ),
    (
        Fault("mosaic closed", "10 of 4", {"close_mosaic": 10}, epochs=4, images=48),
        Fault("mosaic closed", "3 of 3", {"close_mosaic": 3}, epochs=3, images=48),
    ),
    (
        Fault("objects made tiny", "scale 0.95", {"scale": 0.95}, epochs=4),
        Fault("objects made tiny", "scale 0.9 at 96 px", {"scale": 0.9, "imgsz": 96}, epochs=4),
    ),
    (
        Fault("small objects missed", "small unlabelled", {"lr0": 0.02}, edit=("two sizes", 1.0)),
        Fault("small objects missed", "16 epochs", {"lr0": 0.02}, edit=("two sizes", 1.0), epochs=16),
    ),
    (
        Fault("box loss slow", "boxes moved by 0.6", {"lr0": 0.02}, edit=("boxes moved", 0.6), start=MICRO, epochs=12),
        Fault("box loss slow", "boxes moved by 0.4", {"lr0": 0.02}, edit=("boxes moved", 0.4), start=MICRO, epochs=12),
    ),
    (
        Fault("nothing learned", "lr0 1e-6", {"lr0": 1e-6, "warmup_bias_lr": 0.0}, start=MICRO),
        Fault("nothing learned", "labels of other images", {"lr0": 0.02}, edit=("labels of others", 1.0), start=MICRO),
    ),
    (
        Fault("plateau", "lr0 1e-4", {"lr0": 1e-4, "warmup_bias_lr": 0.0, "close_mosaic": 0}),
        Fault("plateau", "lr0 3e-5", {"lr0": 3e-5, "warmup_bias_lr": 0.0, "close_mosaic": 0}),
    ),
    (
        Fault("low confidence", "85% of train unlabelled", {"lr0": 0.02}, edit=("train unlabelled", 0.85)),
        Fault("low confidence", "75% of train unlabelled", {"lr0": 0.02}, edit=("train unlabelled", 0.75)),
    ),
    (
        Fault("attention to background", "70% of val unlabelled", edit=("val unlabelled", 0.7), epochs=6),
        Fault("attention to background", "50% of val unlabelled", edit=("val unlabelled", 0.5), epochs=6),
    ),
    (
        Fault("not finite", "a weight in epoch 1", hook=("weight not finite", 2.0), epochs=3, images=48),
        Fault("not finite", "a weight in epoch 2", hook=("weight not finite", 8.0), epochs=3, images=48),
    ),
    (
        Fault("batch halved", "at the first batch", hook=("out of memory", 1.0), epochs=2, images=48),
        Fault("batch halved", "at the third batch", hook=("out of memory", 3.0), epochs=2, images=48),
    ),
    (
        Fault("data loader slow", "0.2 s an image", hook=("slow data", 0.2), epochs=3, images=48),
        Fault("data loader slow", "0.1 s an image", hook=("slow data", 0.1), epochs=3, images=48),
    ),
    (
        Fault("one loss oscillates", "box 75", {"box": 75.0, "lr0": 0.03, "warmup_epochs": 0.0, "lrf": 1.0}),
        Fault("one loss oscillates", "cls 20", {"cls": 20.0, "lr0": 0.03, "warmup_epochs": 0.0, "lrf": 1.0}),
    ),
)  # fmt: skip

TUNED: Final[Mapping[str, Any]] = {"optimizer": "AdamW", "lr0": 1.4e-3}
"""As `optimizer=auto` trains few classes."""


def twice(  # noqa: PLR0913
    name: str,
    strength: str,
    settings: Mapping[str, Any],
    *,
    epochs: int,
    images: int,
    start: str = NANO,
    edit: tuple[str, float] = ("", 0.0),
    hook: tuple[str, float] = ("", 0.0),
) -> tuple[Fault, Fault]:
    """Return a fault planted in a training on each of two data sets."""
    given = {**TUNED, **settings} if start == NANO else settings
    bolts, bccd = (
        Fault(name, f"{data}, {strength}", given, edit, hook, start, epochs, images, data) for data in ("bolts", "bccd")
    )
    return bolts, bccd


REAL_FAULTS: Final[Sequence[tuple[Fault, ...]]] = (
    twice("class suppressed", "labels of 95%", {}, edit=("unlabelled", 0.95), epochs=8, images=100),
    twice("mosaic closed", "10 of 4", {"close_mosaic": 10}, epochs=4, images=32),
    twice("low confidence", "85% of train unlabelled", {}, edit=("train unlabelled", 0.85), epochs=8, images=100),
    twice("attention to background", "70% of val unlabelled", {}, edit=("val unlabelled", 0.7), epochs=6, images=100),
    twice("augmentation without effect", "all off", {}, hook=("no augmentation", 1.0), epochs=3, images=32),
    twice("nothing learned", "lr0 1e-6", {"lr0": 1e-6, "warmup_bias_lr": 0.0}, start=MICRO, epochs=6, images=48),
    twice("collapsed", "lr0 0.5", {"lr0": 0.5, "warmup_epochs": 0.0, "lrf": 1.0}, start=LEARNED, epochs=6, images=80),
    twice("objects made tiny", "scale 0.95", {"scale": 0.95}, epochs=4, images=48),
    twice("not finite", "a weight in epoch 1", {}, hook=("weight not finite", 3.0), epochs=3, images=32),
    twice("batch halved", "at the third batch", {}, hook=("out of memory", 3.0), epochs=2, images=32),
    twice("data loader slow", "1 s an image", {}, hook=("slow data", 1.0), epochs=3, images=16),
    twice("box loss slow", "boxes moved by 0.6", {}, edit=("boxes moved", 0.6), epochs=8, images=100),
    twice("small objects missed", "small unlabelled", {}, edit=("two sizes", 1.0), epochs=8, images=100),
    twice("overfitting", "8 images", {**PLAIN, "lrf": 1.0}, epochs=24, images=8),
)
"""Faults on data sets given with `--data`; the larger model but for two, which need random or learned weights."""

HEALTHY_ONES: Final[Sequence[Fault]] = (
    Fault(HEALTHY, "SGD", {}),
    Fault(HEALTHY, "AdamW", {"optimizer": "AdamW", "lr0": 1e-3}),
    Fault(HEALTHY, "half mosaic", {"mosaic": 0.5, "lr0": 0.02}),
    Fault(HEALTHY, "MuSGD", {"optimizer": "MuSGD", "lr0": 0.01}),
    Fault(HEALTHY, "flipud", {"flipud": 0.5, "mosaic": 0.3, "lr0": 0.005}),
    Fault(HEALTHY, "auto", {"optimizer": "auto", "nbs": 64}),
    Fault(HEALTHY, "no mosaic", {"mosaic": 0.0, "lr0": 0.01}),
    Fault(HEALTHY, "large scale", {"scale": 0.6, "lr0": 0.01}),
    Fault(HEALTHY, "mixup", {"mixup": 0.1, "lr0": 0.01}),
    Fault(HEALTHY, "batch 16", {"batch": 16, "lr0": 0.02}),
    Fault(HEALTHY, "Adam", {"optimizer": "Adam", "lr0": 1e-3}),
    Fault(HEALTHY, "cosine", {"cos_lr": True, "lr0": 0.02}, epochs=16),
    Fault(HEALTHY, "160 px", {"imgsz": 160, "lr0": 0.02}),
    Fault(HEALTHY, "rotated", {"degrees": 10.0, "hsv_v": 0.6, "mosaic": 0.7}),
    Fault(HEALTHY, "20 epochs", {"lr0": 0.02, "close_mosaic": 5}, epochs=20, images=48),
    Fault(HEALTHY, "bolts", {"optimizer": "AdamW", "lr0": 1.4e-3}, start=NANO, data="bolts", epochs=8, images=0),
    Fault(HEALTHY, "bccd", {"optimizer": "AdamW", "lr0": 1.4e-3}, start=NANO, data="bccd", epochs=8, images=0),
    Fault(
        HEALTHY, "screws-tiny", {"optimizer": "AdamW", "lr0": 2e-3, "imgsz": 320}, start=NANO, data="screws-tiny",
        epochs=6, images=0,
    ),
)  # fmt: skip


def cases(seeds: int) -> list[Case]:
    """Return all cases: each pair of seeds has every strength of every fault once, and all trainings without a fault.

    Strength and seed change places from pair to pair, so that neither half has only one strength. What costs more comes
    a pair or two later: other data sets after the sample, the larger model without a fault last.

    >>> [case.seed for case in cases(2)].count(0) == [case.seed for case in cases(2)].count(1)
    True
    """
    small = [(fault,) for fault in HEALTHY_ONES if fault.start != NANO]
    large = [(fault,) for fault in HEALTHY_ONES if fault.start == NANO]
    groups = ((0, FAULTS), (1, small), (2, REAL_FAULTS), (2, large))
    return [
        case
        for turn in range(seeds // 2 + 2)
        for later, group in groups
        if 0 <= turn - later < seeds // 2
        for case in _of_pair(group, turn - later)
    ]


def _of_pair(group: Sequence[tuple[Fault, ...]], place: int) -> list[Case]:
    """Return the cases of a pair of seeds."""
    pair = (2 * place, 2 * place + 1)
    return [Case(strengths[(seed + place) % len(strengths)], seed) for strengths in group for seed in pair]
