"""Proposals: boxes of a model for an image, kept beside the labels until a person accepts, mends or rejects them."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from automl.data.labelling.boxes import LabelBox
from automl.data.labelling.store import LabelStore
from automl.storage import files, sealed_json
from automl.storage.boxes import overlaps
from automl.study.errors import DataError, RegistryError

FOLDER: Final = "proposals"
TAKEN: Final = 0.5
"""IoU from which a proposal is covered by a label of its class."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A box that a model proposes."""

    name: str
    confidence: float
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Proposed:
    """The proposals for an image."""

    model: str
    """Who proposes, such as `boards version 3`."""
    boxes: tuple[Proposal, ...]


def in_shares(boxes: Iterable[Mapping[str, Any]], *, width: int, height: int) -> tuple[Proposal, ...]:
    """Return detections of the service (pixels of the image) as proposals (shares of the image).

    >>> in_shares([{"name": "hole", "confidence": 0.9, "box": [0, 0, 50, 10]}], width=100, height=100)[0].right
    0.5
    """
    return tuple(
        Proposal(one["name"], one["confidence"], one["box"][0] / width, one["box"][1] / height,
                 one["box"][2] / width, one["box"][3] / height)
        for one in boxes
    )  # fmt: skip


def write(store: LabelStore, key: str, proposed: Proposed) -> None:
    """Keep the proposals for an image in place of earlier ones."""
    record = {"image": key, "model": proposed.model, "boxes": [asdict(box) for box in proposed.boxes]}
    path = _path(store, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(path, sealed_json.sealed(record))


def read(store: LabelStore, key: str) -> Proposed | None:
    """Return the proposals for an image; None where there are none.

    Raises:
        DataError: the file is damaged.
    """
    path = _path(store, key)
    if not path.is_file():
        return None
    try:
        record, _ = sealed_json.read(path, remedy=lambda: "delete it, and let the model propose again")
        return Proposed(str(record["model"]), tuple(Proposal(**box) for box in record["boxes"]))
    except (RegistryError, KeyError, TypeError) as error:
        raise DataError(f"{path}: must hold proposals, but {error}; delete it") from None


def discard(store: LabelStore, key: str) -> None:
    """Delete the proposals for an image."""
    _path(store, key).unlink(missing_ok=True)


def open_for(proposed: Proposed, boxes: Sequence[LabelBox], names: Mapping[int, str]) -> tuple[Proposal, ...]:
    """Return the proposals of known classes that no label of their class covers."""
    known = set(names.values())
    return tuple(one for one in proposed.boxes if one.name in known and not _covered(one, boxes, names))


def _covered(one: Proposal, boxes: Sequence[LabelBox], names: Mapping[int, str]) -> bool:
    same = [box.edges for box in boxes if names[box.cls] == one.name]
    edges = np.array([[one.left, one.top, one.right, one.bottom]])
    return bool(same) and bool(overlaps(edges, np.array(same)).max() >= TAKEN)


def _path(store: LabelStore, key: str) -> Path:
    return store.folder / FOLDER / f"{hashlib.sha256(key.encode(errors='surrogateescape')).hexdigest()[:24]}.json"
