"""Staged data set: a tree of symlinks in the study's own folder.

Ultralytics writes its label caches beside the labels: there, and never beside the user's own files, which may be
read-only or shared with others. The tree is compared with the data set at every start and mended where it differs.
Nothing is removed but what an earlier staging put there.
"""

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from automl.data.images import image_problem
from automl.data.labels import label_lines
from automl.data.record import DataSet
from automl.storage import files, ownership
from automl.storage.layout import DATA_YAML
from automl.study.errors import StudyError
from automl.study.text import one_line, printable

LOG: Final = logging.getLogger(__name__)

JPEG: Final = b"\xff\xd8\xff"
JPEG_END: Final = b"\xff\xd9"
"""Ultralytics rewrites a JPEG file that ends otherwise, in place of the link; so a copy with this end is staged."""
CACHES: Final = frozenset({".cache", ".npy"})
"""Suffixes of the files that Ultralytics writes into the tree."""
CHUNK: Final = 1 << 20
SHOWN: Final = 3
"""Maximum number of files named in a message."""


@dataclass(frozen=True, slots=True)
class _File:
    """One file of the staged tree."""

    path: Path
    image: Path | None = None
    """What it links to; None for a label file."""
    text: str = ""

    def is_whole(self) -> bool:
        """Return True if the file is as it was staged."""
        if self.image is None:
            return not self.path.is_symlink() and _bytes(self.path) == self.text.encode()
        if self.path.is_symlink():
            return self.path.readlink() == self.image
        return self.path.is_file() and (self.path.samefile(self.image) or _same(self.path, self.image))

    def write(self) -> None:
        """Put the file in its place."""
        self.path.unlink(missing_ok=True)
        if self.image is None:
            self.path.write_text(self.text, encoding="utf-8")
            return
        self.path.with_suffix(".npy").unlink(missing_ok=True)
        if end := _missing_end(self.image):
            self.path.write_bytes(self.image.read_bytes() + end)
        else:
            files.link(self.image, self.path)


def stage(data: DataSet, folder: Path) -> Path:
    """Create a tree of symlinks to the images and copies of the labels below `folder`; return its `data.yaml`.

    Two images of the same name in one split are distinguished by a number, and so are the repeats of one image, which
    a training uses as often. Invalid images and label lines are excluded, and files left by an earlier state of the
    data set are removed.

    Raises:
        StudyError: the folder, or a file in it, is not of this program.
    """
    marker, text = folder / DATA_YAML, _description(data, folder)
    before = _before(folder)
    same = marker.is_file() and marker.read_text(encoding="utf-8") == text
    wanted = {file.path: file for split in data.images for file in _files_of(data, split, folder)}
    _refuse_strange(folder, wanted, before)
    if not same:
        marker.unlink(missing_ok=True)
    ownership.claim(folder, [*before, *(str(path.relative_to(folder)) for path in wanted)])
    for split in data.images:
        for kind in ("images", "labels"):
            (folder / kind / split).mkdir(parents=True, exist_ok=True)
    touched = _bring(folder, wanted)
    if same and touched:
        names = ", ".join(str(path.relative_to(folder)) for path in touched[:SHOWN])
        more = f" and {len(touched) - SHOWN} more" if len(touched) > SHOWN else ""
        LOG.info(f"staged data set repaired: {len(touched)} files of {folder} had changed: {names}{more}")
    if not same:
        ownership.claim(folder, [str(path.relative_to(folder)) for path in wanted])
        files.write_text(marker, text)
    return marker


def _bring(folder: Path, wanted: Mapping[Path, _File]) -> list[Path]:
    """Remove the files that are not wanted, write those that are not whole, and return both."""
    removed = [path for path in _present(folder) if path not in wanted]
    changed = [file for file in wanted.values() if not file.is_whole()]
    for path in removed:
        path.unlink(missing_ok=True)
    for file in changed:
        file.write()
    if removed or changed:
        _drop_caches(folder)
    return [*removed, *(file.path for file in changed)]


def away(marker: Path) -> list[Path]:
    """Return the staged images that lead nowhere, such as while the mount of the data set is not there."""
    return [path for path in images_of(marker) if not _leads(path)]


def images_of(marker: Path, *, split: str = "*") -> list[Path]:
    """Return the staged images of a split, or of all, sorted by path."""
    found = (path for folder in (marker.parent / "images").glob(split) for path in folder.iterdir())
    return sorted(path for path in found if path.suffix not in CACHES and not path.name.startswith("."))


def _leads(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:  # also of a mount that is stale or answers with an error
        return False


def link_replacement(staged: Path) -> str:
    """Return what replaces symlinks in a staged data set, empty where the storage supports them."""
    images = images_of(staged)
    if not images or any(path.is_symlink() for path in images):
        return ""
    kind = "hard links" if images[0].stat().st_nlink > 1 else "copies"
    return f"storage: {staged.parent} does not support symbolic links; the images are staged as {kind}"


def _files_of(data: DataSet, split: str, folder: Path) -> Iterator[_File]:
    """Yield the staged images and labels of a split."""
    taken: set[str] = set()
    for image in data.images[split]:
        if image_problem(image):
            continue
        stem = _free(_readable(image.stem), taken)
        yield _File(folder / "images" / split / f"{stem}{image.suffix}", image)
        text = data.texts.get(image)
        yield _File(folder / "labels" / split / f"{stem}.txt", text=_labels(data, image) if text is None else text)


def _labels(data: DataSet, image: Path) -> str:
    lines = label_lines(image, len(data.names), keypoints=data.keypoints)
    return "".join(f"{line.text}\n" for line in lines if not line.mistake and not line.repeated)


def _before(folder: Path) -> Sequence[str]:
    """Return the files of an earlier staging, relative to the folder.

    Raises:
        StudyError: the folder contains files and was not made by this program, or a part of it is a link.
    """
    for path in (folder, folder / "images", folder / "labels", *folder.glob("images/*"), *folder.glob("labels/*")):
        if path.is_symlink() and not path.suffix:
            raise StudyError(f"{path}: must be a folder of the study, but is a link to {path.readlink()}; remove it")
    if not ownership.is_claimed(folder) and _is_of_earlier_version(folder / DATA_YAML):
        return [str(path.relative_to(folder)) for path in _present(folder)]
    return ownership.claimed(folder)


def _is_of_earlier_version(marker: Path) -> bool:
    """Return True if a `data.yaml` was written by a version that did not mark its folders."""
    head = (_bytes(marker) or b"")[:200].decode(errors="replace").splitlines()
    return len(head) > 1 and head[0].startswith("# ") and head[1].startswith("# Links to ")


def _present(folder: Path) -> list[Path]:
    """Return the files in the folders of the splits, without the caches of Ultralytics."""
    found = (path for kind in ("images", "labels") for path in folder.glob(f"{kind}/*/*"))
    return [path for path in found if path.suffix not in CACHES or path.is_symlink()]


def _refuse_strange(folder: Path, wanted: Mapping[Path, _File], before: Sequence[str]) -> None:
    """Refuse files that nothing of this program put there; a link is no loss, so it may be removed."""
    ours = {folder / name for name in before}
    for path in _present(folder):
        if path not in ours and path not in wanted and not path.is_symlink():
            raise StudyError(
                f"{path}: must not be in {folder}, which is for staged files alone; move it away, into the data set if "
                "it belongs there"
            )


def _drop_caches(folder: Path) -> None:
    """Remove the label caches, which Ultralytics keys by size and time."""
    for path in folder.glob("labels/*.cache"):
        path.unlink(missing_ok=True)


def _missing_end(image: Path) -> bytes:
    """Return the end marker that a JPEG file lacks, empty for all others."""
    with image.open("rb") as file:
        if file.read(len(JPEG)) != JPEG:
            return b""
        file.seek(-len(JPEG_END), os.SEEK_END)
        return b"" if file.read() == JPEG_END else JPEG_END


def _same(staged: Path, image: Path) -> bool:
    """Return True if a staged file is a copy of an image, with the end marker that it lacks."""
    end = _missing_end(image)
    if staged.stat().st_size != image.stat().st_size + len(end):
        return False
    with staged.open("rb") as one, image.open("rb") as other:
        while chunk := other.read(CHUNK):
            if one.read(len(chunk)) != chunk:
                return False
        return one.read() == end


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _description(data: DataSet, folder: Path) -> str:
    """Return the staged `data.yaml`; texts are quoted as in JSON, which YAML reads whatever they contain."""
    quoted = partial(json.dumps, ensure_ascii=False)
    names = "".join(f"  {number}: {quoted(name)}\n" for number, name in data.names.items())
    paths = "".join(f"{split}: images/{split}\n" for split in data.images)
    head = f"# {data.fingerprint}\n# Links to {quoted(printable(str(data.source)))}\n"
    return f"{head}path: {quoted(str(folder))}\n{paths}names:\n{names}"


def _readable(stem: str) -> str:
    """Return a UTF-8 stem without control characters that is not hidden, since Ultralytics' glob skips hidden files.

    Libraries in C print names of images on standard error as they are, past `streams.clean_prints`.
    """
    text = one_line(stem).replace("\\", "_")
    return f"_{text}" if text.startswith(".") else text


def _free(stem: str, taken: set[str]) -> str:
    """Return a unique stem, with a number if it is in use, and reserve it: labels are found by stem alone."""
    candidate, number = stem, 1
    while candidate.casefold() in taken:  # a.jpg and A.jpg are one file on exFAT and many shares
        number += 1
        candidate = f"{stem}_{number}"
    taken.add(candidate.casefold())
    return candidate
