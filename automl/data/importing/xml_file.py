"""XML annotation files: bounded in size, without document types and entities, which could grow or read other files."""

from pathlib import Path
from typing import Final
from xml.etree import ElementTree as Tree

from automl.data import regular_files
from automl.study.errors import DataError

MOST_BYTES: Final = 256 * regular_files.MB
"""Maximum size of an annotation file."""


def read(path: Path) -> Tree.Element:
    """Return the root of an XML file in UTF-8.

    Raises:
        DataError: it cannot be read, or has a document type.
    """
    try:
        text = regular_files.read(path, most=MOST_BYTES).decode("utf-8-sig")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise ValueError("it has a document type or entities")
        return Tree.fromstring(text)
    except (OSError, ValueError, Tree.ParseError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(
            f"{path}: must be XML in UTF-8 without a document type, but {reason}; export the annotations again"
        ) from None


def number(element: Tree.Element | None, name: str = "") -> float:
    """Return a number in the attribute `name` of an element, or in its text.

    Raises:
        ValueError: there is none.
    """
    text = None if element is None else element.get(name) if name else element.text
    if text is None:
        raise ValueError(f"{name or 'a number'} is missing")
    return float(text)
