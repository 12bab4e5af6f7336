"""Label desk: one person's way through the images of a data set, as records for a page; no page is imported here."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from automl.apps import labels
from automl.data.audit.records import corners
from automl.data.labelling import proposals
from automl.data.labelling.boxes import LabelBox
from automl.data.labelling.store import Labelled, LabelStore, State
from automl.data.labelling.suspects import Answer, Suspect, respond
from automl.data.pictures import MOST_BYTES, colour, content_of, jpeg_of, quiet
from automl.study.errors import DataError

SIDE: Final = 1600
"""Longest side of a picture that is sent to a browser, in pixels."""


class Show(StrEnum):
    """Which images the desk goes through."""

    ALL = "all"
    UNLABELLED = "unlabelled"
    PROPOSED = "proposed"
    """Those for which a model has proposals that are not decided."""
    SUSPECTS = "suspects"
    """The suspects of an audit without an answer, in their order."""


@dataclass(slots=True)
class LabelDesk:
    """The images in work, the one in view, and who works."""

    store: LabelStore
    by: str
    keys: list[str] = field(default_factory=list)
    at: int = 0
    suspects: list[Suspect] = field(default_factory=list)
    """Open suspects, beside `keys` place by place; empty where no audit is worked through."""

    def show(self, what: Show, *, audit: Path | None = None) -> None:
        """Choose which images the desk goes through, and begin with the first.

        Raises:
            DataError: the audit's list cannot be read.
        """
        self.at, self.suspects = 0, []
        if what is Show.SUSPECTS:
            found = labels.suspects(self.store, audit) if audit else []
            self.suspects = [one for one in found if not one.answer]
            self.keys = [one.key for one in self.suspects]
        else:
            self.keys = [key for key in self.store.images if self._shown(key, what)]

    def _shown(self, key: str, what: Show) -> bool:
        if what is Show.UNLABELLED:
            return self.store.read(key).state is State.UNLABELLED
        if what is Show.PROPOSED:
            found = proposals.read(self.store, key)
            return found is not None and bool(proposals.open_for(found, self.store.read(key).boxes, self.store.names))
        return True

    @property
    def key(self) -> str:
        """Return the key of the image in view, empty where there is none."""
        return self.keys[self.at] if self.keys else ""

    def step(self, by: int) -> bool:
        """Go on to another image; return False at the end of the list."""
        target = min(max(self.at + by, 0), max(0, len(self.keys) - 1))
        moved, self.at = target != self.at, target
        return moved

    def view(self, *, picture: bool = True, saved: bool = False) -> dict[str, Any]:
        """Return the image in view as JSON for the editor.

        Args:
            picture: with the image itself, as the address of its data.
            saved: the view answers a save, so that the editor keeps what was drawn since.

        Raises:
            DataError: image or labels cannot be read.
        """
        if not self.key:
            return {"key": "", "boxes": [], "proposals": [], "saved": saved}
        now = self.store.read(self.key)
        found = proposals.read(self.store, self.key)
        offered = proposals.open_for(found, now.boxes, self.store.names) if found else ()
        numbers = {name: number for number, name in self.store.names.items()}
        suspect = self.suspects[self.at] if self.suspects else None
        plain = {
            "key": now.key, "split": now.split, "state": str(now.state), "version": now.version, "saved": saved,
            "boxes": [box.to_dict() for box in now.boxes], "mistakes": list(now.mistakes),
            "proposals": [{"cls": numbers[one.name], "confidence": one.confidence, **_edges(one)} for one in offered],
            "proposer": found.model if found and offered else "", "suspect": _suspect(suspect),
            "changed": self._changed(now.key),
        }  # fmt: skip
        return {**plain, **picture_of(now.image)} if picture else plain

    def _changed(self, key: str) -> dict[str, str]:
        """Return who changed the labels of an image last, and when (UTC); empty where nobody did."""
        self.store.history.refresh()
        last = next((one for one in reversed(self.store.history.changes) if key in {one.image, one.to}), None)
        return {"by": last.by, "at": f"{last.at[:16].replace('T', ' ')}Z"} if last else {}

    def save(self, given: Mapping[str, Any]) -> Labelled:
        """Save the boxes of the editor's `change` event.

        Raises:
            ConflictError: another person has changed them.
            DataError: the boxes are none.
        """
        boxes, key, version = given.get("boxes"), given.get("key"), given.get("version")
        if not isinstance(boxes, list) or not isinstance(key, str) or not isinstance(version, str):
            raise DataError("a change must have key, version and boxes, but has others")
        read = [LabelBox.of(box, len(self.store.names)) for box in boxes]
        return self.store.save(key, read, version=version, by=self.by, why=self._why(key))

    def _why(self, key: str) -> str:
        found = proposals.read(self.store, key)
        return f"with proposals of {found.model}" if found else "drawn"

    def background(self, version: str) -> Labelled:
        """Mark the image in view as one where nothing is."""
        return self.store.save(self.key, [], version=version, by=self.by, why="background")

    def undo(self) -> Labelled:
        """Take back the last change of the image in view."""
        return self.store.undo(self.key, by=self.by)

    def answer(self, answer: Answer) -> None:
        """Answer the suspect in view.

        Raises:
            DataError: it cannot be done; nothing was changed.
        """
        if not self.suspects:
            raise DataError("an answer must be on a suspect of an audit, but none is in view")
        suspect = self.suspects[self.at]
        respond(self.store, suspect, answer, version=self.store.read(suspect.key).version, by=self.by)
        self.suspects[self.at] = replace(suspect, answer=str(answer), by=self.by)


def _edges(one: proposals.Proposal) -> dict[str, float]:
    return {"left": one.left, "top": one.top, "right": one.right, "bottom": one.bottom}


def _suspect(one: Suspect | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "id": one.id, "kind": str(one.kind), "score": one.score, "cls": one.cls, "suggested_cls": one.suggested_cls,
        "answer": one.answer, "box": _corners(one.box), "suggested": _corners(one.suggested_box),
    }  # fmt: skip


def _corners(box: Sequence[float] | None) -> dict[str, float] | None:
    if box is None:
        return None
    x, y, width, height = box
    return dict(zip(("left", "top", "right", "bottom"), corners((x, y, width, height)), strict=True))


def picture_of(image: Path) -> dict[str, Any]:
    """Return a picture for a browser: `src` (the address of JPEG data), `width` and `height` as trained on.

    It is decoded as a training does and encoded again, so that no byte of the file itself is sent.

    Raises:
        DataError: it cannot be decoded.
    """
    with quiet():
        content = content_of(image)
        pixels = colour(image, content) if isinstance(content, bytes) and len(content) <= MOST_BYTES else None
    if pixels is None:
        raise DataError(f"{image.name}: must be an image that can be decoded, but is not; remove it")
    height, width = pixels.shape[:2]
    packed = base64.b64encode(jpeg_of(pixels, longest=SIDE)).decode()
    return {"src": f"data:image/jpeg;base64,{packed}", "width": width, "height": height}
