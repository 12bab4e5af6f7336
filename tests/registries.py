"""A registry on disk with several versions, moves and a rollback."""

from pathlib import Path

from automl.storage.registry import Registry
from tests.builders import written


def filled(folder: Path) -> Registry:
    """Return a registry of four versions: 1, 2 and 3 served one after the other, then 3 was taken back."""
    held = Registry(folder / "models", "boards")
    for number in (1, 2, 3, 4):
        files = {"best.pt": written(folder, f"{number}.pt", f"weights {number}")}
        held.publish(files, {"promotion.json": {"study": f"s{number}"}})
    for number in (1, 2, 3):
        held.promote(number, why="better")
    held.rollback(why="it was not")
    return held
