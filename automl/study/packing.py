"""Packing: how many trials share a GPU, by a probe of their total throughput and memory side by side. Pure.

The probe trains 1, 2, 3 ... copies of a structure together and stops when the total throughput no longer grows, or when
memory would pass the ceiling. It takes the fewest copies within `CLOSE` of the best total: copies that add nothing only
slow each other down.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from automl.study.demand import Demand
from automl.study.errors import TrialError

CEILING: Final = 0.9
"""Share of a GPU's memory that all copies may use together at their peaks."""
CLOSE: Final = 0.03
"""Totals within this share of the best count as equal: a choice, until a probe was repeated on a GPU."""
MOST: Final = 8
"""Copies tried at most."""
GRAIN: Final = 10_000
"""Ray counts shares of a GPU in such parts."""
NOTE: Final = "packing:"
"""Begin of the journal keys of the probed structures."""


@dataclass(frozen=True, slots=True, order=True)
class TrainingStructure:
    """What decides the memory and the speed of a training."""

    model: str
    """As in the description."""
    imgsz: int
    """Edge of the square input, in pixels."""
    batch: int
    """Images in a training batch."""

    @property
    def name(self) -> str:
        """Return it as text.

        >>> TrainingStructure("models/yolo11n.yaml", 640, 16).name
        'yolo11n.yaml at 640 px, batch 16'
        """
        return f"{Path(self.model).name} at {self.imgsz} px, batch {self.batch}"


@dataclass(frozen=True, slots=True)
class Reading:
    """Measurement of some copies that train side by side."""

    images_per_s: float
    """Training images of all copies together."""
    memory: float
    """Share of the GPU's memory in use at the peak, by all processes together: 0 to 1."""
    val_images_per_s: float = 0.0
    """Validated images of all copies together; 0: not measured."""
    epoch_s: float = 0.0
    """Seconds of an epoch besides its batches."""


@dataclass(frozen=True, slots=True)
class Packing:
    """Result of a probe."""

    copies: int
    """Trials that share a GPU."""
    readings: Mapping[int, Reading] = field(default_factory=dict)
    """Number of copies to the measurement; empty where not even one could be measured."""
    limit: str = ""
    """Why no more copies were tried."""
    device: str = ""
    """Name of the GPU."""

    @property
    def share(self) -> float:
        """Return the share of a GPU of one trial, rounded down so that all copies fit.

        >>> Packing(3).share, Packing(1).share
        (0.3333, 1.0)
        """
        return GRAIN // self.copies / GRAIN

    @property
    def summary(self) -> str:
        """Return the result as text.

        >>> Packing(2, {1: Reading(100, 0.2), 2: Reading(190, 0.4)}, "why").summary
        '2 trials share a GPU: 190 images/s in all, 100 images/s for one alone, 40% of the memory; why'
        """
        if not self.readings:
            return f"a trial gets a whole GPU, since nothing could be measured: {self.limit}"
        one, best = self.readings[1], self.readings[self.copies]
        alone = f"{one.images_per_s:.3g} images/s"
        if self.copies == 1:
            return f"a trial gets a whole GPU: {alone}, {one.memory:.0%} of the memory; {self.limit}"
        return (
            f"{self.copies} trials share a GPU: {best.images_per_s:.3g} images/s in all, {alone} for one alone, "
            f"{best.memory:.0%} of the memory; {self.limit}"
        )

    def epoch_seconds(self, images: float, validated: int) -> float:
        """Return the seconds of an epoch of one of the copies by the probe; `validated` images, 0 for none.

        >>> Packing(2, {2: Reading(100, 0.4, 200, 1.0)}).epoch_seconds(50, 100)
        3.0
        """
        reading = self.readings[self.copies]
        seconds = images * self.copies / reading.images_per_s + reading.epoch_s
        return seconds + (validated * self.copies / reading.val_images_per_s if reading.val_images_per_s else 0.0)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        readings = {str(count): asdict(one) for count, one in self.readings.items()}
        return {"copies": self.copies, "readings": readings, "limit": self.limit, "device": self.device}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        readings = {int(count): Reading(**one) for count, one in plain["readings"].items()}
        return cls(int(plain["copies"]), readings, str(plain["limit"]), str(plain["device"]))


def probe(
    measure: Callable[[int], Reading], *, most: int = MOST, ceiling: float = CEILING, device: str = ""
) -> Packing:
    """Return how many copies share a GPU; one, without readings, if not even that can be measured.

    `measure` trains a number of copies side by side and raises TrialError if they do not run. A further copy is only
    tried if its memory, by that of the copies so far, stays below the ceiling: no running trial is risked for the
    probe.
    """
    readings: dict[int, Reading] = {}
    limit = f"{most} {'copy is' if most == 1 else 'copies are'} the most that {'is' if most == 1 else 'are'} tried"
    for count in range(1, most + 1):
        if readings and readings[count - 1].memory * count / (count - 1) > ceiling:
            limit = f"{count} copies would use more than {ceiling:.0%} of the memory"
            break
        try:
            reading = measure(count)
        except TrialError as error:
            limit = f"{count} {'copy does' if count == 1 else 'copies do'} not run: {error}"
            break
        if readings and reading.memory > ceiling:
            limit = f"{count} copies use {reading.memory:.0%} of the memory, more than {ceiling:.0%}"
            break
        readings[count] = reading
        if count > 1 and reading.images_per_s <= readings[count - 1].images_per_s * (1 + CLOSE):
            limit = f"{count} copies together are not faster than {count - 1}"
            break
    best = max((reading.images_per_s for reading in readings.values()), default=0.0)
    enough = (count for count, reading in readings.items() if reading.images_per_s >= best * (1 - CLOSE))
    return Packing(min(enough, default=1), readings, limit, device)


def note_of(structure: TrainingStructure, kind: str) -> str:
    """Return the journal key of a structure that was probed on a kind of GPU, empty for an unknown kind."""
    return f"{NOTE}{kind}:{structure.imgsz}:{structure.batch}:{structure.model}"


def probed_in(notes: Mapping[str, Any]) -> dict[tuple[TrainingStructure, str], Packing]:
    """Return the probed structures in a journal's notes, with the kind of GPU."""
    found = {}
    for key, plain in notes.items():
        if key.startswith(NOTE):
            kind, imgsz, batch, model = key.removeprefix(NOTE).split(":", 3)
            found[TrainingStructure(model, int(imgsz), int(batch)), kind] = Packing.from_dict(plain)
    return found


def lines(notes: Mapping[str, Any]) -> list[str]:
    """Return a line on each probed structure in a journal's notes."""
    return [
        f"packing of {one.name}{f' on {kind}' if kind else ''}: {found.summary}"
        for (one, kind), found in sorted(probed_in(notes).items(), key=lambda item: item[0])
    ]


def tightest(packings: Iterable[Packing]) -> Packing:
    """Return the packing with the fewest copies: a trial does not know on which kind of GPU it will run."""
    return min(packings, key=lambda one: one.copies)


@dataclass(frozen=True, slots=True)
class Shares:
    """GPU share of each structure; empty where none was probed."""

    packings: Mapping[TrainingStructure, Packing] = field(default_factory=dict)
    demands: Mapping[TrainingStructure, Demand] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Return True if a structure was probed."""
        return bool(self.packings)

    def nearest(self, structure: TrainingStructure) -> TrainingStructure | None:
        """Return the structure itself, or that with the next larger batch; None if there is none.

        >>> one, other = TrainingStructure("a", 64, 8), TrainingStructure("a", 64, 16)
        >>> Shares({other: Packing(2)}).nearest(one) == other, Shares({one: Packing(2)}).nearest(other)
        (True, None)
        """
        alike = (
            one
            for one in self.packings
            if (one.model, one.imgsz) == (structure.model, structure.imgsz) and one.batch >= structure.batch
        )
        return min(alike, key=lambda one: one.batch, default=None)

    def demand(self, structure: TrainingStructure) -> Demand | None:
        """Return what a trial of a structure needs; None if its share is unknown."""
        found = self.nearest(structure)
        return None if found is None else self.demands[found]

    def packing(self, structure: TrainingStructure) -> Packing | None:
        """Return the probe of exactly this structure, None without readings."""
        found = self.packings.get(structure)
        return found if found and found.readings else None
