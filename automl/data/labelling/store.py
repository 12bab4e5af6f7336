"""Label store: reads and saves the labels of a data set's images, one version after another.

A version is the digest of the label file's content, so that changes by other programs count too. A save names the
version that its author has seen; if another is there, it is refused and nothing is lost (optimistic locking). The label
file is replaced atomically, then the history gets a line; if that fails, the label file is put back.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from automl.data.images import listing
from automl.data.labelling.boxes import MOST, LabelBox, boxes_in, text_of
from automl.data.labelling.history import LONGEST, Change, History, Kind
from automl.data.labels import LabelFile, label_of, read_labels
from automl.data.places import folders_of, keypoint_numbers, names_of, normalised, places_of, roots_of, yaml_mistakes
from automl.storage import files, writer_lock
from automl.study.errors import DataError
from automl.study.text import one_line

FOLDER: Final = "labelling"
"""Folder beside the `data.yaml`: history, proposals, lock."""
HISTORY: Final = "history.jsonl"
SPLITS: Final = ("train", "val", "test", "waiting")
LOCK_SECONDS: Final = 20.0
"""A save takes milliseconds; a mount may stall."""
NONE: Final = "none"
"""Version of an image without a label file."""
UNNAMED: Final = "unknown"
"""Who changed a label without a name."""


class State(StrEnum):
    """What is known of an image."""

    UNLABELLED = "unlabelled"
    """It has no label file."""
    BACKGROUND = "background"
    """Its label file is empty: a person or an import has said that nothing is there."""
    LABELLED = "labelled"


@dataclass(frozen=True, slots=True)
class Labelled:
    """The labels of an image as they are now."""

    key: str
    """Path of the image, relative to the folder of the `data.yaml` if it is in it."""
    split: str
    image: Path
    boxes: tuple[LabelBox, ...]
    version: str
    state: State
    mistakes: tuple[str, ...] = ()
    """Invalid lines of the label file; a save drops them."""


class ConflictError(DataError):
    """Another person, or program, has changed the labels since they were read."""

    def __init__(self, now: Labelled, change: Change | None) -> None:
        """Store the labels as they are now, and the change that made them; None if another program did."""
        self.now, self.change = now, change
        who = f"{one_line(change.by)} changed them at {change.at}" if change else "another program changed the file"
        super().__init__(
            f"{now.key}: labels must be those that were read, but {who}: {len(now.boxes)} boxes now; nothing was "
            "saved: look at them, then save again"
        )


@dataclass(slots=True)
class LabelStore:
    """The labels of a data set; open it with `opened`."""

    source: Path
    names: Mapping[int, str]
    keypoints: int
    images: dict[str, Path]
    """Key to image, in the order of the splits."""
    splits: dict[str, str]
    """Key to split."""
    inside: tuple[Path, ...] = ()
    """The folders of the data set, in which a link of a label file must end."""
    history: History = field(init=False)

    def __post_init__(self) -> None:
        """Open the history."""
        self.history = History(self.folder / HISTORY)

    @property
    def folder(self) -> Path:
        """Return the folder of history, proposals and lock."""
        return self.source.parent / FOLDER

    def read(self, key: str) -> Labelled:
        """Return the labels of an image.

        Raises:
            DataError: there is no such image, or its label file cannot be read.
        """
        image = self._image(key)
        return self._labelled(key, self._file(image))

    def save(self, key: str, boxes: Sequence[LabelBox], *, version: str, by: str, why: str = "") -> Labelled:
        """Replace the labels of an image; no boxes: nothing is there (background).

        Args:
            key: of the image.
            boxes: all its boxes.
            version: that of the labels from which the author began.
            by: name of the author.
            why: where the boxes come from, such as a model's proposal.

        Raises:
            ConflictError: the labels have another version by now.
            DataError: the labels cannot be written.
        """
        if len(boxes) > MOST:
            raise DataError(f"{key}: must have at most {MOST} boxes, but got {len(boxes)}")
        image = self._image(key)
        with self.locked():
            before = self._current(key, version, by=by)
            text = text_of(boxes, before, len(self.names), keypoints=self.keypoints)
            self._replace(image, before, text, {"by": by, "image": key, "kind": Kind.EDIT, "why": why})
            return self.read(key)

    def undo(self, key: str, *, by: str) -> Labelled:
        """Take back the last change of an image that was not taken back.

        Raises:
            ConflictError: another program has changed the labels since.
            DataError: there is nothing to take back.
        """
        image = self._image(key)
        with self.locked():
            change = self.history.undoable(key)
            if change is None:
                raise DataError(f"{key}: must have a change to take back, but has none")
            before = self._file(image)
            if _text(before) != change.after:
                raise ConflictError(self._labelled(key, before), None)
            row = {"by": by, "image": key, "kind": Kind.UNDO, "why": f"change {change.number}"}
            self._replace(image, before, change.before, row)
            return self.read(key)

    def review(self, key: str, *, suspect: str, answer: str, by: str) -> Change:
        """Record a person's answer on a suspect label."""
        with self.locked():
            return self.history.append(
                {"by": _name(by), "image": key, "kind": Kind.REVIEW, "why": answer, "to": suspect}
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the write lock of the store during a block, with the history as it is now."""
        with writer_lock.held(self.folder, seconds=LOCK_SECONDS):
            self.history.refresh()
            yield

    def _current(self, key: str, version: str, *, by: str) -> LabelFile:
        """Return the label file, which must have a version; a change by another program is recorded first."""
        now = self._file(self.images[key])
        last = self.history.last(key)
        known = last is not None and last.after == _text(now)
        if version_of(now) != version:
            raise ConflictError(self._labelled(key, now), last if known else None)
        if last is not None and not known and last.kind is not Kind.MOVE:
            self.history.append({"by": f"seen by {_name(by)}", "image": key, "kind": Kind.OUTSIDE,
                                 "before": last.after, "after": _text(now)})  # fmt: skip
        return now

    def _replace(self, image: Path, before: LabelFile, text: str | None, row: Mapping[str, Any]) -> None:
        if text == _text(before):
            return
        _write(label_of(image), text)
        try:
            named = {**row, "by": _name(str(row["by"])), "why": str(row["why"])[:LONGEST]}
            self.history.append({**named, "before": _text(before), "after": text})
        except BaseException:
            _write(label_of(image), _text(before))
            raise

    def _image(self, key: str) -> Path:
        try:
            return self.images[key]
        except KeyError:
            raise DataError(f"{key[:LONGEST]!r}: must be an image of {self.source}, but is none") from None

    def _file(self, image: Path) -> LabelFile:
        file = read_labels(image, inside=self.inside)
        if file.mistake:
            raise DataError(f"{label_of(image)}: {file.mistake}")
        return file

    def _labelled(self, key: str, file: LabelFile) -> Labelled:
        boxes, mistakes = boxes_in(file, len(self.names), keypoints=self.keypoints)
        return Labelled(key, self.splits[key], self.images[key], boxes, version_of(file), state_of(file), mistakes)


def opened(source: Path, raw: Mapping[str, Any]) -> LabelStore:
    """Open the labels of a data set; `raw` is the content of its `data.yaml`.

    Raises:
        DataError: the `data.yaml` cannot be used.
    """
    source, raw = source.absolute(), normalised(raw)
    there = tuple(split for split in SPLITS if raw.get(split))
    listed = tuple(split for split in there if split == "waiting" or _exists(source, raw, split))
    if mistakes := [*yaml_mistakes(source, raw, listed)]:
        raise DataError(*mistakes)
    images, splits = dict[str, Path](), dict[str, str]()
    for split in listed:
        for image in listing(places_of(source, raw, split), roots=roots_of(source, raw)).images:
            key = key_of(source, image)
            images.setdefault(key, image)
            splits.setdefault(key, split)
    inside = folders_of(source, raw, images.values())
    return LabelStore(source, names_of(raw), keypoint_numbers(raw), images, splits, inside)


def _exists(source: Path, raw: Mapping[str, Any], split: str) -> bool:
    """Return True unless the split has only folders that do not exist: a new data set has none before its first."""
    value = raw[split]
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        return True
    return any(place.exists() for place in places_of(source, raw, split)) or not raw.get("waiting")


def key_of(source: Path, image: Path) -> str:
    """Return the key of an image: its path, relative to the folder of the `data.yaml` if it is in it."""
    return (image.relative_to(source.parent) if image.is_relative_to(source.parent) else image).as_posix()


def version_of(file: LabelFile) -> str:
    """Return the version of a label file: the digest of its content."""
    return file.digest if file.exists else NONE


def state_of(file: LabelFile) -> State:
    """Return what a label file says of its image."""
    if not file.exists:
        return State.UNLABELLED
    return State.LABELLED if file.content.strip() else State.BACKGROUND


def _text(file: LabelFile) -> str | None:
    return file.content.decode("utf-8", errors="surrogateescape") if file.exists else None


def _write(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink(missing_ok=True)
    else:
        files.write_bytes(path, text.encode("utf-8", errors="surrogateescape"))


def _name(by: str) -> str:
    return one_line(by.strip())[:LONGEST] or UNNAMED
