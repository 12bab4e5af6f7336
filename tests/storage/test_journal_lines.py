"""Damage of a journal's bytes: one unfinished append is recovered, anything more is refused and nothing is changed."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from automl.storage import journal_format, journal_lines
from automl.storage.layout import JOURNAL
from automl.storage.records import RecordError
from automl.study.errors import StudyError
from tests.past_studies import rewritten, sealed
from tests.storage.test_journal import TRIALS, FullDisk, create, folder, read

__all__ = ["folder"]  # a fixture of the journal's tests

UNFINISHED = [b"{", b'{"op_code":', b'{"op_code":2,"a":"x\\', b'{"op_code":2,"a":{"b":[1,2],"c":"}"']


@pytest.mark.parametrize("tail", UNFINISHED)
def test_one_unfinished_append_at_the_end_is_left_out_and_told(folder: Path, tail: bytes) -> None:
    with (folder / JOURNAL).open("ab") as file:
        file.write(tail)
    found = read(folder)
    assert found.trials() == TRIALS
    assert found.dropped.endswith(f"the last {len(tail)} bytes are an incomplete line and are ignored")
    assert found.warnings == [found.dropped]


@pytest.mark.parametrize("tail", UNFINISHED)
def test_a_writer_keeps_an_unfinished_append_aside_and_every_later_reader_tells_it(folder: Path, tail: bytes) -> None:
    before = (folder / JOURNAL).read_bytes()
    (folder / JOURNAL).write_bytes(before + tail)
    writer = create(folder)
    assert (folder / JOURNAL).read_bytes() == before
    aside = folder / f"journal.log.dropped.{len(before)}"
    assert aside.read_bytes() == tail
    assert writer.dropped.endswith(f"are ignored; they are kept as {aside.name}")
    told = f"{aside}: {len(tail)} bytes of an unfinished append, which a resumed study left out of its journal"
    for reader in (writer, read(folder)):
        assert reader.warnings == [told]


def test_two_unfinished_appends_at_one_place_are_both_kept(folder: Path) -> None:
    before = (folder / JOURNAL).read_bytes()
    for tail in (b"{", b'{"op'):
        (folder / JOURNAL).write_bytes(before + tail)
        create(folder)
    assert sorted(path.read_bytes() for path in folder.glob("journal.log.dropped.*")) == [b"{", b'{"op']


def lines_of(whole: bytes) -> list[bytes]:
    return whole.splitlines(keepends=True)


def exchanged(lines: list[bytes], one: int, other: int) -> list[bytes]:
    lines[one], lines[other] = lines[other], lines[one]
    return lines


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "a changed letter": lambda whole: whole.replace(b"lr0", b"lr1", 1),
    "CR LF": lambda whole: whole.replace(b"\n", b"\r\n"),
    "UTF-16": lambda whole: whole.decode().encode("utf-16"),
    "byte-order mark": lambda whole: b"\xef\xbb\xbf" + whole,
    "blanks at line ends": lambda whole: whole.replace(b"\n", b" \n"),
    "zeros over the whole file": lambda whole: bytes(len(whole)),
    "no checksums": lambda whole: re.sub(rb',"prev":\d+,"crc":\d+}', b"}", whole),
    "60 damaged lines at the end": lambda whole: whole + b'{"op_code":2,"crc":1}\n' * 60,
    "20 kB of zeros at the end": lambda whole: whole + bytes(20_000),
    "some zeros at the end": lambda whole: whole + bytes(100),
    "an append and zeros": lambda whole: whole + b'{"op_code":2,"a":' + bytes(100),
    "a whole damaged line": lambda whole: whole + b'{"op_code":2,"crc":1}\n',
    "an empty line": lambda whole: whole + b"\n",
    "two appends": lambda whole: whole + b'{"op_code":2}{"op_code":2',
    "bytes of no line": lambda whole: whole + b"\xff\xfe",
    "line ends lost": lambda whole: whole.replace(b"\n", b""),
    "a line removed": lambda whole: b"".join([*lines_of(whole)[:5], *lines_of(whole)[6:]]),
    "the first line removed": lambda whole: whole[whole.index(b"\n") + 1 :],
    "two lines exchanged": lambda whole: b"".join(exchanged(lines_of(whole), 5, 8)),
    "a line twice": lambda whole: whole + lines_of(whole)[-1],
    "the file twice": lambda whole: whole * 2,
}


@pytest.mark.parametrize("name", DAMAGES)
def test_more_than_one_unfinished_append_is_damage_and_no_byte_is_changed(folder: Path, name: str) -> None:
    damaged = DAMAGES[name]((folder / JOURNAL).read_bytes())
    (folder / JOURNAL).write_bytes(damaged)
    before = sorted(folder.iterdir())
    for open_ in (create, read):
        with pytest.raises(
            RecordError, match=r"journal.log(:\d+)?: .*(restore the file from a copy|sed -i )"
        ) as caught:
            open_(folder)
        assert len(str(caught.value).splitlines()) == 1
    assert ((folder / JOURNAL).read_bytes(), sorted(folder.iterdir())) == (damaged, before)


def test_damage_at_the_end_is_told_with_the_command_that_keeps_the_lines_before(folder: Path) -> None:
    whole = (folder / JOURNAL).read_bytes()
    last = lines_of(whole)[-1]
    damaged = whole[: -len(last)] + last.replace(b"op_code", b"op_c0de")
    (folder / JOURNAL).write_bytes(damaged)
    with pytest.raises(RecordError, match=r"or go on with the \d+ lines before: cp ") as caught:
        create(folder)
    subprocess.run(str(caught.value).rpartition(" before: ")[2], shell=True, check=True)
    assert (folder / JOURNAL).read_bytes() == whole[: -len(last)]
    assert (folder / "journal.log.damaged").read_bytes() == damaged
    assert create(folder).trials() == TRIALS[:-1]


def test_line_ends_of_windows_are_named_with_the_command_that_converts_them(folder: Path) -> None:
    whole = (folder / JOURNAL).read_bytes()
    (folder / JOURNAL).write_bytes(whole.replace(b"\n", b"\r\n"))
    with pytest.raises(RecordError, match="its lines end in CR LF") as caught:
        read(folder)
    subprocess.run(str(caught.value).rpartition("; ")[2], shell=True, check=True)
    assert (folder / JOURNAL).read_bytes() == whole


@pytest.mark.parametrize("content", [b"", None])
@pytest.mark.parametrize("place", ["trials/0003_a", "confirm/default_seed1"])
def test_trainings_beside_an_empty_or_missing_journal_are_damage(
    tmp_path: Path, place: str, content: bytes | None
) -> None:
    (tmp_path / place).mkdir(parents=True)
    if content is not None:
        (tmp_path / JOURNAL).write_bytes(content)
        with pytest.raises(RecordError, match=r"must be the journal of the trainings in \w+/, but is missing or empty"):
            read(tmp_path)
    with pytest.raises(RecordError, match=r"must be the journal of the trainings in \w+/, but is missing or empty"):
        create(tmp_path)
    assert (tmp_path / JOURNAL).exists() is (content is not None)


def of_before_the_chain(folder: Path) -> bytes:
    """Rewrite a journal as versions before the chain did, and return its bytes."""
    lines = [json.loads(line) for line in (folder / JOURNAL).read_text().splitlines()]
    text = "".join(sealed({key: line[key] for key in line if key not in {"prev", "crc"}}) for line in lines)
    (folder / JOURNAL).write_text(text)
    return text.encode()


def test_a_journal_without_a_chain_is_read_and_continued_with_one(folder: Path) -> None:
    old = of_before_the_chain(folder)
    assert read(folder).trials() == TRIALS
    create(folder).note("more", 1)
    assert (folder / JOURNAL).read_bytes().startswith(old)
    assert (read(folder).trials(), read(folder).notes()) == (TRIALS, {"more": 1})
    lines = lines_of((folder / JOURNAL).read_bytes())
    for changed in ([*lines[:3], *lines[4:]], exchanged([*lines], 3, 4)):
        (folder / JOURNAL).write_bytes(b"".join(changed))
        with pytest.raises(RecordError, match="lines were removed, exchanged or repeated"):
            read(folder)
    (folder / JOURNAL).write_bytes(b"".join(lines) + lines_of(old)[-1])
    with pytest.raises(RecordError, match="the line names no line before it, as those above do"):
        read(folder)


OF_STUDY = '{"op_code":2,"study_id":0,"worker_id":"w","user_attr":{"a":'
ODD: list[Any] = [
    {"op_code": 77, "worker_id": "w"},
    {"op_code": "2"},
    {"no": "code"},
    {"op_code": 2, "study_id": 0, "worker_id": "w"},
    {"op_code": 4, "study_id": 0, "worker_id": "w", "datetime_start": "noon"},
    {"op_code": 7, "trial_id": 4, "worker_id": "w", "step": "x", "intermediate_value": 1},
    {"op_code": 8, "trial_id": 4, "worker_id": "w", "user_attr": 5},
    {"op_code": 8, "trial_id": {}, "worker_id": "w"},
    {"op_code": 8, "trial_id": 4, "worker_id": "w", "user_attr": {"epoch:2": {"epoch": 2, "seconds": 1}}},
    {"op_code": 8, "trial_id": 4, "worker_id": "w", "user_attr": {"epoch:x": {}}},
    {"op_code": 8, "trial_id": 4, "worker_id": "w", "user_attr": {"ending": {"cause": 7}}},
    OF_STUDY + "[" * 100_000 + "]" * 100_000 + "}}",
    OF_STUDY + "9" * 5000 + "}}",
    OF_STUDY + "NaN}}",
]


@pytest.mark.parametrize("line", ODD, ids=lambda line: str(line)[:80])
def test_a_line_that_is_none_of_a_study_is_one_message_although_its_checksum_holds(folder: Path, line: object) -> None:
    rewritten(folder, lambda lines: [*lines, line])  # type: ignore[list-item]
    with pytest.raises(
        RecordError, match=r"journal.log(:\d+)?: must be .* study.*restore the file from a copy"
    ) as caught:
        read(folder).trials()
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 700


def test_lines_of_another_writer_are_never_cut_off(tmp_path: Path) -> None:
    ours = create(tmp_path)
    theirs = create(tmp_path)
    theirs.note("fact", 1)
    before = (tmp_path / JOURNAL).read_bytes()
    with pytest.raises(StudyError, match="another process writes to it; nothing was changed"):
        ours.note("other", 2)
    assert (tmp_path / JOURNAL).read_bytes() == before


def test_an_append_that_could_not_be_taken_back_is_replaced_by_the_next(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = create(folder)

    def broken(_file: int, _size: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        disk = FullDisk(40)
        patch.setattr("os.write", disk)
        patch.setattr("os.ftruncate", lambda file, size: broken(file, size) if disk.room <= 0 else None)
        with pytest.raises(StudyError, match="must be writable"):
            journal.note("fact", "x" * 100)
    assert read(folder).dropped
    journal.note("fact", 2)
    assert read(folder).notes() == {"fact": 2}


def test_a_journal_is_parsed_in_blocks_of_any_size(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for size in (1, 200, 1000):
        monkeypatch.setattr(journal_lines, "BLOCK", size)
        assert read(folder).trials() == TRIALS


def test_a_file_checked_by_its_last_line_shows_a_change_of_any_line(folder: Path) -> None:
    whole = (folder / JOURNAL).read_bytes()
    good = journal_format._by_each_line(whole, 0)
    assert journal_format._by_last_line(whole, 0) == good
    assert good.count == len(lines_of(whole)) > 3
    start = 0
    for line in lines_of(whole):
        changed = bytearray(whole)
        changed[start + len(line) // 2] ^= 1
        found = journal_format.scan(bytes(changed))
        assert found.problem
        assert found == journal_format._by_each_line(bytes(changed), 0)
        start += len(line)


def test_lines_that_follow_a_known_beginning_are_checked_with_its_checksum(folder: Path) -> None:
    whole = (folder / JOURNAL).read_bytes()
    first = len(lines_of(whole)[0])
    before = journal_format.scan(whole[:first])
    rest = journal_format.scan(whole[first:], before=before.crc)
    assert (before.count + rest.count, rest.crc) == (len(lines_of(whole)), journal_format.scan(whole).crc)
    assert journal_format.scan(whole[first:], before=before.crc ^ 1).problem.startswith("the line does not follow")


def test_an_unfinished_line_does_not_hide_that_those_before_are_good(folder: Path) -> None:
    whole = (folder / JOURNAL).read_bytes()
    assert journal_format.scan(whole + b'{"op_code":') == journal_format.scan(whole)
    assert journal_format.scan(b"") == journal_format.scan(b'{"op_code":') == journal_format.Scan(0, 0, 0)
