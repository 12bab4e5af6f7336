"""Storage location: paths of the studies and the registry."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from automl.storage.layout import MODELS, RUNS, SPEC
from automl.storage.registry import Registry
from automl.study.errors import StudyError
from automl.study.load import stored
from automl.study.spec import StudySpec


@dataclass(frozen=True, slots=True)
class Place:
    """Storage location: `runs` with the studies, and next to it the registry."""

    storage: Path

    def study(self, name: str) -> Path:
        """Return a study's folder."""
        return self.storage / RUNS / name

    def registry(self, name: str) -> Registry:
        """Return the registry's part for a study."""
        return Registry(self.storage / MODELS, name)


def study_folder(named: Path, storage: Path) -> Path:
    """Return the folder of a study that is named by its folder or, below a storage, by its name.

    Raises:
        StudyError: a bare name is neither.
    """
    return _found(named, storage / RUNS, "study", lambda folder: (folder / SPEC).is_file())


def registry_folder(named: Path, storage: Path) -> Path:
    """Return the folder of a registry that is named by its folder or, below a storage, by its name.

    Raises:
        StudyError: a bare name is neither.
    """
    return _found(
        named, storage / MODELS, "registry", lambda folder: bool(Registry(folder.parent, folder.name).versions())
    )


def _found(named: Path, root: Path, kind: str, is_kind: Callable[[Path], bool]) -> Path:
    if is_kind(named.absolute()) or len(named.parts) != 1 or named.exists():
        return named
    if is_kind(root / named):
        return root / named
    there = sorted(path.name for path in root.iterdir() if _is_readable(path, is_kind)) if root.is_dir() else []
    raise StudyError(
        f"{named}: must be the folder of a {kind} or the name of one in {root}, but there "
        f"{'are ' + ', '.join(there) if there else 'is none'}; pass --storage or the folder"
    )


def _is_readable(path: Path, is_kind: Callable[[Path], bool]) -> bool:
    """Return True for a folder of a kind; False for one that may not be read, such as another user's."""
    try:
        return is_kind(path)
    except OSError:
        return False


def default_storage() -> Path:
    """Return the default storage of `runs` and `models`: $AUTOML_STORAGE, else the working directory.

    The working directory of a submitted job is deleted with the job, so there it is `automl` in the home folder.
    """
    if given := os.environ.get("AUTOML_STORAGE"):
        return Path(given).expanduser().absolute()
    submitted = "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ
    return Path.home() / "automl" if submitted else Path.cwd()


def read_spec(folder: Path) -> StudySpec:
    """Return the description of the study in a folder.

    Raises:
        StudyError: the folder has none.
    """
    if not (folder / SPEC).is_file():
        raise StudyError(f"{folder}: must be a study's folder, but has no {SPEC}")
    return stored(folder / SPEC)
