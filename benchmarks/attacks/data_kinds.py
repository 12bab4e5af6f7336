"""Kinds of data sets: layouts, loops of links, odd lists, unreadable images, hostile labels, odd settings."""

import os
import shutil
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from benchmarks.attacks.drawn_data import BOX, described, drawn, picture

SECRET: Final = "sekret-123"
Build = Callable[[Path], Path | None]
"""Changes the drawn data set in a folder; returns what is given as data, or None for its `data.yaml`."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of data set, and what must become of it."""

    name: str
    build: Build
    refused: bool = False
    told: str = ""
    """Part of the message of the refusal, or of the warnings."""
    train: int | None = None
    """Images of train that are left, where it is taken."""
    settings: Mapping[str, Any] = field(default_factory=dict)


def nothing(_root: Path) -> None:
    """Leave the data set as it is."""


def keys(**changes: object) -> Build:
    """Change keys of the `data.yaml`."""
    return lambda root: described(root, **changes)


def listed(content: bytes) -> Build:
    """Give train as a text file."""

    def build(root: Path) -> Path:
        (root / "train.txt").write_bytes(content)
        return described(root, train="train.txt")

    return build


def image(content: bytes, *, name: str = "x.jpg") -> Build:
    """Add an image file to train."""

    def build(root: Path) -> None:
        (root / "images/train" / name).write_bytes(content)

    return build


def label(content: bytes) -> Build:
    """Replace a label file of train."""

    def build(root: Path) -> None:
        (root / "labels/train/0.txt").write_bytes(content)

    return build


def at(name: str, make: Callable[[Path], object]) -> Build:
    """Replace a file of the data set by what `make` puts there."""

    def build(root: Path) -> None:
        path = root / name
        path.unlink(missing_ok=True)
        make(path)

    return build


def link(target: str) -> Callable[[Path], object]:
    """Put a symlink to a target in a place."""
    return lambda path: path.symlink_to(target)


def linked_folder(name: str) -> Build:
    """Move a folder of the data set away and put a link in its place."""

    def build(root: Path) -> None:
        (root / name).rename(root / "elsewhere")
        (root / name).symlink_to(root / "elsewhere")

    return build


def secret_label(root: Path) -> None:
    """Let a label link to a file outside the data set that holds a secret."""
    outside = root.parent / "outside.txt"
    outside.write_text(f"TOKEN={SECRET}\n")
    at("labels/train/0.txt", link(str(outside)))(root)


def stored_labels(store: str) -> Build:
    """Keep the labels in a store, as git-annex, DVC and the cache of Hugging Face do, with links to it."""

    def build(root: Path) -> Path:
        place = root / store
        place.mkdir(parents=True)
        for path in sorted((root / "labels").rglob("*.txt")):
            target = place / f"{zlib.crc32(str(path).encode()):08x}"
            path.rename(target)
            path.symlink_to(os.path.relpath(target, path.parent))
        return root / "data.yaml"

    return build


def hub(root: Path) -> Path:
    """Keep images and labels as blobs beside the snapshot, which holds links to them."""
    snapshot, blobs = root / "snapshots/1", root / "blobs"
    blobs.mkdir()
    for path in sorted(found for found in root.rglob("*/*/*") if found.is_file()):
        target = blobs / f"{zlib.crc32(str(path).encode()):08x}"
        place = snapshot / path.relative_to(root)
        path.rename(target)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(os.path.relpath(target, place.parent))
    return (root / "data.yaml").rename(snapshot / "data.yaml")


def packed(kind: str) -> Build:
    """Give an archive."""
    return lambda root: Path(shutil.make_archive(str(root.parent / "packed"), kind, root))


def archive_of(content: bytes) -> Build:
    """Give a file that is called an archive."""

    def build(root: Path) -> Path:
        (root.parent / "broken.zip").write_bytes(content)
        return root.parent / "broken.zip"

    return build


def fifo_list(root: Path) -> Path:
    """Give a FIFO as the list of train."""
    os.mkfifo(root / "t")
    return described(root, train="t")


def sparse(path: Path) -> None:
    """Make a file of 64 GB that takes no room."""
    with path.open("wb") as file:
        file.truncate(64 << 30)


def crowded(root: Path) -> Path:
    """Put images deep in a folder of many other files."""
    from automl.data import images

    vars(images)["MOST_OTHERS"] = 200
    for number in range(300):
        (root / f"note{number}.md").touch()
    return described(root, train=".")


def copied(make: Callable[[Path, Path], object]) -> Build:
    """Put the images of val into train under other names."""

    def build(root: Path) -> None:
        for path in sorted((root / "images/val").iterdir()):
            make(path, root / "images/train" / f"copy{path.name}")

    return build


def chunk(kind: bytes, content: bytes, *, promised: int | None = None) -> bytes:
    """Return a chunk of a PNG file."""
    size = len(content) if promised is None else promised
    return struct.pack(">I", size) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *, promised: int | None = None) -> bytes:
    """Return a PNG file of a few bytes that claims a size."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0"), promised=promised) + chunk(b"IEND", b"")


def float_tiff(root: Path) -> None:
    """Add a TIFF file of floating-point numbers."""
    Image.fromarray(np.ones((32, 32), np.float32)).save(root / "images/train/x.tif")


def all_text(root: Path) -> None:
    """Replace every image by text."""
    for path in (root / "images").rglob("*.png"):
        path.write_text("no picture")


def beside(root: Path) -> Path:
    """Put images and labels into one folder each split."""
    for split in ("train", "val", "test"):
        shutil.copytree(root / "images" / split, root / split)
        shutil.copytree(root / "labels" / split, root / split, dirs_exist_ok=True)
    shutil.rmtree(root / "images")
    return described(root, train="train", val="val", test="test")


def behind_a_link(root: Path) -> Path:
    """Name the data set by a link to its folder."""
    (root.parent / "linked").symlink_to(root)
    return root.parent / "linked" / "data.yaml"


LAYOUTS: Final = (
    Kind("plain", nothing, train=6),
    Kind("names as a mapping", keys(names={"0": "hole", 1: "spot"}), train=6),
    Kind("nc alone", keys(names=None, nc=2), train=6),
    Kind("splits as lists", keys(train=["images/train"], val=["images/val"]), train=6),
    Kind("a list file", listed(b"images/train/0.png\nimages/train/1.png\n"), train=2),
    Kind(
        "a list with a mark and CRLF", listed(b"\xef\xbb\xbfimages/train/0.png\r\n\r\nimages/train/1.png\r\n"), train=2
    ),
    Kind("a list that names an image twice", listed(b"images/train/0.png\n" * 2 + b"images/train/1.png\n"), train=3),
    Kind("paths of Roboflow", keys(train="../images/train", val="../images/val", test="../images/test"), train=6),
    Kind("validation", keys(val=None, validation="images/val"), train=6),
    Kind("a folder", lambda root: root, train=6),
    Kind("a zip", packed("zip"), train=6),
    Kind("a tar.gz", packed("gztar"), train=6),
    Kind("labels beside images", beside, train=6),
    Kind("a linked folder of images", linked_folder("images/train"), refused=True, told="no label line was found in"),
    Kind("a linked folder of labels", linked_folder("labels/train"), train=6),
    Kind("a data set behind a link", behind_a_link, train=6),
    Kind("labels in git-annex", stored_labels(".git/annex/objects"), train=6),
    Kind("a snapshot of links", hub, train=6),
    Kind("an upper-case suffix", image(picture(77), name="x.PNG"), told="no label file", train=7),
    Kind("a hidden image", image(b"", name="._x.png"), train=6),
    Kind("a name that is not UTF-8", image(picture(77), name=os.fsdecode(b"b\xfcro.png")), train=7),
    Kind("a name with a line break", image(picture(77), name="a\nb.png"), train=7),
    Kind("class names with escapes", keys(names=["ho\x1b[31mle", "sp\x07ot"]), train=6),
    Kind("polygons", label(b"0 0.1 0.1 0.3 0.1 0.3 0.2\n"), train=6),
    Kind("an archive that is cut", archive_of(b"PK\x03\x04" + bytes(100)), refused=True),
)

LISTS: Final = (
    Kind("train is a FIFO", fifo_list, refused=True),
    Kind("train is a device", keys(train="/dev/zero"), refused=True),
    Kind("train is the root", keys(train="/"), refused=True, told="root of the file system"),
    Kind("train is a crowd", crowded, refused=True, told="name the folder of the images"),
    Kind("train is missing", keys(train=None), refused=True),
    Kind("train is a number", keys(train=3), refused=True),
    Kind("train is empty", keys(train=[]), refused=True),
    Kind("train is nowhere", keys(train="none"), refused=True),
    Kind("train is a long name", keys(train="n" * 5_000), refused=True),
    Kind("train holds a NUL", keys(train="a\0b"), refused=True),
    Kind("a list of bytes", listed(bytes(range(256))), refused=True),
    Kind("a list of images that are not there", listed(b"images/none.png\n" * 5), refused=True),
    Kind("a list with a line of 50 MB", listed(b"images/train/0.png\n" + b"n" * 50_000_000 + b".png\n"), train=1),
    Kind("val is train", keys(val="images/train"), refused=True, told="must share no image"),
    Kind("a gap in the class numbers", keys(names={0: "a", 2: "b"}), refused=True),
    Kind("no names", keys(names=None), refused=True),
    Kind("two classes of one name", keys(names=["hole", "hole"]), refused=True, told="must differ"),
    Kind("nc against names", keys(nc=5), refused=True),
    Kind("four channels", keys(channels=4), refused=True),
    Kind("a name of 5 MB", keys(names=["x" * 5_000_000, "x" * 5_000_000]), refused=True),
    Kind("data.yaml is a FIFO", at("data.yaml", os.mkfifo), refused=True),
    Kind("data.yaml is a device", at("data.yaml", link("/dev/zero")), refused=True),
)

LOOPS: Final = (
    Kind("a circle of folders", at("images/train/circle", link(".")), train=6),
    Kind("a link to the folder above", at("images/train/above", link("..")), refused=True, told="share no image"),
    Kind(
        "a split that links to itself",
        lambda root: (at("l", link("l"))(root), described(root, train="l"))[1],
        refused=True,
    ),
    Kind("an image that links to itself", at("images/train/x.png", link("x.png")), told="excluded", train=6),
    Kind("a label that links to itself", at("labels/train/0.txt", link("0.txt")), refused=True),
    Kind("a label that links to nothing", at("labels/train/0.txt", link("none")), refused=True),
)

IMAGES: Final = (
    Kind("a JPEG that is cut", image(picture(77, kind="JPEG", side=64)[:400]), told="truncated", train=6),
    Kind("bytes after a JPEG", image(picture(77, kind="JPEG") + b"film"), train=7),
    Kind("text", image(b"no picture"), told="not a readable image", train=6),
    Kind("an HTML page", image(b"<!doctype html><html>"), told="HTML", train=6),
    Kind("a pointer of Git LFS", image(b"version https://git-lfs.github.com/spec/v1\n"), told="Git LFS", train=6),
    Kind("a GIF", image(picture(77, kind="GIF")), told="GIF", train=6),
    Kind("nothing", image(b""), told="empty", train=6),
    Kind("8 pixels", image(picture(77, side=8)), told="8 x 8", train=6),
    Kind("all text", all_text, refused=True, told="excluded"),
    Kind("a chunk of 4 GB", image(png(32, 32, promised=0xFFFFFFF0)), told="excluded", train=6),
    Kind("many pixels", image(png(100_000, 100_000)), told="excluded", train=6),
    Kind("a FIFO", at("images/train/x.png", os.mkfifo), told="excluded", train=6),
    Kind("a device", at("images/train/x.png", link("/dev/zero")), told="excluded", train=6),
    Kind("64 GB", at("images/train/x.png", sparse), told="more than 1024 MB", train=6),
    Kind("a folder", at("images/train/x.png", Path.mkdir), train=6),
    Kind("floating point", float_tiff, told="cannot be decoded", train=6),
    Kind("copies in two splits", copied(shutil.copyfile), told="copies of images of", train=10),
    Kind("hard links in two splits", copied(lambda a, b: b.hardlink_to(a)), told="copies of images of", train=10),
)

LABELS: Final = (
    Kind("a FIFO", at("labels/train/0.txt", os.mkfifo), refused=True, told="not a regular file"),
    Kind("a device", at("labels/train/0.txt", link("/dev/zero")), refused=True),
    Kind("a link out of the data set", secret_label, refused=True, told="outside the data set"),
    Kind("the environment", at("labels/train/0.txt", link("/proc/self/environ")), refused=True, told="outside"),
    Kind("the users", at("labels/train/0.txt", link("/etc/passwd")), refused=True, told="outside"),
    Kind(
        "a link inside the data set",
        lambda root: ((root / "pool").write_text(BOX), at("labels/train/0.txt", link("../../pool"))(root), None)[2],
        train=6,
    ),
    Kind("a line of 50 MB", label(b"0 " + b"5" * 50_000_000), refused=True, told="more than 8 MB"),
    Kind("a line of 7 MB", label(b"0 " + b"5" * 7_000_000), refused=True),
    Kind("a word of 7 MB", label(b"x" * 7_000_000), refused=True),
    Kind("a number of a million digits", label(b"0 0.5 0.5 0.2 0." + b"2" * 1_000_000), train=6),
    Kind("200,000 lines", label(b"0 0.5 0.5 0.2 0.2\n" * 200_000), told="duplicates", train=6),
    Kind("zeros", label(bytes(1000)), refused=True),
    Kind("UTF-16", label(BOX.encode("utf-16")), refused=True, told="UTF-16"),
    Kind("no numbers", label(b"0 nan 0.5 1e999 0.2\n"), refused=True),
    Kind("a folder", at("labels/train/0.txt", Path.mkdir), refused=True),
    Kind("a class too many", label(b"2 0.5 0.5 0.1 0.1\n"), refused=True),
    Kind("none at all", lambda root: shutil.rmtree(root / "labels"), refused=True),
)

SETTINGS: Final = tuple(
    Kind(f"{name} {value!r}", nothing, refused=refused, settings={name: value}, train=6)
    for name, value, refused in (
        ("classes", [99], True), ("classes", [], True), ("classes", ["a"], True), ("classes", [0, 0], False),
        ("classes", [-1], True), ("freeze", 999, True), ("freeze", -1, True), ("freeze", [500], True),
        ("freeze", "abc", True), ("freeze", 5, False), ("pretrained", "/etc/passwd", True),
        ("pretrained", "https://example.org/a.pt", True), ("pretrained", 3, True), ("pretrained", [], True),
        ("pretrained", False, False),
    )
)  # fmt: skip

KINDS: Final = {
    f"{group}: {kind.name}": kind
    for group, kinds in (
        ("layout", LAYOUTS), ("list", LISTS), ("loop", LOOPS), ("image", IMAGES), ("label", LABELS),
        ("setting", SETTINGS),
    )
    for kind in kinds
}  # fmt: skip


def made(kind: Kind, root: Path, *, seed: int) -> Path:
    """Make a data set of a kind below a folder, and return what is given as data."""
    source = drawn(root, seed=seed)
    return kind.build(root) or source
