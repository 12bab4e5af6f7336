"""Upload of a submitted job: which files of a working directory Ray sends, their size, and what is left out."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ray._private.ray_constants import get_runtime_env_default_excludes
from ray._private.runtime_env import packaging

from automl.study.errors import StudyError
from automl.study.text import amount, one_line

LIMIT: Final = int(packaging.GCS_STORAGE_MAX_SIZE)
"""Bytes that the head accepts for one working directory."""
SECRETS: Final = ("auth_token", "*.token", ".env", "*.pem", "*.key")
"""Patterns that are never sent, in addition to `.gitignore` and `.rayignore`: whoever sees the job could read them."""
MOST_SHOWN: Final = 12
"""Names of left-out entries in a line."""
LARGEST: Final = 5

Filter = Callable[[Path], bool]


@dataclass(frozen=True, slots=True)
class Upload:
    """What Ray sends of a folder."""

    folder: Path
    sizes: dict[str, int]
    """Size in bytes by path relative to the folder."""
    left_out: tuple[str, ...]
    """Entries that are not sent, a folder with all below it once."""

    @property
    def size(self) -> int:
        """Return the size of all files in bytes, before compression."""
        return sum(self.sizes.values())

    def lines(self) -> Iterator[str]:
        """Yield what is sent, and what is not, as lines."""
        yield f"upload {self.folder}: {len(self.sizes)} files, {amount(self.size)} (limit {amount(LIMIT)})"
        if self.left_out:
            more = len(self.left_out) - MOST_SHOWN
            shown = ", ".join(self.left_out[:MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")
            yield f"left out, by .gitignore, .rayignore or as a secret: {shown}"

    def refuse_oversize(self, limit: int = LIMIT) -> None:
        """Check that the head accepts the size.

        Raises:
            StudyError: it does not; the message names the largest files.
        """
        if self.size < limit:
            return
        largest = sorted(self.sizes.items(), key=lambda item: -item[1])[:LARGEST]
        named = ", ".join(f"{one_line(name)} ({amount(size)})" for name, size in largest)
        raise StudyError(
            f"{self.folder}: an upload must be smaller than {amount(limit)}, but is {amount(self.size)}; the largest "
            f"files are {named}; name what is not needed in .rayignore, and put data on storage that all nodes mount"
        )


def measured(folder: Path) -> Upload:
    """Return what Ray would send of a folder: the rules are Ray's own, and so are their readers."""
    patterns = [*get_runtime_env_default_excludes(), *SECRETS]
    logging.getLogger(packaging.__name__).setLevel(logging.ERROR)  # it names each ignore file
    sizes: dict[str, int] = {}
    return Upload(folder, sizes, tuple(_visit(folder, (folder, sizes), [_matching(folder, patterns)])))


def _visit(path: Path, into: tuple[Path, dict[str, int]], filters: Sequence[Filter]) -> list[str]:
    """Collect the sizes of the files below a path; return what is left out there, a folder without any file once."""
    folder, sizes = into
    name = path.relative_to(folder).as_posix()
    if any(excluded(path) for excluded in filters):
        return [one_line(name)]
    if not path.is_dir():
        if path.is_file():
            sizes[name] = path.stat().st_size
        return []
    more = packaging.get_excludes_from_ignore_files(path, include_gitignore=_gitignore())
    before, filters = len(sizes), [*filters, *more]
    left_out = [entry for below in sorted(path.iterdir()) for entry in _visit(below, into, filters)]
    return [f"{one_line(name)}/"] if left_out and len(sizes) == before else left_out


def _matching(folder: Path, patterns: Sequence[str]) -> Filter:
    found: Filter = getattr(packaging, "_get_excludes")(folder, patterns)  # noqa: B009  (Ray's own rules)
    return found


def _gitignore() -> bool:
    """Return True if `.gitignore` counts; Ray reads the same variable."""
    return os.environ.get("RAY_RUNTIME_ENV_IGNORE_GITIGNORE", "0") != "1"
