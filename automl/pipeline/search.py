"""The search stage: run trials until the budget is spent."""

from collections.abc import Iterable

from automl import cluster
from automl.pipeline import disk_forecast
from automl.pipeline.session import Session
from automl.storage import job_file
from automl.storage.layout import PARAMS
from automl.study import Job, Trial
from automl.study.errors import Interrupted, StudyError
from automl.tracking import status
from automl.tracking.tensorboard_writer import Board
from automl.trials.jobs import Frame
from automl.trials.manager import Search


def search(session: Session, slots: cluster.Slots) -> list[Trial]:
    """Run trials until the budget is spent, and return them."""
    spec, frame = session.spec, frame_of(session, slots)
    source = Search(
        frame=frame,
        journal=session.journal,
        board=Board(session.folder, spec.search_space, metric=spec.metric, say=session.progress.event),
        overview=status,
        progress=session.progress,
        earlier=session.earlier,
        needs=disk_forecast.needs(frame),
        elapsed=session.clock.elapsed,
    )
    mend_cards(session, map(source.job, source.trials))
    try:
        if not source.finished:
            with session.progress.live():
                cluster.run(source, slots)
            if source.over:
                source.finish()
            session.progress.show(source.view, now=True)
    finally:
        source.close()
    if source.stopping:
        raise Interrupted
    if source.hopeless and not any(trial.measurements for trial in source.trials):
        raise StudyError(f"{session.folder}: {source.hopeless}; mend that and start again under another --name")
    return source.trials


def mend_cards(session: Session, jobs: Iterable[Job]) -> None:
    """Write damaged job files again, from the journal."""
    for job in jobs:
        if job_file.mend(job):
            session.progress.event(f"{job.folder / PARAMS} could not be read and is written again from the journal")


def frame_of(session: Session, slots: cluster.Slots) -> Frame:
    """Return what is fixed while the study runs."""
    return Frame(
        folder=session.folder,
        spec=session.spec,
        data=session.staged,
        gpus=slots.gpus,
        threads=max(1, int(slots.cpus)),
        concurrent=slots.concurrent,
        baseline=session.baseline,
    )
