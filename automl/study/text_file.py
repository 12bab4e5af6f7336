"""Text files of users: UTF-8 decoding, and messages for other encodings."""

import codecs
from pathlib import Path
from typing import Final

MARKS: Final = {
    codecs.BOM_UTF32_LE: "UTF-32", codecs.BOM_UTF32_BE: "UTF-32", codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}  # fmt: skip
"""Byte-order marks, longer ones first: that of UTF-32 begins with that of UTF-16."""


def encoding_problem(content: bytes) -> str:
    """Return why bytes are not UTF-8 text, empty when they are.

    >>> encoding_problem("train: größe".encode("cp1252"))
    'must be UTF-8 text, but byte 0xf6 in line 1 is not (another encoding, such as cp1252 or GBK); save it as UTF-8'
    """
    kind = next((name for mark, name in MARKS.items() if content.startswith(mark)), "")
    if kind:
        return f"must be UTF-8 text, but its encoding is {kind}; save it as UTF-8"
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return (
            f"must be UTF-8 text, but byte 0x{content[error.start]:02x} in line {line} is not "
            "(another encoding, such as cp1252 or GBK); save it as UTF-8"
        )
    return ""


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a file without the byte-order mark of UTF-8."""
    return path.read_bytes().removeprefix(codecs.BOM_UTF8)
