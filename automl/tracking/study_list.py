"""List of the past studies of a storage, those on the most similar data first."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from automl.data.summary import Summary, similarity
from automl.hpo.warm_start.past_study import PastStudy, look
from automl.storage.journal import Journal
from automl.storage.layout import JOURNAL, RUNS, SPEC
from automl.study.errors import AutomlError
from automl.study.text import View, counted, duration
from automl.tracking.study_status import verdict_in
from automl.trials.job_clock import Elapsed

OPTIONAL: Final = ("classes", "images", "objective", "model", "data", "date")
"""Columns that a narrow terminal goes without, in this order."""


@dataclass(frozen=True, slots=True)
class ListedStudy:
    """One study of a storage."""

    name: str
    folder: Path
    data: str
    images: int | None
    """Images of the training split; None if its data set is unknown."""
    classes: int | None
    ended: int
    trials: int
    """Maximum number."""
    objective: str
    best: float | None
    changed: str
    """When its journal was last written: UTC, ISO 8601."""
    model: str
    verdict: str
    """`promoted`, `not promoted`, or empty before there is one."""
    seconds: float
    """Wall-clock time of the whole job so far."""
    similarity: float | None
    """Similarity of its data set to the given one: 0 to 1; None if either is unknown."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The studies of a storage, those on the most similar data first."""

    storage: Path
    studies: tuple[ListedStudy, ...]
    problems: tuple[str, ...]
    """One message for each study that cannot be read, or of which a part was left out."""


def find(storage: Path, *, data: Summary | None = None) -> Listing:
    """Return the studies below `storage/runs`.

    With `data`, they are ordered by the similarity of their data to it, those of unknown data last; else by name.
    """
    found: list[ListedStudy] = []
    folders, problems = _folders(storage)
    for folder in folders:
        try:
            study = look(folder)
            problems += [study.note] if study.note else []
            found.append(_listed(study, similarity(study.data, data) if study.data and data else None))
        except AutomlError as error:
            problems.append(f"cannot be listed: {error}")
        except OSError as error:
            problems.append(f"cannot be listed: {folder}: {error.strerror}")
    found.sort(key=lambda study: 1.0 if study.similarity is None else -study.similarity)
    return Listing(storage, tuple(found), tuple(problems))


def listing(storage: Path, *, data: Summary | None = None) -> tuple[View, list[str]]:
    """Return a row for each study below `storage/runs`, and a line on each that cannot be read."""
    found = find(storage, data=data)
    return view(found, compared=data is not None), list(found.problems)


def view(found: Listing, *, compared: bool) -> View:
    """Return a listing as a table; `compared` shows the similarity as well."""
    columns = [
        "study", "date", "model", "data", "images", "classes", "trials", "objective", "best", "verdict", "cost",
        "similarity",
    ]  # fmt: skip
    width = len(columns) if compared else -1
    title = f"{counted(len(found.studies), 'study', 'studies')} in {found.storage / RUNS}"
    return View(title, columns[:width], [_row(study)[:width] for study in found.studies], optional=OPTIONAL)


def _folders(storage: Path) -> tuple[list[Path], list[str]]:
    """Return the folders of the studies, those that may not be read included, and why there are none."""
    try:
        places = sorted((storage / RUNS).iterdir())
    except FileNotFoundError:
        return [], []
    except OSError as error:
        return [], [f"{storage / RUNS}: {error.strerror}"]
    return [path for path in places if _may_be_study(path)], []


def _may_be_study(folder: Path) -> bool:
    try:
        return (folder / SPEC).exists()
    except OSError:  # another user's, say; the listing says why it cannot be read
        return True


def _listed(study: PastStudy, alike: float | None) -> ListedStudy:
    data = study.spec.data
    journal = Journal.read(study.folder, metric=study.spec.metric)
    with journal.interpreted():
        notes = journal.notes()
        verdict, seconds = verdict_in(notes), Elapsed.from_notes(notes).seconds
    written = datetime.fromtimestamp((study.folder / JOURNAL).stat().st_mtime, UTC)
    return ListedStudy(
        name=study.folder.name,
        folder=study.folder,
        data=data_name(data),
        images=study.data.images if study.data else None,
        classes=study.data.classes if study.data else None,
        ended=len(study.ended),
        trials=study.spec.budget.trials,
        objective=study.spec.objective_name,
        best=max((value for trial in study.trials if (value := trial.best(trial.epoch)) is not None), default=None),
        changed=written.isoformat(timespec="seconds"),
        model=Path(study.spec.model).name,
        verdict="" if verdict is None else "promoted" if verdict.accepted else "not promoted",
        seconds=seconds,
        similarity=alike,
    )


def data_name(data: str) -> str:
    """Return the name of a data set: that of its folder or archive.

    >>> data_name("/data/pcb/data.yaml"), data_name("/data/pcb"), data_name("/data/pcb.zip"), data_name("sample")
    ('pcb', 'pcb', 'pcb.zip', 'sample')
    """
    path = Path(data)
    return (path.parent.name if path.suffix.lower() in {".yaml", ".yml"} else path.name) or data


def _row(study: ListedStudy) -> list[str]:
    unknown = "unknown"
    return [
        study.name,
        study.changed[:10],
        study.model,
        study.data,
        unknown if study.images is None else str(study.images),
        unknown if study.classes is None else str(study.classes),
        f"{study.ended}/{study.trials}",
        study.objective,
        "" if study.best is None else f"{study.best:.4f}",
        study.verdict,
        duration(study.seconds) if study.seconds else "",
        unknown if study.similarity is None else f"{study.similarity:.2f}",
    ]
