"""Checksum in the first line of a text, to detect damage; YAML reads the line as a comment."""

import zlib
from typing import Final

MARK: Final = "# crc32 "


def seal(text: str) -> str:
    r"""Return the text with its checksum prepended.

    >>> seal("a: 1\n")
    '# crc32 e3231969\na: 1\n'
    """
    return f"{_line(text)}{text}"


def damaged(text: str) -> bool:
    r"""Return True if the text has a checksum that does not match; a text written before checksums has none.

    A first line that is another comment counts as a damaged checksum.

    >>> damaged(seal("a: 1\n")), damaged(seal("a: 1\n") + "b: 2\n"), damaged("a: 1\n")
    (False, True, False)
    """
    line, newline, rest = text.partition("\n")
    return text.startswith(MARK[0]) and line + newline != _line(rest)


def _line(text: str) -> str:
    return f"{MARK}{zlib.crc32(text.encode()):08x}\n"
