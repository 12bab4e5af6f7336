"""The past studies of a storage in one table, the ones on the most similar data first."""

from pathlib import Path

from automl.data.summary import Summary, similarity
from automl.hpo.warm_start.past_study import EarlierStudy, look
from automl.storage.layout import RUNS, SPEC
from automl.study.errors import AutomlError
from automl.study.spec import SAMPLE
from automl.study.text import View


def listing(storage: Path, *, data: Summary | None = None) -> tuple[View, list[str]]:
    """Return a row for each study below `storage/runs`, and a line on each that cannot be read.

    With `data`, the studies are ordered by the similarity of theirs to it, those of unknown data last; else by name.
    """
    rows: list[tuple[float, list[str]]] = []
    problems: list[str] = []
    for folder in _folders(storage):
        try:
            study = look(folder)
            alike = similarity(study.data, data) if study.data and data else None
            rows.append((-1.0 if alike is None else alike, _row(study, alike)))
        except AutomlError as error:
            problems.append(f"cannot be listed: {error}")
    rows.sort(key=lambda row: -row[0])
    columns = ["study", "data", "images", "classes", "trials", "objective", "best", "similarity"]
    width = len(columns) if data else -1
    title = f"{len(rows)} studies in {storage / 'runs'}"
    return View(title, columns[:width], [row[:width] for _, row in rows]), problems


def _folders(storage: Path) -> list[Path]:
    try:
        return sorted(path for path in (storage / RUNS).iterdir() if (path / SPEC).exists())
    except OSError:
        return []


def _row(study: EarlierStudy, alike: float | None) -> list[str]:
    best = max((value for trial in study.trials if (value := trial.best(trial.epoch)) is not None), default=None)
    data = study.spec.data
    return [
        study.folder.name,
        data if data == SAMPLE else Path(data).parent.name or data,
        str(study.data.images) if study.data else "unknown",
        str(study.data.classes) if study.data else "unknown",
        f"{len(study.ended)}/{study.spec.budget.trials}",
        study.spec.objective,
        "" if best is None else f"{best:.4f}",
        "unknown" if alike is None else f"{alike:.2f}",
    ]
