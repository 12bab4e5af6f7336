"""Attack on studies that have begun: the data set, the staged tree and the records change between two sessions.

    python -m benchmarks.attacks.midstudy --tried 22 --seed 1

A session opens a study, something changes, another session opens it. Held: a change of names, images or labels is
refused by name; a staged tree that was damaged is mended; what changes nothing is taken; nobody's file is lost.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from automl.pipeline.session import opened
from automl.storage.layout import DATA, DATA_FILES, DATASET
from automl.storage.place import Place
from automl.study.errors import AutomlError
from automl.study.spec import StudySpec
from automl.trainers import trainer_of
from benchmarks.attacks.bounded import counted, main
from benchmarks.attacks.drawn_data import described, drawn, picture, spec

FOREIGN: Final = "somebody's file"


@dataclass(frozen=True, slots=True)
class Change:
    """One change between two sessions, and what must become of it."""

    make: Callable[[Path, Path], object]
    """Gets the user's data set and the study's folder."""
    refused: str = ""
    """Part of the message of the refusal; empty where the study goes on."""
    said: str = ""
    """Part of the study's log, where it goes on."""


def names(*given: str) -> Callable[[Path, Path], object]:
    """Name the classes otherwise."""
    return lambda root, _study: described(root, names=list(given))


def overwritten(root: Path, _study: Path, *, keep_times: bool = False) -> None:
    """Replace half of the images of train by others of the same size."""
    for path in sorted((root / "images/train").iterdir())[::2]:
        before, content = path.stat(), bytearray(path.read_bytes())
        content[-20] ^= 1
        path.write_bytes(content)
        if keep_times:
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def at(name: str, content: str | None) -> Callable[[Path, Path], object]:
    """Write, or with None delete, a file of the data set."""

    def make(root: Path, _study: Path) -> None:
        (root / name).write_text(content) if content is not None else (root / name).unlink()

    return make


def staged(name: str, make: Callable[[Path], object]) -> Callable[[Path, Path], object]:
    """Change a part of the staged tree."""
    return lambda _root, study: make(study / DATA / name)


def relinked(target: str) -> Callable[[Path], object]:
    """Replace a staged file by a link to elsewhere."""

    def make(path: Path) -> None:
        path.unlink()
        path.symlink_to(target)

    return make


def replaced(path: Path) -> None:
    """Replace a staged link by another picture."""
    path.unlink()
    path.write_bytes(picture(999))


def moved(root: Path, _study: Path) -> None:
    """Move the data set and leave a link in its place."""
    root.rename(root.with_name("moved"))
    root.symlink_to(root.with_name("moved"))


def touched(root: Path, _study: Path) -> None:
    """Give every file another time."""
    for path in root.rglob("*.*"):
        os.utime(path)


def led_out(_root: Path, study: Path) -> None:
    """Replace a folder of the staged tree by a link to somebody's folder."""
    outside = study.parent / "outside"
    shutil.move(study / DATA / "images/train", outside)
    (outside / "own.txt").write_text(FOREIGN)
    (study / DATA / "images/train").symlink_to(outside)


def forgotten(*records: str) -> Callable[[Path, Path], object]:
    """Delete records of the study and change a label."""

    def make(root: Path, study: Path) -> None:
        for name in records:
            shutil.rmtree(study / name) if (study / name).is_dir() else (study / name).unlink()
        (root / "labels/train/1.txt").write_text("1 0.4 0.4 0.3 0.3\n")

    return make


CHANGES: Final = {
    "class names exchanged": Change(names("spot", "hole"), refused="class 0 was 'hole' and is 'spot'"),
    "a class added": Change(names("hole", "spot", "dent"), refused="class 2 was absent and is 'dent'"),
    "half the images overwritten": Change(overwritten, refused="train: 3 images have other content: 0.png"),
    "half the images overwritten, times kept": Change(
        lambda root, study: overwritten(root, study, keep_times=True), refused="train: 3 images have other content"
    ),
    "an image gone": Change(at("images/train/1.png", None), refused="1 images are gone: 1.png"),
    "an image more": Change(
        lambda root, _study: (root / "images/val/x.png").write_bytes(picture(999)), refused="1 images are new: x.png"
    ),
    "an image renamed": Change(
        lambda root, _study: (root / "images/val/0.png").rename(root / "images/val/y.png"), refused="y.png"
    ),
    "an image cut": Change(at("images/val/0.png", "no picture"), refused="val: 1 images have other content: 0.png"),
    "a label changed": Change(at("labels/val/0.txt", "0 0.5 0.5 0.1 0.1\n"), refused="1 label files changed: 0.png"),
    "a label gone": Change(at("labels/val/0.txt", None), refused="1 label files changed: 0.png"),
    "a comment in data.yaml": Change(
        lambda root, _study: (root / "data.yaml").write_text(f"# new\n{(root / 'data.yaml').read_text()}")
    ),
    "other times": Change(touched),
    "moved behind a link": Change(moved),
    "a staged label emptied": Change(
        staged("labels/train/1.txt", lambda path: path.write_text("")), said="repaired: 1 files"
    ),
    "a staged label deleted": Change(staged("labels/train/1.txt", Path.unlink), said="repaired: 1 files"),
    "the staged labels deleted": Change(staged("labels/train", shutil.rmtree), said="repaired: 6 files"),
    "a staged link broken": Change(staged("images/train/1.png", relinked("/none.png")), said="repaired: 1 files"),
    "a staged image replaced": Change(staged("images/train/1.png", replaced), said="repaired: 1 files"),
    "a link more in the staged tree": Change(
        staged("images/train/9.png", lambda path: path.symlink_to("/none.png")), said="repaired: 1 files"
    ),
    "somebody's file in the staged tree": Change(
        staged("images/train/own.png", lambda path: path.write_text(FOREIGN)), refused="own.png: must not be in"
    ),
    "a part of the staged tree led out": Change(led_out, refused="must"),
    "the staged tree deleted": Change(lambda _root, study: shutil.rmtree(study / DATA)),
    "the staged tree deleted and a label changed": Change(forgotten(DATA), refused="1 label files changed: 1.png"),
    "all records deleted and a label changed": Change(
        forgotten(DATA, DATASET, DATA_FILES), refused="which ones is not"
    ),
    "a record damaged": Change(lambda _root, study: (study / DATA_FILES).write_bytes(b"\xff\x00")),
}  # fmt: skip


def session(data: Path, place: Place) -> str:
    """Open a study and return its log."""
    with opened(StudySpec.model_validate(spec(data)), place, console=Console(quiet=True)) as found:
        return (found.folder / "study.log").read_text()


def tree(folder: Path) -> dict[str, tuple[bool, bytes | None]]:
    """Return the staged tree: kind and content of each file, None where a link leads nowhere."""
    found = (path for path in folder.rglob("*") if path.is_symlink() or path.is_file())
    return {
        str(path.relative_to(folder)): (path.is_symlink(), path.read_bytes() if path.is_file() else None)
        for path in found
    }


def attacked(change: Change, folder: Path, *, seed: int) -> str:
    """Return what is wrong after a change, empty if nothing is."""
    root, place = folder / "mine", Place(folder / "storage")
    data, study = drawn(root, seed=seed), place.study("attacked")
    session(data, place)
    before = tree(study / DATA)
    change.make(root, study)
    own = list(folder.rglob("own.*"))
    try:
        log = session(data, place)
    except AutomlError as error:
        wrong = [] if change.refused and change.refused in str(error) else [f"is refused: {error}"]
    else:
        wrong = ["is taken"] if change.refused else []
        wrong += [f"does not say {change.said}"] if change.said not in log else []
        wrong += ["leaves another staged tree"] if tree(study / DATA) != before else []
    return "; ".join(wrong + ["loses somebody's file" for path in own if path.read_text() != FOREIGN])


def run(folder: Path, *, tried: int, seed: int) -> dict[str, float]:
    """Try so many changes, each kind in turn, and return how many were tried and held; print what was not held."""

    def attack(name: str, place: Path, turn: int) -> str:
        return attacked(CHANGES[name], place, seed=turn)

    trainer_of().preload()  # once: each child would spend more on these imports than on its attack

    return counted([*CHANGES], attack, folder=folder, tried=tried, seed=seed)


if __name__ == "__main__":
    main(__doc__, run, tried=len(CHANGES), cached=True)
