"""Path of the shipped search spaces: next to the package in a checkout, inside it where a wheel was installed."""

from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).resolve().parents[1]
NAME: Final = "search_spaces"


def folder(package: Path = PACKAGE) -> Path:
    """Return the folder of the shipped descriptions; `setup.py` copies it into a wheel as `automl/search_spaces`."""
    inside = package / NAME
    return inside if inside.is_dir() else package.parent / NAME
