"""Proof of the search space: which searched parameters change a training, by bitwise comparison of a few batches."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from automl.data import staging
from automl.data.record import DataSet
from automl.pipeline import inputs, plain_training
from automl.storage import scratch
from automl.study import Job, ParamValue
from automl.study.errors import AutomlError
from automl.study.messages import shown
from automl.study.space import Choice, SearchSpace, Single, named_parts
from automl.study.spec import StudySpec
from automl.study.validation import dead_mistakes, once
from automl.trainers import Comparison, Probe, chosen, trainer_of

SECONDS: Final = 300.0
"""Limit of a proof; what is not compared by then is named."""
IMAGES: Final = 16
"""Training images: every class where there are as many, and each augmentation by chance several times."""
VAL_IMAGES: Final = 2
MOST_VALUES: Final = 4
"""Values of a choice that are compared with its default."""
THREADS: Final = 1
"""CPU threads: sums in another order differ in their last bits."""


@dataclass(frozen=True, slots=True)
class Dead:
    """A searched parameter that changed nothing."""

    name: str
    """Its key in the description, such as `space.lr0`."""
    values: tuple[ParamValue, ...]
    """The values that were compared."""
    batches: int
    """Batches that were the same, bit for bit, as were the weights after each."""

    def __str__(self) -> str:
        """Return the finding with its remedy."""
        return (
            f"{self.name}: has no effect: with {', '.join(map(shown, self.values))} all {self.batches} batches and the "
            "weights after each are the same, bit for bit; remove it from space"
        )


@dataclass(frozen=True, slots=True)
class SpaceProof:
    """Which searched parameters change a training."""

    dead: tuple[Dead, ...] = ()
    live: Mapping[str, str] | None = None
    """Maps the key of a parameter to what its value changed first: `input` (augmented batches) or `weights`."""
    unproved: Mapping[str, str] | None = None
    """Maps the key of a parameter to why nothing could be shown."""
    refused: tuple[str, ...] = ()
    """Parameters that a rule of the trainer or the data forbids to search, as `search` reports them."""
    problem: str = ""
    """Why nothing was proved at all."""
    how: str = ""
    seconds: float = 0.0

    def lines(self) -> Iterator[str]:
        """Yield the lines of `automl check --prove`."""
        if self.problem:
            yield f"space proof: nothing was proved: {self.problem}"
            return
        counts = [len(self.live or {}), len(self.dead), len(self.unproved or {})]
        yield (
            f"space proof: of {sum(counts)} searched parameters {counts[0]} change the training, {counts[1]} do not, "
            f"{counts[2]} could not be proved ({self.how}; {self.seconds:.0f} s)"
        )
        yield from (f"space proof: {dead}" for dead in self.dead)
        yield from (f"space proof: {name}: not proved: {why}" for name, why in (self.unproved or {}).items())


def prove(spec: StudySpec, data: DataSet, *, seconds: float = SECONDS) -> SpaceProof:
    """Train a few batches for each searched parameter, with its default and with other values, and compare them.

    Nothing is written into the user's folders.
    """
    since, trainer = time.monotonic(), trainer_of()
    wanted = {
        where: probe_of(spec.search_space, name, part)
        for name, parameter in spec.search_space.parameters.items()
        for where, part in named_parts(name, parameter)
    }
    outside = {where: trainer.unprovable(where.split(".")[1]) for where in wanted}
    unproved = {where: why for where, why in outside.items() if why}
    probes = {where: probe for where, probe in wanted.items() if not outside[where]}
    polygons = inputs.polygon_mistake(data, spec.space)
    refused = (*once(dead_mistakes(spec, trainer)), *([f"space.copy_paste: {polygons}"] if polygons else ()))
    if not probes:
        return SpaceProof((), {}, unproved, refused, how="no training", seconds=time.monotonic() - since)
    try:
        with scratch.folder() as folder:
            job = replace(_job(spec, folder / "job"), data=str(staging.stage(few(data), folder / "data")))
            images = plain_training.train_images(data, {**spec.search_space.defaults(), **spec.train})
            found = trainer.compare(job, [*probes.values()], images=images, seconds=seconds)
    except (AutomlError, OSError) as error:
        return SpaceProof(refused=refused, problem=" ".join(str(error).split()) or type(error).__name__)
    compared = dict(zip(probes, found.comparisons, strict=True))
    return replace(
        _sorted(compared, probes), unproved=unproved | {w: c.problem for w, c in compared.items() if c.problem},
        refused=refused, how=found.how, seconds=round(time.monotonic() - since, 1),
    )  # fmt: skip


def _sorted(compared: Mapping[str, Comparison], probes: Mapping[str, Probe]) -> SpaceProof:
    finished = {where: found for where, found in compared.items() if not found.problem}
    return SpaceProof(
        tuple(
            Dead(where, _values(probes[where], where.split(".")[1]), found.batches)
            for where, found in finished.items()
            if not found.differs
        ),
        {where: found.differs for where, found in finished.items() if found.differs},
    )


def _values(probe: Probe, name: str) -> tuple[ParamValue, ...]:
    return tuple(params[name] for params in (probe.reference, *probe.others))


def probe_of(space: SearchSpace, name: str, part: Single) -> Probe:
    """Return the defaults under which a part of a parameter is live, and the same with its other values.

    The values are the ends of a range, the one farther from the default first, or the first other choices.
    """
    reference = space.nearest({**_parents(space, part), name: part.default})
    if isinstance(part, Choice):
        others: Sequence[ParamValue] = [value for value in part.choices if value != part.default][:MOST_VALUES]
    else:
        default = part.default
        ends = sorted({part.low, part.high} - {default}, key=lambda end: -abs(end - default))
        others = ends
    return Probe(reference, tuple(space.nearest({**reference, name: value}) for value in others))


def _parents(space: SearchSpace, part: Single) -> dict[str, ParamValue]:
    """Return values of the parents under which a part is live, those of their parents too."""
    found: dict[str, ParamValue] = {}
    for parent, values in part.when.items():
        owner = space.parameters[parent]
        if isinstance(owner, Choice):
            found |= _parents(space, owner) | {parent: owner.default if owner.default in values else values[0]}
    return found


def few(data: DataSet) -> DataSet:
    """Return a data set of a few images: the first of each class, and others with boxes, evenly spread."""
    kinds = {path: {line.split()[0] for line in data.texts.get(path, "").splitlines() if line.strip()}
             for path in data.images["train"]}  # fmt: skip
    first = {kind: path for path, found in reversed(kinds.items()) for kind in found}.values()
    boxed = [path for path, found in kinds.items() if found] or [*kinds]
    spread = boxed[:: max(1, len(boxed) // IMAGES)]
    train = tuple([*dict.fromkeys([*first, *spread, *boxed])][:IMAGES])
    others = {split: paths[:VAL_IMAGES] for split, paths in data.images.items() if split != "train"}
    return replace(data, images={"train": train, **others})


def _job(spec: StudySpec, folder: Path) -> Job:
    """Return a job of the default params, without a data set."""
    return Job(
        folder=folder, number=0, params=spec.search_space.defaults(), seed=spec.seed, epochs=spec.ladder.max_epochs,
        model=spec.model, data="", metric=spec.metric, settings=spec.train, threads=THREADS, trainer=chosen(),
    )  # fmt: skip
