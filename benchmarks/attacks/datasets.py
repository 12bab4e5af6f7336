"""Attack on the check of data sets: about a hundred kinds of them, and data sets in the study's own folder.

    python -m benchmarks.attacks.datasets --tried 110 --seed 1

Each is checked and staged as a study does it, in a process of its own. Held: refused with one message, or taken and
right: the expected images are left, what is wrong with the others is told, Ultralytics keeps every staged image, the
user's folder is as it was, no secret is quoted, and nothing long is said. Not held: a hang, a traceback, an error that
is not told.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import yaml

from automl.data import staging
from automl.pipeline.inputs import prepare_data, refuse_misfits
from automl.study.errors import AutomlError
from automl.study.load import load
from automl.trainers import trainer_of
from benchmarks.attacks import data_kinds
from benchmarks.attacks.bounded import MOST_TEXT, counted, main
from benchmarks.attacks.data_kinds import KINDS, SECRET, Kind, made
from benchmarks.attacks.drawn_data import described, drawn, spec


def taken(folder: Path, data: Path, study: Path, **train: object) -> tuple[str, int, Path]:
    """Check and stage a data set as a study does; return what was said, the images of train, and the staged data."""
    path = folder / "spec.yaml"
    path.write_text(yaml.safe_dump(spec(data, **train)))
    described = load(path, rules=trainer_of())
    found, staged = prepare_data(
        described.data, study, split=described.confirm.split, searched=described.search_space.parameters
    )
    refuse_misfits(described, found)
    return "\n".join(found.warnings), len(found.images["train"]), staged


def attacked(kind: Kind, folder: Path, *, seed: int) -> str:
    """Return what is wrong with the answer to one kind of data set, empty if nothing is."""
    root = folder / "mine"
    data, before = made(kind, root, seed=seed), seen(root)
    try:
        text, train, staged = taken(folder, data, folder / "runs" / "attacked", **kind.settings)
    except AutomlError as error:
        text, refused = str(error), True
        wrong = [] if kind.refused else [f"is refused: {text[:2000]}"]
    else:
        refused = False
        trainer_of().scan_labels(staged)
        wrong = ["is taken"] if kind.refused else []
        if kind.train != train:
            wrong.append(f"leaves {train} images of train")
    if kind.told and kind.refused == refused and kind.told not in text:
        wrong.append(f"says {text[:500]!r} and not {kind.told!r}")
    wrong += ["quotes a secret"] * (SECRET in text) + ["says too much"] * (len(text) > MOST_TEXT)
    return "; ".join([*wrong, *["changes the user's folder"] * (seen(root) != before)])


def seen(root: Path) -> dict[str, tuple[int, int, int]]:
    """Return name, kind, size and time of everything in a folder; links are not followed."""
    found = {}
    for place, folders, files in os.walk(root):
        for name in (*folders, *files):
            held = os.lstat(os.path.join(place, name))  # noqa: PTH118  (names that are not UTF-8 too)
            found[os.path.join(place, name)] = (held.st_mode, held.st_size, held.st_mtime_ns)  # noqa: PTH118
    return found


def in_its_study(root: Path, study: Path) -> Path:
    """Put a data set into the study's folder."""
    del root
    return drawn(study / "data")


def images_in_its_study(root: Path, study: Path) -> Path:
    """Name images that are in the study's folder."""
    drawn(study / "pool")
    root.mkdir(exist_ok=True)
    return described(root, path=str(study / "pool"))


def linked_into_its_study(root: Path, study: Path) -> Path:
    """Name a link that leads into the study's folder."""
    drawn(study / "sample")
    root.symlink_to(study / "sample")
    return root / "data.yaml"


def staged_over(root: Path, study: Path) -> Path:
    """Let somebody's files stand where the data set is to be staged."""
    drawn(study / "data", seed=9)
    return drawn(root)


def unpacked_over(root: Path, study: Path) -> Path:
    """Let somebody's files stand where an archive is to be unpacked."""
    drawn(study / "unpacked.part", seed=9)
    drawn(root)
    return data_kinds.packed("zip")(root) or root


PLACES: Final = {
    f"place: {build.__name__.replace('_', ' ')}": build
    for build in (in_its_study, images_in_its_study, linked_into_its_study, staged_over, unpacked_over)
}


def overlapping(build: Callable[[Path, Path], Path], folder: Path) -> str:
    """Return what is wrong with the answer to a data set in the study's own folder, empty if nothing is."""
    study = folder / "runs" / "attacked"
    data = build(folder / "mine", study)
    before = seen(folder)
    try:
        taken(folder, data, study)
    except AutomlError:
        after = {name: held for name, held in seen(folder).items() if name in before}
        return "changes or deletes files" if any(after[n][1:] != h[1:] for n, h in before.items() if _file(h)) else ""
    return "is taken"


def _file(held: tuple[int, int, int]) -> bool:
    return held[0] & 0o170000 == 0o100000


def run(folder: Path, *, tried: int, seed: int) -> dict[str, float]:
    """Try so many data sets, each kind in turn, and return how many were tried and held; print what was not held."""
    staging.LOG.setLevel("WARNING")

    def attack(name: str, place: Path, turn: int) -> str:
        return overlapping(PLACES[name], place) if name in PLACES else attacked(KINDS[name], place, seed=turn)

    return counted([*KINDS, *PLACES], attack, folder=folder, tried=tried, seed=seed)


if __name__ == "__main__":
    main(__doc__, run, tried=len(KINDS) + len(PLACES), cached=False)
