"""Staged data set: a tree of symlinks in the study's own folder.

Ultralytics writes its label caches beside the labels: there, and never beside the user's own files, which may be
read-only or shared with others.
"""

import json
import shutil
from functools import partial
from pathlib import Path

from automl.data.images import image_problem
from automl.data.labels import label_lines
from automl.data.record import DataSet
from automl.storage import files
from automl.storage.layout import DATA_YAML
from automl.study.text import printable


def stage(data: DataSet, folder: Path) -> Path:
    """Create a tree of symlinks to the images and copies of the labels below `folder`; return its `data.yaml`.

    Two images of the same name in one split are distinguished by a number, and so are the repeats of one image, which
    a training uses as often. Invalid images and label lines are excluded, and files left by an earlier state of the
    data set are removed.
    """
    marker, text = folder / DATA_YAML, _description(data, folder)
    if marker.is_file() and marker.read_text(encoding="utf-8") == text:
        return marker
    marker.unlink(missing_ok=True)
    for split, images in data.images.items():
        pictures, labels = _emptied(folder / "images" / split), _emptied(folder / "labels" / split)
        taken: set[str] = set()
        for image in images:
            if image_problem(image):
                continue
            stem = _free(_readable(image.stem), taken)
            files.link(image, pictures / f"{stem}{image.suffix}")
            lines = label_lines(image, len(data.names), keypoints=data.keypoints)
            good = [line.text for line in lines if not line.mistake and not line.repeated]
            (labels / f"{stem}.txt").write_text("".join(f"{line}\n" for line in good), encoding="utf-8")
    files.write_text(marker, text)
    return marker


def link_replacement(staged: Path) -> str:
    """Return what replaces symlinks in a staged data set, empty where the storage supports them."""
    images = (path for path in (staged.parent / "images").rglob("*") if not path.is_dir())
    first = next(images, None)
    if first is None or first.is_symlink():
        return ""
    kind = "hard links" if first.stat().st_nlink > 1 else "copies"
    return f"storage: {staged.parent} does not support symbolic links; the images are staged as {kind}"


def _description(data: DataSet, folder: Path) -> str:
    """Return the staged `data.yaml`; texts are quoted as in JSON, which YAML reads whatever they contain."""
    quoted = partial(json.dumps, ensure_ascii=False)
    names = "".join(f"  {number}: {quoted(name)}\n" for number, name in data.names.items())
    paths = "".join(f"{split}: images/{split}\n" for split in data.images)
    head = f"# {data.fingerprint}\n# Links to {quoted(printable(str(data.source)))}\n"
    return f"{head}path: {quoted(str(folder))}\n{paths}names:\n{names}"


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _readable(stem: str) -> str:
    """Return a UTF-8 stem that is not hidden, since Ultralytics' glob skips hidden files."""
    text = printable(stem).replace("\\", "_")
    return f"_{text}" if text.startswith(".") else text


def _free(stem: str, taken: set[str]) -> str:
    """Return a unique stem, with a number if it is in use, and reserve it: labels are found by stem alone."""
    candidate, number = stem, 1
    while candidate.casefold() in taken:  # a.jpg and A.jpg are one file on exFAT and many shares
        number += 1
        candidate = f"{stem}_{number}"
    taken.add(candidate.casefold())
    return candidate
