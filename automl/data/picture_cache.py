"""Cache of image checks: size and times of a file first, its content where these changed, decoding where that is new.

One file for each folder of images, in the cache folder of the user. A file that was written a moment ago is read again
the next time: its times may not tell a further change.
"""

import hashlib
import json
import os
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from automl.data.pictures import DECODERS, DIGEST, THUMBNAIL, Picture, content_of, digest_of, quiet, verified

FOLDER: Final = "AUTOML_CACHE"
"""Environment variable: the cache folder, in place of `$XDG_CACHE_HOME/automl`; empty for no cache."""
FORMAT: Final = f"2, {DECODERS}"
"""Bump the number when findings are computed in another way."""
SETTLED_SECONDS: Final = 2.0
"""Age of a file's last change from which its times tell the next one: file systems keep times of up to 2 s."""
UNUSED_DAYS: Final = 60
"""Age of a cache file that was not read, after which it is deleted."""
UNREADABLE: Final = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, TypeError, IndexError)
"""What a damaged cache file raises; it is then written again."""

Stamp = tuple[int, int, int]
"""Size, time of the last change of content, time of the last change of anything, in bytes and nanoseconds."""
NEVER: Final[Stamp] = (-1, -1, -1)


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines about images that depend on their content alone."""

    made: Callable[[], Iterable[str]]
    cache: Path | None = None


def default_folder() -> Path | None:
    """Return the cache folder of the user, None where there is none."""
    given = os.environ.get(FOLDER)
    if given is not None:
        return Path(given) if given else None
    try:
        root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:  # no home
        return None
    return Path(root) / "automl"


def look_at_all(images: Iterable[Path], *, cache: Path | None = None) -> Mapping[Path, Picture]:
    """Inspect the content of images, several at a time; with `cache` what is known of a file is not decoded again."""
    unique = list(dict.fromkeys(images))
    shelves: dict[Path, _Shelf] = {}
    for image in unique if cache else ():
        if image.parent not in shelves:
            shelves[image.parent] = _Shelf.of(image.parent, cache or Path())
    known = {key: picture for shelf in shelves.values() for key, picture in shelf.contents()}
    found: dict[Path, Picture] = {}
    stamps = {image: _stamp(image) for image in unique}
    for image in unique:
        if shelves and (picture := shelves[image.parent].get(image.name, stamps[image])):
            found[image] = picture
    left = [image for image in unique if image not in found]
    with quiet(), ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        found.update(zip(left, pool.map(lambda image: _look(image, known), left), strict=True))
    for folder, shelf in shelves.items():
        mine = [image for image in unique if image.parent == folder] if len(shelves) > 1 else unique
        shelf.keep({image.name: (stamps[image], found[image]) for image in mine})
    return {image: found[image] for image in unique}


def kept_lines(images: Mapping[str, Sequence[Path]], pictures: Mapping[Path, Picture], lines: Lines) -> list[str]:
    """Return the lines about some images, those of the last time where paths and contents are the same."""
    if lines.cache is None:
        return list(lines.made())
    key = hashlib.blake2b(FORMAT.encode(), digest_size=DIGEST)
    for split, paths in images.items():
        for path in paths:
            key.update(f"{split}/".encode() + os.fsencode(path) + b"\0" + pictures[path].digest)
    path = lines.cache / "lines" / f"{key.hexdigest()}.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        os.utime(path)
        if isinstance(found, list):
            return [str(line) for line in found]
    except UNREADABLE:
        pass
    found = list(lines.made())
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        _write(path, lambda file: file.write(json.dumps(found).encode()))
    return found


def _look(image: Path, known: Mapping[tuple[bytes, str], Picture]) -> Picture:
    content = content_of(image)
    if isinstance(content, Picture):
        return content
    return known.get((digest_of(content), image.suffix.lower())) or verified(image, content)


def _stamp(image: Path) -> Stamp:
    try:
        found = image.stat()
    except (OSError, ValueError):
        return NEVER
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


@dataclass(slots=True)
class _Shelf:
    """The findings for one folder of images."""

    path: Path
    rows: dict[str, tuple[Stamp, Picture]] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path, cache: Path) -> "_Shelf":
        """Read the cache file of a folder; a missing or damaged one is empty."""
        key = hashlib.blake2b(os.fsencode(os.path.abspath(folder)), digest_size=DIGEST).hexdigest()  # noqa: PTH100
        path = cache / "images" / f"{key}.npz"
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as held:
                rows = dict(_rows({name: held[name] for name in held.files}))
            os.utime(path)
        except UNREADABLE:
            rows = {}
        return cls(path, rows)

    def contents(self) -> Iterator[tuple[tuple[bytes, str], Picture]]:
        """Yield digest and suffix of each known file with its findings."""
        for name, (_, picture) in self.rows.items():
            if picture.digest:
                yield (picture.digest, Path(name).suffix.lower()), picture

    def get(self, name: str, stamp: Stamp) -> Picture | None:
        """Return the findings for a file whose size and times are unchanged."""
        known = self.rows.get(name)
        return known[1] if known and stamp != NEVER and known[0] == stamp else None

    def keep(self, rows: Mapping[str, tuple[Stamp, Picture]]) -> None:
        """Write the findings, if they are new; a cache that cannot be written is left out."""
        before, now = self.rows, time.time_ns()
        settled = {
            name: (stamp if max(stamp[1:]) < now - SETTLED_SECONDS * 1e9 else NEVER, picture)
            for name, (stamp, picture) in rows.items()
            if picture.digest and not picture.passing
        }
        if {name: stamp for name, (stamp, _) in settled.items()} == {
            name: stamp for name, (stamp, _) in before.items()
        }:
            return
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            _sweep(self.path.parent)
            columns = _columns(settled)
            _write(self.path, lambda file: np.savez(file, **columns))


def _sweep(folder: Path) -> None:
    for path in folder.iterdir():
        if path.stat().st_mtime < time.time() - UNUSED_DAYS * 86_400:
            path.unlink(missing_ok=True)


def _write(path: Path, fill: Callable[[IO[bytes]], object]) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
        try:
            fill(file)
            file.flush()
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def _columns(rows: Mapping[str, tuple[Stamp, Picture]]) -> dict[str, Any]:
    pictures = [picture for _, picture in rows.values()]
    blank = bytes(THUMBNAIL * THUMBNAIL)
    return {
        "format": np.array(FORMAT),
        "names": _packed(rows),
        "problems": _packed([picture.problem for picture in pictures]),
        "stamps": np.array([stamp for stamp, _ in rows.values()], dtype=np.int64).reshape(-1, 3),
        "levels": np.array([picture.levels for picture in pictures], dtype=np.int64),
        "sizes": np.array([(p.width, p.height) for p in pictures], dtype=np.int64).reshape(-1, 2),
        "shades": np.array([(p.brightness, p.sharpness) for p in pictures], dtype=np.float64).reshape(-1, 2),
        "digests": np.frombuffer(b"".join(picture.digest for picture in pictures), np.uint8),
        "thumbnails": np.frombuffer(b"".join(picture.thumbnail or blank for picture in pictures), np.uint8),
    }


def _packed(texts: Iterable[str]) -> Any:  # noqa: ANN401
    return np.frombuffer(b"\0".join(os.fsencode(text) for text in texts), np.uint8)


def _unpacked(column: Any, count: int) -> Sequence[str]:  # noqa: ANN401
    texts = [os.fsdecode(part) for part in column.tobytes().split(b"\0")]
    if len(texts) != count:
        raise ValueError("a cache file must hold as many texts as images")
    return texts


def _rows(held: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Stamp, Picture]]]:
    """Yield the rows of a cache file.

    Raises:
        ValueError: it was written in another format, or is damaged.
    """
    count, size = len(held["levels"]), THUMBNAIL * THUMBNAIL
    digests, thumbnails = held["digests"].tobytes(), held["thumbnails"].tobytes()
    if str(held["format"]) != FORMAT or len(digests) != count * DIGEST or len(thumbnails) != count * size:
        raise ValueError("a cache file must be of this format")
    if not count:
        return
    names, problems = _unpacked(held["names"], count), _unpacked(held["problems"], count)
    stamps, levels = held["stamps"].tolist(), held["levels"].tolist()
    sizes, shades = held["sizes"].tolist(), held["shades"].tolist()
    for row in range(count):
        thumbnail = b"" if problems[row] else thumbnails[row * size : (row + 1) * size]
        digest = digests[row * DIGEST : (row + 1) * DIGEST]
        stamp = (int(stamps[row][0]), int(stamps[row][1]), int(stamps[row][2]))
        picture = Picture(
            problems[row], digest, int(levels[row]), thumbnail,
            width=int(sizes[row][0]), height=int(sizes[row][1]),
            brightness=float(shades[row][0]), sharpness=float(shades[row][1]),
        )  # fmt: skip
        yield names[row], (stamp, picture)
