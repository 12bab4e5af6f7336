"""Multipart bodies: files in their order, whatever they contain; what is malformed is refused in words."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.apps.serve import multipart
from automl.apps.serve.refusal import RequestError


def part(name: str | None, content: bytes, mark: bytes = b"x") -> bytes:
    file = "" if name is None else f'; filename="{name}"'
    return b"--" + mark + f'\r\nContent-Disposition: form-data; name="image"{file}\r\n\r\n'.encode() + content + b"\r\n"


def body(*contents: bytes, mark: bytes = b"x") -> bytes:
    parts = (part(f"{at}.png", content, mark) for at, content in enumerate(contents))
    return b"".join(parts) + b"--" + mark + b"--\r\n"


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=5))
def test_files_are_found_whatever_they_contain(contents: list[bytes]) -> None:
    mark = b"a-boundary-that-no-test-draws"
    whole = body(*contents, mark=mark)
    found = multipart.files(whole, mark)
    assert [whole[file.start : file.end] for file in found] == contents
    assert [file.name for file in found] == [f"{at}.png" for at in range(len(contents))]


@given(st.binary(max_size=200))
def test_rubbish_is_refused_and_never_crashes(content: bytes) -> None:
    for given_ in (content, b"--x" + content, b"--x\r\n" + content + b"\r\n--x--"):
        with suppress(RequestError):
            multipart.files(given_, b"x")


def test_text_before_the_first_boundary_is_no_part() -> None:
    assert len(multipart.files(b"preamble\r\n" + body(b"1", b"2"), b"x")) == 2


@pytest.mark.parametrize(
    ("content", "code", "law"),
    [
        (b"", 400, "must end with its boundary, but is cut or has another one"),
        (b"--x--", 422, "must contain an image, but is empty"),
        (body(b"1")[:-7], 400, "must end with its boundary"),
        (body(b"1", mark=b"y"), 400, "must end with its boundary"),
        (b"--xy\r\n\r\n\r\n--x--", 400, "a boundary must end its line"),
        (b"--x\r\n" + bytes([65]) * 5000 + b"\r\n\r\n\r\n--x--", 400, "headers of at most 4096 bytes"),
        (part(None, b"0.5") + b"--x--", 422, "each field must be a file with a filename"),
        (body(*[b"1"] * 33), 413, "at most 32 images; send several"),
    ],
)  # fmt: skip
def test_what_is_malformed_is_told(content: bytes, code: int, law: str) -> None:
    with pytest.raises(RequestError, match=law) as caught:
        multipart.files(content, b"x")
    assert caught.value.code == code


@pytest.mark.parametrize("kind", ["", "image/png", "application/x-www-form-urlencoded", "multipart/mixed; boundary=x"])
def test_another_kind_of_body_is_no_multipart(kind: str) -> None:
    assert multipart.boundary(kind) is None


@pytest.mark.parametrize("more", ["", "; boundary=", f"; boundary={'x' * 71}", '; boundary="\xe9"'])
def test_a_boundary_outside_the_law_is_told(more: str) -> None:
    with pytest.raises(RequestError, match="boundary must have 1 to 70 letters"):
        multipart.boundary(f"multipart/form-data{more}")


def test_a_name_is_cut() -> None:
    assert len(multipart.files(part("a" * 1000, b"1") + b"--x--", b"x")[0].name) == 200


@given(st.binary(max_size=60), st.sampled_from([b"filename=", b"filename*=", b"filename*0=", b'filename="']))
def test_a_name_of_any_bytes_can_be_written_in_an_answer(name: bytes, key: bytes) -> None:
    content = b"--x\r\nContent-Disposition: form-data; " + key + name.replace(b"\r\n", b"") + b"\r\n\r\n1\r\n--x--"
    with suppress(RequestError):
        multipart.files(content, b"x")[0].name.encode()
