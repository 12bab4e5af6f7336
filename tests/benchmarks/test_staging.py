"""What the staging benchmark counts: each opening of a file, by its size."""

from pathlib import Path

from benchmarks.staging import Opens


def test_each_opening_of_an_image_counts_by_its_size_whoever_opens_it(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name, size in (("a.jpg", 100), ("b.jpg", 30), ("a.txt", 7)):
        (source / name).write_bytes(bytes(size))
    link = tmp_path / "link.jpg"
    link.symlink_to(source / "a.jpg")
    opens = Opens([source])
    for path in (link, link, source / "b.jpg", source / "a.txt"):
        path.read_bytes()
    assert opens.taken() == 100 + 100 + 30
    assert opens.taken() == 0
