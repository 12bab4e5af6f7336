"""Python API for notebooks and scripts, exported by `import automl`; the command line uses it as well.

study = automl.search("search_spaces/smoke.yaml", data="/data/pcb/data.yaml")
pandas.DataFrame(study.trials)
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from automl import cluster
from automl.hpo import selection
from automl.pipeline import inputs, projection, requests
from automl.pipeline.audit import MODELS, SPLITS, Asked, AuditReport, audit
from automl.pipeline.preview import Preview, preview
from automl.storage import records
from automl.storage.files import LockedError
from automl.storage.journal import Journal
from automl.storage.layout import AUDIT_LIST, AUDIT_PAGE, RUNS
from automl.storage.place import Place, default_storage, read_spec
from automl.study import Params, Trial, yaml_io
from automl.study.errors import StudyError
from automl.study.load import load
from automl.study.plain_values import plain
from automl.study.spec import SAMPLE, StudySpec
from automl.study.verdict import Verdict
from automl.tracking import audit_page, structure_table, study_status
from automl.tracking.console import announce
from automl.tracking.diagnosis import findings_file
from automl.tracking.diagnosis.finding import Finding
from automl.tracking.projector import Projection
from automl.tracking.report import language_of
from automl.tracking.study_status import StudyStatus, TrialRecord
from automl.trainers import trainer_of


class Study:
    """A study in its folder, `runs/<study>`. Every property reads the folder, also while another process searches."""

    def __init__(self, folder: Path | str, *, spec: StudySpec | None = None) -> None:
        """Open a study's folder; use `automl.open_study` or `automl.search`.

        Raises:
            StudyError: the folder contains none.
        """
        self.folder = Path(folder).absolute()
        self.spec = spec or read_spec(self.folder)

    def __repr__(self) -> str:
        """Return the Python expression that opens the study."""
        return f"automl.open_study({str(self.folder)!r})"

    @property
    def name(self) -> str:
        """Return the study's name."""
        return self.spec.name

    @property
    def trials(self) -> list[TrialRecord]:
        """Return all trials as flat records; `pandas.DataFrame(study.trials)` accepts them."""
        return self._records(self._read())

    @property
    def best_trial(self) -> TrialRecord | None:
        """Return the best trial of those that trained longest; None before one has ended."""
        trials = self._read()
        try:
            best = selection.best_trial(trials, self.spec.metric)
        except StudyError:
            return None
        return self._records(trials)[best.number]

    @property
    def verdict(self) -> Verdict | None:
        """Return what ships and whether the params are better than the baseline's; None before the study's end."""
        journal = self._journal()
        with journal.interpreted():
            return study_status.verdict_in(journal.notes())

    def status(self) -> StudyStatus:
        """Return the status of the study."""
        return study_status.read(self.folder, self.spec)

    def findings(self) -> list[Finding]:
        """Return what the diagnosis found in the study, its trials and its re-trainings, while it holds."""
        return findings_file.of_study(self.folder, self.spec, self._read())

    def report(self, *, lang: str = "en") -> Path:
        """Write `report.html` from what the study has found so far, in English or Chinese (`zh`); return its path.

        Raises:
            StudyError: there is no such language.
        """
        from automl.tracking.report import page  # noqa: PLC0415  (Matplotlib)

        language = language_of(lang)
        journal = self._journal()
        rows = structure_table.rows(self.spec, journal.notes(), journal.trials())
        edition = page.Edition(inputs.source_of(self.spec.data, self.folder), language, rows)
        return page.write(self.folder, self.spec, journal.trials(), self.verdict, edition=edition)

    @property
    def audit_page(self) -> Path:
        """Return the path of the label audit's page, `audit.html`."""
        return self.folder / AUDIT_PAGE

    def audit(
        self, *, models: int = MODELS, splits: Sequence[str] | None = None, lang: str = "en", folds: int = 0,
        epochs: int = 0,
    ) -> AuditReport:  # fmt: skip
        """Rank suspect labels by the predictions of the study's kept models; write `audit.html` and `audit.json`.

        Labels are never changed.

        Args:
            models: Number of models that predict at most, the best first.
            splits: Which of train, val and test; default: train and val.
            lang: Language of the page, `en` or `zh`.
            folds: If not 0, in place of the study's models so many trainings, each asked about images it has not seen.
            epochs: Epochs of each of these; 0: as many as the study's best model had.

        Raises:
            StudyError: no weights are left, a training failed, or there is no such language or split.
        """
        language, asked = language_of(lang), Asked(models, folds, epochs)
        registry = Place(self.folder.parents[1]).registry(self.spec.champion_name)
        found = audit(self.folder, self.spec, splits=tuple(splits or SPLITS), asked=asked, registry=registry)
        records.write_json(self.folder / AUDIT_LIST, plain(found))
        head = audit_page.Head(
            found.study, found.source, found.models, found.images, found.labels, found.learned, found.folds
        )
        audit_page.write(self.audit_page, head, found.suspects, language=language)
        return found

    def project(self, trial: int, *, points: int = projection.POINTS) -> Projection:
        """Write features of labelled objects of the validation set for TensorBoard's projector; see `automl project`.

        Args:
            trial: Number of the trial; its best weights are used.
            points: Maximum number of objects, evenly spaced over all.

        Raises:
            StudyError: there is no such trial, or it has no weights.
        """
        return projection.project(self.folder, self.spec.model, self._read(), number=trial, points=points)

    def resume(self, *, address: str | None = None, fewer_gpus: bool = False) -> None:
        """Continue an interrupted study to its end; the same as `automl resume`.

        Raises:
            StudyError: the folder has another name than its study, or is in use.
        """
        if (self.folder.parent.name, self.folder.name) != (RUNS, self.name):
            raise StudyError(f"{self.folder}: must be named runs/{self.name}, the name of its study; rename it")
        from automl.pipeline import run  # noqa: PLC0415  (Ray, ONNX Runtime)

        run.run(self.spec, Place(self.folder.parents[1]), address=address, fewer_gpus=fewer_gpus)

    def cancel(self, trial: int) -> str:
        """End one trial that runs, waits or is paused; return what was done. The same as `automl cancel`.

        Raises:
            StudyError: there is no such trial, it has ended, or it is the baseline.
        """
        return requests.cancel(self.folder, trial, metric=self.spec.metric)

    def enqueue(self, params: Params) -> str:
        """Try params next, others with the default of the space; return what was done. The same as `automl enqueue`.

        Raises:
            SpecError: they are not in the space.
        """
        return requests.enqueue(self.folder, self.spec, params)

    def _journal(self) -> Journal:
        return Journal.read(self.folder, metric=self.spec.metric)

    def _records(self, trials: list[Trial]) -> list[TrialRecord]:
        spec = self.spec
        return study_status.records_in(self.folder, trials, ladder=spec.ladder, metric=spec.metric, model=spec.model)

    def _read(self) -> list[Trial]:
        return self._journal().trials()


def search(  # noqa: PLR0913  (the options of `automl search`)
    spec: Path | str,
    *,
    data: Path | str | None = None,
    model: Path | str | None = None,
    name: str | None = None,
    storage: Path | str | None = None,
    address: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    fewer_gpus: bool = False,
) -> Study:
    """Search, confirm, export and promote; a study that was interrupted continues, a finished one is returned.

    Args:
        spec: Path of the description, a YAML file.
        data: `data.yaml` of the data set, or `sample`.
        model: Weights or a model YAML.
        name: The study's name.
        storage: Folder of `runs/` and `models/`; default: $AUTOML_STORAGE, else the working directory.
        address: Address of a Ray cluster to join; without it, a local Ray is started. If a joined cluster is lost, the
            process ends with exit code 75.
        overrides: Dotted keys of the description, such as `{"budget.trials": 6}`, to values that override the file.
        fewer_gpus: Accept that the trials use fewer GPUs than in the study's last session.

    Raises:
        AutomlError: a condition that the user can fix; the message contains the remedy.
        KeyboardInterrupt: stopped; the same call continues.
    """
    from automl.pipeline import run  # noqa: PLC0415  (Ray, ONNX Runtime)

    given = {"data": data, "model": model, "name": name}
    cluster.refuse_arguments()
    described, place = describe(spec, given, overrides), place_at(storage)
    try:
        run.run(described, place, address=address, fewer_gpus=fewer_gpus)
    except LockedError:
        if not (done := requests.extend(place, described)):
            raise
        announce(done)
    return Study(place.study(described.name))


def check(  # noqa: PLR0913  (the options of `automl check`)
    spec: Path | str,
    *,
    data: Path | str | None = None,
    model: Path | str | None = None,
    storage: Path | str | None = None,
    overrides: Mapping[str, Any] | None = None,
    report: Path | str | None = None,
    prove: bool = False,
) -> Preview:
    """Return what a study would do and cost, from its description and data; nothing is started.

    The arguments are those of `search`; `report` is an HTML file to which the report on the data is written. With
    `prove` a few batches are trained for each searched parameter to show which ones change nothing (`Preview.proof`,
    where also the parameters are that `search` would refuse).

    Raises:
        AutomlError: an error that `search` would report before its first trial.
    """
    cluster.refuse_arguments()
    described = describe(spec, {"data": data, "model": model}, overrides, dead=not prove)
    return preview(described, place_at(storage), page=Path(report) if report else None, prove=prove)


def open_study(folder: Path | str) -> Study:
    """Return the study in a folder, `runs/<study>`.

    Raises:
        AutomlError: the folder contains none, or a newer version wrote it.
    """
    return Study(folder)


def describe(
    spec: Path | str,
    given: Mapping[str, Path | str | None],
    overrides: Mapping[str, Any] | None = None,
    *,
    dead: bool = True,
) -> StudySpec:
    """Read a description; the values in `given` and `overrides` override the file.

    With `dead`, searched parameters without effect are mistakes.

    Raises:
        SpecError: all mistakes at once.
    """
    changes: dict[str, Any] = {key: str(value) for key, value in given.items() if value is not None}
    for key, value in changes.items():
        yaml_io.refuse_secrets(value, where=key)
    if changes.get("data", SAMPLE) != SAMPLE:
        changes["data"] = str(Path(changes["data"]).absolute())
    return load(Path(spec), rules=trainer_of(), overrides={**changes, **(overrides or {})}, dead=dead)


def place_at(storage: Path | str | None) -> Place:
    """Return the given storage, else the default one."""
    return Place((Path(storage) if storage else default_storage()).absolute())
