"""Names of the files and folders of a storage, of a study and of a trial."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from automl.storage.registry import Registry
from automl.study.errors import StudyError
from automl.study.load import stored
from automl.study.spec import StudySpec

SPEC: Final = "study.yaml"
JOURNAL: Final = "journal.log"
VERDICT: Final = "promotion.json"
DATASET: Final = "dataset.json"
"""The summary of a study's data set."""


CONFIRM: Final = "confirm"


TRIALS: Final = "trials"


DATA: Final = "data"
MODELS: Final = "models"
WRITTEN: Final = ("trials", "confirm", "export", MODELS, DATA)
"""The folders of a study's own in which it writes."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where things are: a study's folder, and beside `runs` the registry."""

    storage: Path

    def study(self, name: str) -> Path:
        """Return a study's folder."""
        return self.storage / "runs" / name

    def registry(self, spec: StudySpec) -> Registry:
        """Return the registry's part for a study."""
        return Registry(self.storage / "models", spec.champion_name)


def default_storage() -> Path:
    """Return where `runs` and `models` go: $AUTOML_STORAGE, else here.

    The folder of a submitted job is thrown away with the job, so there it is `automl` in the home folder.
    """
    if given := os.environ.get("AUTOML_STORAGE"):
        return Path(given).expanduser().absolute()
    submitted = "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ
    return Path.home() / "automl" if submitted else Path.cwd()


def resumable(folder: Path) -> StudySpec:
    """Return the description of the study in a folder.

    Raises:
        StudyError: the folder holds none.
    """
    if not (folder / SPEC).is_file():
        raise StudyError(f"{folder}: must be a study's folder, but has no {SPEC}")
    return stored(folder / SPEC)


LAST: Final = "last.pt"
"""What a training goes on from; after its end, stripped weights."""
PREVIOUS: Final = "previous.pt"
"""The same of the epoch before, should `last.pt` be damaged."""
NEXT: Final = "next.pt"
BEST: Final = "best.pt"
CURVES: Final = "curves.csv"
