"""Session: opens a study folder for exclusive use, with data checked and staged, and the journal open."""

import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich.console import Console

from automl.data import staging
from automl.data.record import DataSet
from automl.hpo import warm_start as hpo_warm_start
from automl.pipeline import data_identity, extension, plain_training, portfolio
from automl.pipeline.inputs import (
    adopt,
    located,
    named_from,
    prepare_data,
    refuse_inside,
    refuse_misfits,
    setting_warnings,
    summary_of,
    warm_start,
)
from automl.storage import begun, environment, files, layout, symlinks
from automl.storage.journal import Journal
from automl.storage.layout import DATA, JOURNAL, SPEC
from automl.storage.outage import RetrySettings, retries_enabled
from automl.storage.place import Place
from automl.study import Params, PastEvidence, mosaic, repeats, warm_up
from automl.study.baseline import Baseline
from automl.study.errors import StudyError
from automl.study.load import dump, stored
from automl.study.packing import Shares
from automl.study.spec import SAMPLE, StudySpec
from automl.study.text import printable
from automl.tracking.console import Progress
from automl.trainers import trainer_of
from automl.trials import commands, heartbeat
from automl.trials.job_clock import JobClock
from automl.trials.lease import utc_now
from automl.trials.listener import TrialListener

LOG: Final = logging.getLogger(__name__)


@dataclass(slots=True)
class Session:
    """An open study, under its lock."""

    spec: StudySpec
    place: Place
    folder: Path
    data: DataSet
    staged: Path
    journal: Journal
    progress: Progress
    earlier: tuple[PastEvidence, ...] = ()
    """Warm start: trials of earlier studies for the sampler."""
    baseline: Baseline | None = None
    """Params of trial 0; None in a study begun by an earlier version."""
    allowed: tuple[Params, ...] = ()
    """Structures that no constraint excludes, the dearest first; empty: all."""
    costs: tuple[float, ...] = ()
    """The second objective of each of them; empty: the metric alone counts."""
    portfolio: tuple[Params, ...] = ()
    """Params of past studies and of the shipped portfolio, which are tried after the default."""
    shares: Shares = field(default_factory=Shares)
    """GPU share of each structure, with `resources.gpus: auto`."""
    watchers: tuple[TrialListener, ...] = ()
    """Further listeners of all trainings of this session."""
    clock: JobClock = field(init=False)

    def __post_init__(self) -> None:
        """Continue the wall-clock time of earlier sessions."""
        self.clock = JobClock(self.journal)


def _log_warnings(spec: StudySpec) -> None:
    """Log what is doubtful in the space and the ladder."""
    space, fixed, epochs = spec.search_space, trainer_of().settings() | spec.train, spec.ladder.max_epochs
    for warning in repeats.warnings(space, spec.budget.trials):
        LOG.info(f"space warning: {warning}")
    for warning in (
        *warm_up.warnings(spec.ladder, space, fixed=fixed, model=spec.model),
        *mosaic.warnings(space, epochs=epochs, fixed=fixed),
    ):
        LOG.info(f"ladder warning: {warning}")


@contextmanager
def opened(spec: StudySpec, place: Place, *, console: Console | None = None) -> Iterator[Session]:
    """Lock the study's folder, check and stage the data, and open the journal.

    Raises:
        StudyError: the folder is in use, belongs to another description, or cannot be written.
    """
    began, folder = time.monotonic(), place.study(spec.name)
    refuse_inside(folder, [Path(spec.data)] if spec.data != SAMPLE else [])
    new = not folder.exists()
    _make(folder)
    symlinks.check(folder, pictures=folder / DATA / "images")
    symlinks.check(place.registry(spec.champion_name).folder)
    progress = Progress(folder / layout.LOG, console=console)
    with (
        files.locked(folder),
        _removed_unless_begun(folder, new=new),
        progress.attached(),
        retries_enabled(RetrySettings(LOG.info)),
        _driving(folder),
    ):
        spec = named_from(place.storage, adopt(spec, folder))
        spec, journal = _claimed(folder, spec)
        commands.delete_answers(folder)
        LOG.info(f"study {spec.name} in {folder}: checking the data set {spec.data}")
        data, staged = _data(spec, folder, journal)
        _log_warnings(spec)
        transfers = warm_start(spec, place, data)
        for transfer in transfers:
            LOG.info(transfer.summary())
        journal = journal or Journal.create(folder, name=spec.name, metric=spec.metric)
        data_identity.record(data, folder, journal)
        environment.record(journal, environment.described(environment.present(gpu=True)), at=utc_now())
        for warning in journal.warnings:
            LOG.info(f"journal: {warning}")
        baseline = plain_training.recorded(
            journal, data, space=spec.search_space, train=spec.train, epochs=spec.ladder.max_epochs
        )
        if baseline:
            LOG.info(plain_training.summary(baseline))
        known = portfolio.recorded(journal, spec, baseline, storage=place.storage, data=summary_of(data))
        session = Session(
            spec, place, folder, data, staged, journal, progress, hpo_warm_start.evidence(transfers), baseline, known
        )
        session.clock.count_from(began)
        with session.clock.running():
            yield session


def _data(spec: StudySpec, folder: Path, journal: Journal | None) -> tuple[DataSet, Path]:
    """Check and stage the data set, and log its warnings."""
    data, staged = prepare_data(spec.data, folder, split=spec.confirm.split, searched=spec.space, journal=journal)
    refuse_misfits(located(spec, folder), data)
    if links := staging.link_replacement(staged):
        LOG.info(links)
    for warning in (*data.warnings, *setting_warnings(spec.train, data, searched=spec.space)):
        for line in f"data warning: {warning}".split("\n"):
            LOG.info(line)
    return data, staged


@contextmanager
def _driving(folder: Path) -> Iterator[None]:
    """Write the driver's heartbeats during a block; the folder must be whole, and no other driver alive."""
    heartbeat.check_alone(folder)
    begun.check(folder)
    with heartbeat.heartbeats(folder, attempt=0):
        yield


@contextmanager
def _removed_unless_begun(folder: Path, *, new: bool) -> Iterator[None]:
    """Delete the new folder of a study that never began, so that it is neither listed nor blocks its name."""
    try:
        yield
    finally:
        if new and not (folder / JOURNAL).exists():
            shutil.rmtree(folder, ignore_errors=True)


def _make(folder: Path) -> None:
    """Create the study's folder.

    Raises:
        StudyError: it cannot be created, or its path is not UTF-8.
    """
    if (shown := printable(str(folder))) != str(folder):
        raise StudyError(f"{shown}: must be a UTF-8 path, since files in it contain the path; pass --storage")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudyError(f"{folder}: must be a writable folder, but {error.strerror}; pass --storage") from None


def claim(folder: Path, spec: StudySpec) -> StudySpec:
    """Check that the study in a folder has this description, and return it; a new study records it.

    Some keys may change after a study began (`study.extension`); a change is recorded in the journal.
    """
    return _claimed(folder, spec)[0]


def _claimed(folder: Path, spec: StudySpec) -> tuple[StudySpec, Journal | None]:
    """Return the description of the study in a folder, and its journal if it has begun."""
    path = folder / SPEC
    begun.check(folder)
    if not path.exists() or not begun.has_lines(folder):
        files.write_text(path, dump(spec))
        return spec, None
    kept = stored(path)
    # A damaged journal is refused before anything of the study is touched.
    journal = Journal.create(folder, name=kept.name, metric=kept.metric)
    return extension.extended(folder, journal, kept, spec), journal
