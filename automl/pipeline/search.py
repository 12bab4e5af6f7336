"""Search stage: run trials until the budget is spent."""

import logging
from collections.abc import Iterable
from typing import Final

from automl import cluster
from automl.hpo.selection import best_trial
from automl.pipeline import disk_forecast, operators
from automl.pipeline.board import listeners_of
from automl.pipeline.plan import Planner
from automl.pipeline.session import Session
from automl.storage import job_file
from automl.storage.layout import PARAMS
from automl.study import Job, Trial
from automl.study.errors import Interrupted, StudyError
from automl.study.text import shown
from automl.tracking import status, structure_table
from automl.trials import repair
from automl.trials.job_clock import Stage
from automl.trials.jobs import RunContext
from automl.trials.listener import TrialListener
from automl.trials.manager import TrialManager

LOG: Final = logging.getLogger(__name__)


def search(session: Session, slots: cluster.Slots) -> list[Trial]:
    """Run trials until the budget is spent, and return them."""
    session.clock.enter(Stage.SEARCH, places=slots.concurrent)
    spec, context = session.spec, run_context(session, slots)
    planner = Planner(session.journal, spec, slots.concurrent, session.clock.elapsed)
    further: tuple[TrialListener, ...] = (
        operators.trial_metrics(context, session.journal.trials()), planner, *session.watchers,
    )  # fmt: skip
    manager = TrialManager(
        context=context,
        journal=session.journal,
        listeners=listeners_of(context, session.data, further=further),
        overview=status,
        table=session.progress,
        earlier=session.earlier,
        needs=disk_forecast.needs(spec, context.absolute),
        elapsed=session.clock.elapsed,
    ).restore()
    rewrite_job_files(map(manager.job, manager.trials))
    for trial in manager.trials:
        if done := repair.mend_curves(manager.job(trial).folder, trial.measurements):
            LOG.info(done)
    manager.steering.execute(manager, now=True)
    try:
        if not manager.finished:
            with session.progress.live():
                cluster.run(manager, slots)
            if manager.over:
                manager.finish()
            session.progress.show(manager.view, now=True)
    finally:
        session.spec = manager.context.spec
        manager.close()
    if manager.stopping:
        raise Interrupted
    if manager.aborted and not any(trial.measurements for trial in manager.trials):
        raise StudyError(
            f"{session.folder}: {manager.aborted}; fix the cause and start a new study with another --name"
        )
    for line in structure_table.lines(spec, session.journal.notes(), manager.trials):
        LOG.info(line)
    best = best_trial(manager.trials, spec.metric)
    LOG.info(f"best trial is {best.number}, {best.state.lower()}: {shown(best.params)}")
    return manager.trials


def rewrite_job_files(jobs: Iterable[Job]) -> None:
    """Rewrite damaged job files from the journal."""
    for job in jobs:
        if job_file.repair(job):
            LOG.info(f"{job.folder / PARAMS} was unreadable and is rewritten from the journal")


def run_context(session: Session, slots: cluster.Slots) -> RunContext:
    """Return the immutable run settings of the study."""
    return RunContext(
        folder=session.folder,
        spec=session.spec,
        data=session.staged,
        gpus=slots.gpus,
        threads=max(1, int(slots.cpus)),
        concurrent=slots.concurrent,
        cpus=slots.cpus,
        baseline=session.baseline,
        allowed=session.allowed,
        costs=session.costs,
        portfolio=session.portfolio,
        shares=session.shares,
    )
