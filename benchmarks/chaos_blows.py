"""What `chaos.py` does to a study: kills of workers, trainings, nodes, drivers, heads, and a storage that goes away."""

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from benchmarks.chaos_cluster import Driver, Machines, beats, wait

SINGLE: Final = ("worker", "training", "node", "driver")
WEIGHTS: Final[Mapping[str, float]] = {
    "worker": 8, "training": 5, "node": 1, "driver": 1, "pair": 1, "store": 0.3, "head": 0.2, "storage": 0.4,
}  # fmt: skip
"""Workers and trainings most often: so it is in life, and they are mended in seconds, so that there are more kills."""
AIMED: Final = ("confirm", "export", "publish")
"""Stages in which the driver is killed on purpose: they are too short to be met by chance."""
AWAY: Final = (2.0, 12.0)
"""Seconds for which the control store is down, or the storage is away."""
LOST: Final = 120.0
"""Seconds within which a driver must notice that its cluster is gone."""


@dataclass(frozen=True, slots=True)
class Blow:
    """What was done."""

    kind: str
    gone: frozenset[int]
    """The processes that trained, or were the workers of what trained."""


class Blows:
    """The ways to hurt one study."""

    def __init__(self, there: Machines, driver: Driver, chance: Random, storage: "Storage | None") -> None:
        """Use the cluster, the driver and, if it can be taken away, the storage of a study."""
        self._there, self._driver, self._chance, self._storage = there, driver, chance, storage

    def drawn(self, kinds: Mapping[str, float]) -> Blow:
        """Do one of some kinds, by their weights; nothing is gone where none of it was there."""
        names = [name for name in kinds if name != "storage" or self._storage]
        kind = self._chance.choices(names, [kinds[name] for name in names])[0]
        return self.done(kind)

    def done(self, kind: str) -> Blow:
        """Do a kind."""
        deeds: dict[str, Callable[[], set[int]]] = {
            "worker": self._there.kill_worker,
            "training": self._there.kill_training,
            "node": self._there.kill_node,
            "driver": self._driver.kill,
            "store": self._store,
            "head": self._head,
            "storage": self._away,
            "pair": self._pair,
        }
        return Blow(kind, frozenset(deeds[kind]()))

    def _pair(self) -> set[int]:
        """Kill two at once."""
        one, other = self._chance.sample(SINGLE, 2)
        return {*self.done(one).gone, *self.done(other).gone}

    def _store(self) -> set[int]:
        """Kill the head's control store, which keeps its state on disk, and start it again."""
        with self._there.store_killed():
            wait(lambda: False, seconds=self._chance.uniform(*AWAY))
        return _training(self._driver.study)

    def _head(self) -> set[int]:
        """End the whole cluster, and begin another that knows nothing of it; the driver has to notice by itself."""
        gone = _training(self._driver.study)
        self._there.replace()
        if not wait(lambda: not self._driver.alive, seconds=LOST):
            raise RuntimeError(f"the driver did not notice within {LOST:.0f} s that its cluster is gone")
        self._driver.address = self._there.address
        return gone

    def _away(self) -> set[int]:
        """Unmount the storage, and mount it again."""
        gone = _training(self._driver.study)
        if self._storage:
            with self._storage.away():
                wait(lambda: False, seconds=self._chance.uniform(*AWAY))
        return gone


def _training(study: Path) -> set[int]:
    return {beat["process"] for beat in beats(study).values()}


class Storage:
    """A folder that is mounted at a place, over an empty folder that cannot be written to."""

    def __init__(self, place: Path, real: Path) -> None:
        """Mount it."""
        self.place, self._real = place, real
        place.mkdir(parents=True, exist_ok=True)
        real.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,ro", "tmpfs", place], check=True)
        self._mount()

    def _mount(self) -> None:
        subprocess.run(["mount", "--bind", self._real, self.place], check=True)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Unmount it during a block; files that are open stay open."""
        subprocess.run(["umount", "--lazy", self.place], check=True)
        try:
            yield
        finally:
            self._mount()

    def close(self) -> None:
        """Unmount it for good."""
        for _ in range(2):
            subprocess.run(["umount", "--lazy", self.place], check=True)


@contextmanager
def mounted(place: Path, real: Path) -> Iterator[Storage | None]:
    """Mount a storage during a block; None where this user may not mount."""
    storage = None
    if os.geteuid() == 0:
        with suppress(OSError, subprocess.CalledProcessError):
            storage = Storage(place, real)
    try:
        yield storage
    finally:
        if storage:
            storage.close()


def stage_of(study: Path) -> str:
    """Return the stage of a study by what it has written: search, confirm, export, publish."""
    with suppress(OSError):
        if b'"user_attr":{"verdict"' in (study / "journal.log").read_bytes():
            return "publish"
        if " is chosen to ship" in (study / "study.log").read_text(encoding="utf-8", errors="replace"):
            return "export"
    return "confirm" if (study / "confirm").exists() else "search"
