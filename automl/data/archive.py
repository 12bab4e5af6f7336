"""Data set given as a folder or an archive: find its one `data.yaml`, and unpack the archive."""

import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any, Final

from automl.data import annotations
from automl.storage import ownership
from automl.study.errors import DataError
from automl.study.yaml_io import read_yaml

PART: Final = ".part"
LEAST_BYTES: Final = 1 << 30
MOST_TIMES: Final = 100
"""An archive may unpack to LEAST_BYTES, or to so many times its size: images hardly shrink, labels by 5 to 20 times."""
SCHEMES: Final = frozenset({"http:", "https:", "ul:", "gs:", "s3:", "rtsp:", "ftp:"})
"""How a URL begins, as the first part of a path."""
MOST_MEMBERS: Final = 5_000_000
"""Maximum number of files and folders in an archive."""
CHUNK: Final = 1 << 20
DAMAGE: Final = (
    OSError, zipfile.BadZipFile, tarfile.TarError, RuntimeError, NotImplementedError, EOFError, lzma.LZMAError,
    zlib.error,
)  # fmt: skip
"""What unpacking a damaged or unsupported archive raises."""


def yaml_of(place: Path, *, unpacked: Path) -> Path:
    """Return the `data.yaml` for a path: the file itself, or that of a folder or of an archive.

    An archive is unpacked into the folder `unpacked`, once.

    Raises:
        DataError: there is none, there are several, or the file is in another format.
    """
    if place.is_dir():
        return _of_folder(place, place)
    if place.exists() and not place.is_file():
        raise DataError(f"{place}: must be a data.yaml, a folder or an archive, but is not a regular file")
    if not place.is_file() or place.suffix.lower() in {".yaml", ".yml"}:
        return place
    if is_archive(place):
        unpack(place, unpacked)
        return _of_folder(unpacked, place)
    if remedy := annotations.foreign(place):
        raise DataError(f"{place}: must be the data.yaml of a data set in YOLO's format, but {remedy}")
    return place


def described(place: Path, *, unpacked: Path) -> tuple[Path, dict[str, Any]]:
    """Return the `data.yaml` for a path, as `yaml_of` does, and its content.

    The `path` of an archive is left out, as in Ultralytics: it is that of the machine on which the archive was made.

    Raises:
        DataError: like `yaml_of`, or it is a name that would have to be downloaded.
        SpecError: the file cannot be read.
    """
    if hint := _download_hint(place):
        raise DataError(f"{place}: must be a data.yaml, a folder or an archive, but does not exist; {hint}")
    source = yaml_of(place, unpacked=unpacked)
    raw = read_yaml(source, printable=True)
    return source, {**raw, "path": None} if source.is_relative_to(unpacked) and raw.get("path") else raw


def _download_hint(place: Path) -> str:
    """Return what to do about a name that Ultralytics would download, empty for other paths."""
    if any(part in SCHEMES for part in place.parts):
        return "nothing is downloaded: fetch the data set manually, and pass its folder"
    if place.parent == Path.cwd() and place.suffix.lower() in {"", ".yaml", ".yml"} and not place.exists():
        return "nothing is downloaded, also not the data sets of Ultralytics, such as coco8: fetch yours manually"
    return ""


def yaml_in(folder: Path) -> Path | None:
    """Return the one YAML file of a folder, or of its subfolders; None where there is none, or are several."""
    found = _yamls(folder, folder)
    return found[0] if len(found) == 1 else None


def yaml_if_folder(place: Path) -> Path:
    """Return the one YAML file of a folder, where labels are changed and pictures added; other paths as given."""
    return (yaml_in(place) if place.is_dir() else None) or place


def _yamls(folder: Path, named: Path) -> list[Path]:
    """Return the YAML files of a folder, or of its subfolders if it contains none itself, the likely ones only."""
    found: list[Path] = []
    for pattern in ("*.yaml", "*.yml"):
        found = found or _visible(folder, folder.glob(pattern)) or _visible(folder, folder.rglob(pattern))
    return ([path for path in found if path.stem in {named.stem, "data"}] or found) if len(found) > 1 else found


def _of_folder(folder: Path, named: Path) -> Path:
    """Return the one YAML file of a folder, or of its subfolders if it contains none itself."""
    found = _yamls(folder, named)
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(str(path.relative_to(folder)) for path in found[:5])
        raise DataError(
            f"{named}: must contain one data.yaml, but contains {len(found)} YAML files: {listed}; pass one of them"
        )
    remedy = annotations.foreign(folder)
    hint = remedy or "write one with train, val and names"
    raise DataError(f"{named}: must contain a data.yaml with its splits and classes, but contains none; {hint}")


def _visible(folder: Path, paths: object) -> list[Path]:
    found = sorted(paths)  # type: ignore[call-overload]
    return [path for path in found if not any(part.startswith((".", "__")) for part in path.relative_to(folder).parts)]


def is_archive(place: Path) -> bool:
    """Return True if a file can be unpacked: zip, or tar with or without compression."""
    return zipfile.is_zipfile(place) or tarfile.is_tarfile(place)


def unpack(archive: Path, target: Path) -> None:
    """Unpack an archive atomically, once: the folder exists only when it is complete.

    Raises:
        DataError: it cannot be unpacked, would write outside the folder, or grows beyond its limits.
    """
    if target.is_dir():
        return
    part = target.with_name(target.name + PART)
    ownership.remove(part)
    ownership.claim(part)
    try:
        _extract(archive, part)
    except DataError:
        shutil.rmtree(part, ignore_errors=True)
        raise
    except DAMAGE as error:
        shutil.rmtree(part, ignore_errors=True)
        raise DataError(
            f"{archive}: must be an archive that can be unpacked, but {error}; unpack it manually"
        ) from None
    part.rename(target)


def _extract(archive: Path, part: Path) -> None:
    growth = _Growth(archive, room=shutil.disk_usage(part).free)
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            for info in opened.infolist():  # a member never unpacks to more than the size in its header
                _refuse_escape(archive, info)
                growth.add(info.file_size)
            opened.extractall(part)
        return

    links = _Links(archive)

    def admitted(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo | None:
        growth.add(member.size)
        links.add(member)
        return tarfile.data_filter(member, folder)  # refuses what leads outside, and devices

    with tarfile.open(archive) as packed:
        packed.extractall(part, filter=admitted)
        while rest := packed.fileobj.read(CHUNK):  # behind the last member is the checksum of a compressed tar
            growth.add(len(rest))


def _refuse_escape(archive: Path, info: zipfile.ZipInfo) -> None:
    """Check that a member of a zip stays in the folder and is no link.

    Raises:
        DataError: it does not.
    """
    name = info.filename.replace("\\", "/")
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts or (parts and parts[0].endswith(":")):
        raise DataError(f"{archive}: must unpack into its own folder, but contains {name!r}; nothing was kept")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise DataError(f"{archive}: must contain files and folders, but {name!r} is a link; nothing was kept")


class _Links:
    """The links of a tar, which refuses members that lead through one.

    `tarfile.data_filter` of Python before 3.11.13, 3.12.11 and 3.13.4 follows links through links out of the folder
    where the path is longer than the system allows (CVE-2025-4517).
    """

    def __init__(self, archive: Path) -> None:
        self._archive = archive
        self._links: set[str] = set()
        self._through: set[str] = set()
        """The places that links lead to or through."""

    def add(self, member: tarfile.TarInfo) -> None:
        """Take a member.

        Raises:
            DataError: it is below a link, replaces one, or is a link through another one.
        """
        is_link, on_target = member.issym() or member.islnk(), set[str]()
        name, reached = _places(member.name)
        if is_link:
            folder = f"{member.name}/../" if member.issym() else ""
            on_target = _places(f"{folder}{member.linkname}")[1] - {name}
        if (reached | on_target) & self._links or (is_link and name in self._through):
            raise DataError(
                f"{self._archive}: must not lead through links, but {member.name[:100]!r} does; nothing was kept: "
                "unpack it manually"
            )
        if is_link:
            self._links.add(name)
            self._through |= on_target


def _places(path: str) -> tuple[str, set[str]]:
    """Return where a path in an archive leads to if nothing on it is a link, and all places on it.

    >>> _places("./a/../b")[0], sorted(_places("./a/../b")[1])
    ('b', ['a', 'b'])
    """
    parts, places = list[str](), set[str]()
    for part in path.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts = [*parts, part]
            places.add("/".join(parts))
    return "/".join(parts), places


class _Growth:
    """Counter of the bytes and members of an archive, which refuses one that grows beyond its limits."""

    def __init__(self, archive: Path, *, room: int) -> None:
        self._archive, self._room = archive, room
        self._most = max(LEAST_BYTES, MOST_TIMES * archive.stat().st_size)
        self._bytes = self._members = 0

    def add(self, size: int) -> None:
        """Count a member.

        Raises:
            DataError: a limit is passed.
        """
        self._bytes, self._members = self._bytes + max(0, size), self._members + 1
        if self._bytes > self._most or self._members > MOST_MEMBERS:
            raise DataError(
                f"{self._archive}: must unpack to at most {self._most} bytes and {MOST_MEMBERS} files, but contains "
                "more, as an archive made to fill a disk does; nothing was kept: unpack it manually"
            )
        if self._bytes > self._room:
            raise DataError(
                f"{self._archive}: must unpack to at most the free {self._room} bytes, but contains more; nothing was "
                "kept: free some space"
            )
