"""A folder or an archive stands for its one data.yaml; other formats are told with the way to convert them."""

import io
import shutil
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from automl.data import archive
from automl.data.archive import yaml_of
from automl.study.errors import DataError
from tests.builders import written


def test_a_folder_stands_for_its_one_yaml(tmp_path: Path) -> None:
    source = written(tmp_path / "set", "parts.yml", "")
    written(tmp_path / "set/.hidden", "other.yaml", "")
    assert yaml_of(tmp_path / "set", unpacked=tmp_path / "unpacked") == source
    assert yaml_of(source, unpacked=tmp_path / "unpacked") == source
    preferred = written(tmp_path / "set", "data.yaml", "")
    assert yaml_of(tmp_path / "set", unpacked=tmp_path / "unpacked") == preferred


def test_of_several_yamls_one_must_be_named(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        written(tmp_path / "set", name, "")
    with pytest.raises(
        DataError, match=r"must contain one data.yaml, but contains 2 YAML files: a.yaml, b.yaml; pass one of them"
    ):
        yaml_of(tmp_path / "set", unpacked=tmp_path / "unpacked")


@pytest.mark.parametrize("kind", ["zip", "gztar"])
def test_an_archive_is_unpacked_once(tmp_path: Path, kind: str) -> None:
    written(tmp_path / "set/inner", "data.yaml", "names: [a]")
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), kind, tmp_path / "set"))
    found = yaml_of(packed, unpacked=tmp_path / "unpacked")
    assert found == tmp_path / "unpacked/inner/data.yaml"
    found.write_text("kept")
    assert yaml_of(packed, unpacked=tmp_path / "unpacked").read_text() == "kept"


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.json", '{"info": {}, "images": [], "annotations": []}', "COCO .*automl import"),
        (
            "a.ndjson",
            '{"type": "dataset", "task": "detect"}\n',
            "export of the Ultralytics Platform.*nothing is downloaded",
        ),
        ("a.json", '{"version": "5", "flags": {}, "shapes": []}', "LabelMe .*labelme2yolo"),
        ("a.xml", "<annotation><folder/></annotation>", "Pascal VOC .*automl import"),
        ("a.xml", '<?xml version="1.0"?>\n<annotations><version/></annotations>', "CVAT .*automl import"),
    ],
)
def test_annotations_in_another_format_are_told_with_the_way_to_convert_them(
    tmp_path: Path, name: str, content: str, told: str
) -> None:
    path = written(tmp_path / "set/annotations", name, content)
    for given in (path, tmp_path / "set") if path.suffix != ".ndjson" else (path,):
        with pytest.raises(DataError, match=told):
            yaml_of(given, unpacked=tmp_path / "unpacked")


@pytest.mark.parametrize("name", ["../outside.txt", "/outside.txt", "a/../../outside.txt", "..\\outside.txt", "C:\\a"])
def test_an_archive_that_leads_outside_is_refused(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("data.yaml", "")
        packed.writestr(name, "")
    with pytest.raises(DataError, match=r"must unpack into its own folder, but contains .*; nothing was kept"):
        yaml_of(tmp_path / "a.zip", unpacked=tmp_path / "unpacked")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip"]


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("images")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr(link, "/etc")
    with pytest.raises(DataError, match="must contain files and folders, but 'images' is a link"):
        yaml_of(tmp_path / "a.zip", unpacked=tmp_path / "unpacked")


Link = tuple[bytes, str, str]
"""Type of a member of a tar, its name, and where it leads."""


def tar_of(path: Path, members: Sequence[Link], files: Sequence[str] = ()) -> Path:
    with tarfile.open(path, "w") as packed:
        for kind, name, target in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            packed.addfile(member)
        for name in files:
            member = tarfile.TarInfo(name)
            member.size = 4
            packed.addfile(member, io.BytesIO(b"evil"))
    return path


def test_links_through_links_do_not_lead_out_of_a_tar(tmp_path: Path) -> None:
    """CVE-2025-4517: the path of a link is longer than the system allows, so that what it leads to is not seen."""
    secret = written(tmp_path, "secret.txt", "kept")
    members, place, steps = list[Link](), "", "abcdefghijklmnop"
    for step in steps:
        members.append((tarfile.DIRTYPE, f"{place}{'d' * 247}", ""))
        members.append((tarfile.SYMTYPE, f"{place}{step}", "d" * 247))
        place += "d" * 247 + "/"
    long = "/".join([*steps, "l" * 254])
    members.append((tarfile.SYMTYPE, long, "../" * len(steps)))
    members.append((tarfile.SYMTYPE, "escape", f"{long}/../secret.txt"))
    members.append((tarfile.LNKTYPE, "file", "escape"))
    packed = tar_of(tmp_path / "a.tar", members, ["file"])
    with pytest.raises(DataError, match=r"must not lead through links, but 'a/b/c/.*' does; nothing was kept"):
        yaml_of(packed, unpacked=tmp_path / "unpacked")
    assert secret.read_text() == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "secret.txt"]


@pytest.mark.parametrize(
    ("members", "files"),
    [
        ([(tarfile.SYMTYPE, "a", "b")], ["a/c.txt"]),
        ([(tarfile.SYMTYPE, "a", "b")], ["./a"]),
        ([(tarfile.SYMTYPE, "a", "b"), (tarfile.SYMTYPE, "c", "a/../d")], []),
        ([(tarfile.SYMTYPE, "a", "b/c"), (tarfile.SYMTYPE, "b", "d")], []),
        ([(tarfile.SYMTYPE, "x/a", "../b"), (tarfile.LNKTYPE, "c", "x/a")], []),
    ],
)
def test_a_member_below_a_link_or_in_its_place_is_refused(
    tmp_path: Path, members: Sequence[Link], files: Sequence[str]
) -> None:
    packed = tar_of(tmp_path / "a.tar", members, files)
    with pytest.raises(DataError, match="must not lead through links"):
        yaml_of(packed, unpacked=tmp_path / "unpacked")


def test_a_link_to_a_file_of_the_same_tar_is_kept(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as packed:
        for name in ("data.yaml", "images/a.png"):
            packed.addfile(tarfile.TarInfo(name))
        link = tarfile.TarInfo("images/b.png")
        link.type, link.linkname = tarfile.SYMTYPE, "a.png"
        packed.addfile(link)
    assert yaml_of(tmp_path / "a.tar", unpacked=tmp_path / "unpacked").name == "data.yaml"
    assert (tmp_path / "unpacked/images/b.png").readlink() == Path("a.png")


@pytest.mark.parametrize("kind", ["xz", "gz"])
def test_a_damaged_archive_is_told(tmp_path: Path, kind: str) -> None:
    content = b"".join(number.to_bytes(4, "big") for number in range(30_000))
    with tarfile.open(tmp_path / "a.tar", f"w:{kind}") as packed:  # type: ignore[call-overload]
        member = tarfile.TarInfo("a.txt")
        member.size = len(content)
        packed.addfile(member, io.BytesIO(content))
    damaged = bytearray((tmp_path / "a.tar").read_bytes())
    middle = len(damaged) // 2
    damaged[middle : middle + 40] = bytes(40)
    (tmp_path / "a.tar").write_bytes(damaged)
    with pytest.raises(DataError, match=r"must be an archive that can be unpacked, but .*; unpack it manually"):
        yaml_of(tmp_path / "a.tar", unpacked=tmp_path / "unpacked")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


@pytest.mark.parametrize("kind", ["zip", "gztar"])
def test_an_archive_that_explodes_is_refused(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "LEAST_BYTES", 1000)
    written(tmp_path / "set", "a.txt", "0" * 1_000_000)
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), kind, tmp_path / "set"))
    with pytest.raises(DataError, match=r"must unpack to at most .* bytes and 5000000 files, but contains more"):
        yaml_of(packed, unpacked=tmp_path / "unpacked")
    assert not (tmp_path / "unpacked").exists()


def test_the_path_of_an_archive_is_that_of_another_machine(tmp_path: Path) -> None:
    written(tmp_path / "set", "data.yaml", "path: ../datasets/coco8\ntrain: images/train\n")
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "set"))
    source, raw = archive.described(packed, unpacked=tmp_path / "unpacked")
    assert (source, raw["path"], raw["train"]) == (tmp_path / "unpacked/data.yaml", None, "images/train")
    assert archive.described(tmp_path / "set", unpacked=tmp_path / "unpacked")[1]["path"] == "../datasets/coco8"


@pytest.mark.parametrize("name", ["coco8", "coco8.yaml", "https:/example.org/a.zip", "ul:/me/datasets/a"])
def test_a_name_that_would_be_downloaded_is_refused(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="does not exist; nothing is downloaded"):
        archive.described(tmp_path / name, unpacked=tmp_path / "unpacked")
