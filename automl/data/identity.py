"""Identity of a data set: class names, and the content of each image and label file, whatever their place and time."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Final, Self

from automl.data.images import image_problem
from automl.data.labels import label_of
from automl.study import checksum

FORMAT: Final = "data set 2"
"""First line of a record; bump it when an identity is computed in another way."""
EXCLUDED: Final = "excluded "
SHOWN: Final = 5
"""Maximum number of names shown for one kind of change."""


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One image of a split."""

    name: str
    image: str
    """Digest of its bytes, empty if it cannot be read; prefixed where a training excludes it."""
    labels: str
    """Digest of its label file, empty if there is none."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What two states of a data set must share for their trainings to be comparable."""

    names: Mapping[int, str] = field(default_factory=dict)
    keypoints: int = 0
    entries: Mapping[str, Sequence[Entry]] = field(default_factory=dict)
    """Split to its images."""

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256 of the identity; the order in which images are listed does not matter."""
        return hashlib.sha256(self.text().encode()).hexdigest()

    def text(self) -> str:
        """Return the identity as text, one line for each image."""
        head = [FORMAT, json.dumps({str(number): name for number, name in self.names.items()}), str(self.keypoints)]
        rows = (
            json.dumps([split, entry.name, entry.image, entry.labels])
            for split, entries in sorted(self.entries.items())
            for entry in sorted(entries)
        )
        return "".join(f"{line}\n" for line in (*head, *rows))

    @classmethod
    def of(cls, text: str) -> Self:
        """Read what `text` returned.

        Raises:
            ValueError: it is another text.
        """
        first, *lines = text.splitlines()
        if first != FORMAT or len(lines) < 2:
            raise ValueError(f"must begin with {FORMAT}")
        names, entries = json.loads(lines[0]), defaultdict[str, list[Entry]](list)
        if not isinstance(names, dict):
            raise ValueError("must name the classes")
        for line in lines[2:]:
            split, name, image, labels = map(str, json.loads(line))
            entries[split].append(Entry(name, image, labels))
        return cls({int(number): str(name) for number, name in names.items()}, int(lines[1]), dict(entries))


def sealed(identity: Identity) -> str:
    """Return the text of a record file."""
    return checksum.seal(identity.text())


def unsealed(content: bytes) -> Identity | None:
    """Return the identity in a record file, None where the file is damaged."""
    try:
        text = content.decode()
        if not text.startswith(checksum.MARK) or checksum.damaged(text):
            return None
        return Identity.of(text.partition("\n")[2])
    except (ValueError, TypeError):
        return None


def changes(before: Identity, after: Identity) -> Iterator[str]:
    """Yield what differs between two states of a data set, by name; empty where they are the same."""
    if dict(before.names) != dict(after.names):
        yield f"names: {_renamed(before.names, after.names)}"
    if before.keypoints != after.keypoints:
        yield f"kpt_shape: {before.keypoints} keypoint numbers a line became {after.keypoints}"
    for split in sorted({*before.entries, *after.entries}):
        yield from (
            f"{split}: {line}" for line in _of_split(before.entries.get(split, ()), after.entries.get(split, ()))
        )


def _renamed(before: Mapping[int, str], after: Mapping[int, str]) -> str:
    differing = [number for number in sorted({*before, *after}) if before.get(number) != after.get(number)]
    changes = [
        f"class {number} was {_name_of(before, number)} and is {_name_of(after, number)}"
        for number in differing[:SHOWN]
    ]
    return "; ".join(changes) + (f"; and {len(differing) - SHOWN} more" if len(differing) > SHOWN else "")


def _name_of(names: Mapping[int, str], number: int) -> str:
    return repr(names[number][:80]) if number in names else "absent"


def _of_split(before: Sequence[Entry], after: Sequence[Entry]) -> Iterator[str]:
    old, new = _by_name(before), _by_name(after)
    found = defaultdict[str, list[str]](list)
    for name in sorted({*old, *new}):
        for one, other in zip_longest(old[name], new[name]):
            for kind in _kinds(one, other):
                found[kind].append(name)
    yield from (f"{len(names)} {kind}: {_shown(names)}" for kind, names in found.items())


def _by_name(entries: Sequence[Entry]) -> defaultdict[str, list[Entry]]:
    found = defaultdict[str, list[Entry]](list)
    for entry in sorted(entries):
        found[entry.name].append(entry)
    return found


def _kinds(one: Entry | None, other: Entry | None) -> Iterator[str]:
    """Yield what became of an image between two states."""
    if one is None or other is None:
        yield "images are gone" if other is None else "images are new"
        return
    if one.image.removeprefix(EXCLUDED) != other.image.removeprefix(EXCLUDED):
        yield "images have other content"
    elif one.image != other.image:
        yield "images are excluded now" if other.image.startswith(EXCLUDED) else "images are no longer excluded"
    if one.labels != other.labels:
        yield "label files changed"


def _shown(names: Sequence[str]) -> str:
    shown = ", ".join(name[:80] for name in names[:SHOWN])
    return shown + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def fingerprint_of_format_1(listed: Mapping[str, Sequence[Path]], *, keypoints: int) -> str:
    """Return the fingerprint that earlier versions recorded: sizes of the images in place of their content."""
    digest = hashlib.sha256(f"keypoints {keypoints}\n".encode() if keypoints else b"")
    for split, paths in listed.items():
        for path in paths:
            there = not image_problem(path)
            digest.update(f"{split}/{path.name}:{path.stat().st_size if there else -1}\n".encode(errors="replace"))
            label = label_of(path)
            digest.update(label.read_bytes() if there and label.is_file() else b"")
    return digest.hexdigest()
