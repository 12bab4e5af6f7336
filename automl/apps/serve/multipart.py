"""Multipart bodies (RFC 7578) that are in memory: the places of the files in them, without a copy.

Bounded in parts and in the length of their headers. The standard library reads the headers; it has no parser for a body
that is binary and that leaves the parts where they are.
"""

from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser
from typing import Final

from automl.apps.serve.refusal import RequestError
from automl.study.text import printable

MOST_IMAGES: Final = 32
"""Images of one request."""
MOST_HEADER: Final = 4096
"""Bytes of the headers of one part."""
MOST_BOUNDARY: Final = 70
"""Letters, by RFC 2046."""
LONGEST_NAME: Final = 200
KIND: Final = "multipart/form-data"
END: Final = b"\r\n"


@dataclass(frozen=True, slots=True)
class File:
    """A file in a body: its name, and where its bytes begin and end."""

    name: str
    start: int
    end: int


def boundary(content_type: str) -> bytes | None:
    """Return the boundary that a Content-Type header gives; None if the body is not multipart.

    >>> boundary('multipart/form-data; boundary="a b"'), boundary("image/png")
    (b'a b', None)

    Raises:
        RequestError: it is multipart without a boundary of 1 to 70 letters.
    """
    header = Message()
    header["content-type"] = content_type
    if header.get_content_type() != KIND:
        return None
    found = header.get_boundary("")
    if not (found.isascii() and found.isprintable() and 1 <= len(found) <= MOST_BOUNDARY):
        raise RequestError(400, f"{KIND}: boundary must have 1 to {MOST_BOUNDARY} letters, but has {len(found)}")
    return found.encode("ascii")


def files(content: bytes | bytearray, mark: bytes) -> list[File]:
    r"""Return the files of a multipart body, in its order.

    >>> body = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\nPNG\r\n--x--\r\n'
    >>> [(file.name, body[file.start : file.end]) for file in files(body, b"x")]
    [('a.png', b'PNG')]

    Raises:
        RequestError: the body is cut or malformed (400), has a field that is no file (422) or too many files (413).
    """
    found: list[File] = []
    at = 0 if content.startswith(b"--" + mark) else _next(content, mark, 0) + len(END)
    while not content.startswith(b"--", at := at + 2 + len(mark)):
        if len(found) == MOST_IMAGES:
            raise RequestError(413, f"{KIND}: a request must have at most {MOST_IMAGES} images; send several")
        if not content.startswith(END, at):
            raise RequestError(400, f"{KIND}: a boundary must end its line")
        head = content.find(END + END, at, at + MOST_HEADER)
        if head < 0:
            raise RequestError(400, f"{KIND}: each part must have headers of at most {MOST_HEADER} bytes")
        start = head + 2 * len(END)
        end = _next(content, mark, start - len(END))  # the end of the headers is also that before an empty file
        found.append(File(_name(bytes(content[at + len(END) : start])), start, max(start, end)))
        at = end + len(END)
    if not found:
        raise RequestError(422, f"{KIND}: must contain an image, but is empty")
    return found


def _next(content: bytes | bytearray, mark: bytes, start: int) -> int:
    """Return where the line end before the next boundary is."""
    at = content.find(END + b"--" + mark, start)
    if at < 0:
        raise RequestError(400, f"{KIND}: must end with its boundary, but is cut or has another one")
    return at


def _name(header: bytes) -> str:
    name = BytesHeaderParser().parsebytes(header).get_filename()
    if name is None:
        raise RequestError(422, f"{KIND}: each field must be a file with a filename; give thresholds in the query")
    return printable(name[:LONGEST_NAME])
