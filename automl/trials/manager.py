"""Trial manager: selects the next job, pauses and stops trials, records every event.

Does not import Ray, so a simulation runs the same code. Every event is in the journal before listeners get it.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Self

from automl.hpo.asha import Decision
from automl.hpo.strategy import Strategy
from automl.storage import collection, files, layout
from automl.storage.journal import Journal
from automl.study import Answer, Ending, EndReason, Job, Loss, Measurement, PastEvidence, State, Trial
from automl.study.text import View
from automl.trials import lease, log_lines, quota, retry
from automl.trials.active import ActiveJobs
from automl.trials.budget import reason_to_abort
from automl.trials.job_clock import Elapsed
from automl.trials.jobs import RunContext, strategy_settings
from automl.trials.limits import Limits
from automl.trials.listener import Listeners, LiveTable, StatusTable
from automl.trials.live_view import LiveView, still
from automl.trials.steering import Steering
from automl.trials.suggestions import Suggestions

LOG: Final = logging.getLogger(__name__)


@dataclass(slots=True)
class TrialManager:
    """The trials of a study as a source of jobs (see `source.JobSource`); call `restore` before anything else."""

    context: RunContext
    journal: Journal
    listeners: Listeners
    overview: StatusTable
    table: LiveTable
    clock: Callable[[], float] = time.monotonic
    stopping: bool = False
    aborted: str = ""  # why, if it was aborted early
    earlier: tuple[PastEvidence, ...] = ()
    elapsed: Callable[[], Elapsed] | None = None
    needs: Mapping[str, int] = field(default_factory=dict)
    canceled: set[int] = field(default_factory=set)
    _trials: dict[int, Trial] = field(default_factory=dict)
    _waiting: deque[int] = field(default_factory=deque)
    _live: ActiveJobs = field(init=False)
    _paused: set[int] = field(default_factory=set)
    _strategy: Strategy = field(init=False)
    _quota: quota.QuotaManager = field(init=False)
    _view: LiveView = field(init=False)
    steering: Steering = field(init=False)
    limits: Limits = field(init=False)
    _suggestions: Suggestions = field(init=False)

    def __post_init__(self) -> None:
        """Create the parts, empty."""
        self._live = ActiveJobs(self.context.spec.resources, self.clock)
        self._strategy = Strategy(strategy_settings(self.context, self.earlier))
        self.limits = Limits(self.context, self.journal, self.clock, self.elapsed)
        self._quota = quota.QuotaManager(self.context, self.clock, self.needs)
        self._view, self.steering = LiveView(self.overview), Steering(self.context.folder, self.journal, self.clock)
        self._suggestions = Suggestions(self.journal, self._strategy, self.steering.queue, self.limits)

    @collection.paused(freeze=True)
    def restore(self) -> Self:
        """Restore trials, strategy, budget and quota from the journal; complete records of a killed writer."""
        self.journal.complete_records()
        for trial in self.journal.trials():
            self._strategy.add(self._trials.setdefault(trial.number, trial))
            if self._strategy.pauses(trial):
                self._paused.add(trial.number)
            elif trial.state is State.RUNNING:
                self._waiting.append(trial.number)
        self._quota.restore((trial, self.job(trial)) for trial in self._trials.values())
        self.limits.restore(self.trials)
        self.steering.restore(self.trials)
        return self

    @property
    def trials(self) -> list[Trial]:
        """Return all trials by number."""
        return list(self._trials.values())

    @property
    def over(self) -> bool:
        """Return True if no further job will come: none waits, and none runs that may be lost or evicted."""
        if self._waiting or self._live:
            return False
        return self.limits.closed(self.aborted) or (
            self._none_new and not (self._strategy.can_advance() or self._none_completed)
        )

    @property
    def finished(self) -> bool:
        """Return True if the search needs no further session."""
        return self.over and all(trial.ending for trial in self._trials.values())

    def next_job(self) -> Job | None:
        """Return the next job, None if there is none now: an unfinished trial, one that advances, or a new one."""
        if len(self._live) >= self.context.concurrent or self.over or not self._make_room():
            return None
        again = bool(self._waiting)
        if (number := self._waiting.popleft() if again else self._next_trial()) is None:
            return None
        trial = self._trials[number]
        job = replace(self._live.start(self.job(trial), trial.losses), known=trial.epoch)
        self.limits.started(number)
        self.listeners.on_start(trial, job.folder)
        rank = "" if again or not trial.measurements else self._strategy.rank(number)
        LOG.info(log_lines.started(trial, again=again, rank=rank, metric=self.context.spec.metric))
        return job

    def measured(self, number: int, measurement: Measurement, *, node: str) -> Answer:
        """Record an epoch and return whether the trial continues, pauses or stops."""
        trial = self._trials[number]
        if trial.ending:
            return Answer.STOP
        if number in self._paused:
            return Answer.PAUSE  # resent: the worker may have missed it
        if new := measurement.epoch > trial.epoch:
            trial = self._recorded(trial, measurement, node)
        if measurement.epoch >= self.context.spec.ladder.max_epochs:
            return Answer.CONTINUE  # the training ends by itself, with the evaluation of its best weights
        decision = self.limits.closing() or self._strategy.judge(trial, epoch=measurement.epoch)
        if decision and decision.answer is Answer.STOP:
            self.ended(number, Ending(pruned=decision.reason, kind=decision.kind))
        elif decision and (new or decision.answer is Answer.PAUSE):  # a resumed worker sends earlier epochs again
            self._log_decision(trial, decision)
        return decision.answer if decision else Answer.CONTINUE

    def ended(self, number: int, ending: Ending) -> None:
        """Record how a trial ended; idempotent. A possibly transient failure is handled as a lost worker."""
        trial = self._trials[number]
        self._live.release(number)
        if trial.ending:
            return
        if ending.again:
            self.lost(number, retry.loss_of(ending, trial.node))
            return
        if number in self._paused:
            self._paused.discard(number)
            self.listeners.on_start(trial, self.context.folder_of(trial))
        self.journal.ended(number, ending)
        trial = self._trials[number] = replace(trial, ending=ending)
        self._strategy.ended(trial)
        self.listeners.on_end(trial, ending)
        files.write_json(self.context.folder_of(trial) / layout.OUTCOME, {"state": ending.state, **ending.to_dict()})
        LOG.info(log_lines.ended(trial, ending, metric=self.context.spec.metric))
        self._quota.ended(trial, self.job(trial))
        self.limits.contract.ended(trial)
        self.limits.spending.expect(self.context.spec, self.trials, self.context.concurrent)
        if why := reason_to_abort(self.trials, self.context.spec.budget.trials):
            self.aborted = why
            LOG.info(f"study is aborted: {why}")

    def lost(self, number: int, loss: Loss) -> None:
        """Record that a trial lost its worker, and queue it again within its retry limits; no-op if it has none."""
        self._live.release(number)
        trial = self._trials[number]
        if trial.ending or number in self._paused:
            return
        loss = replace(loss, epoch=trial.epoch)
        self.journal.lost(number, loss)
        trial = self._trials[number] = replace(trial, losses=(*trial.losses, loss))
        self.listeners.on_loss(trial)
        if ending := self._live.ending_after(trial.losses, gpus=self.context.demand(trial.params).gpus):
            lease.acquire(self.context.folder_of(trial))  # in case its process is still alive: it may no longer write
            self.ended(number, ending)
            return
        self._waiting.append(number)
        LOG.info(f"trial {number} lost its worker after epoch {trial.epoch} and is retried: {loss.cause}")

    def hung(self) -> Mapping[int, str]:
        """Return the running trials that hang, and why."""
        return self._live.hung()

    def report_wait(self, number: int, what: str) -> None:
        """Log why a trial waits."""
        self._live.report_wait(number)
        LOG.info(f"trial {number} {what}")

    def finish(self) -> None:
        """End the paused trials, once the search is over."""
        closing = self.limits.closing() or Decision(Answer.STOP, "not among those that advanced")
        for number in sorted(self._paused):
            self.ended(number, Ending(pruned=closing.reason, kind=closing.kind))

    def stop(self, why: str) -> None:
        """Stop everything in an orderly way; a later session resumes."""
        self.stopping = True
        LOG.info(f"study stops: {why}; {len(self._live)} running trials continue when it is resumed")

    def tick(self) -> None:
        """Execute commands, and refresh the table."""
        self.steering.execute(self)
        self.table.show(self.view)

    def cancel(self, number: int, ending: Ending) -> None:
        """End a trial that waits, is paused or runs: the process of one that runs may no longer write."""
        if number in self._live:
            self.canceled.add(number)
            lease.acquire(self.context.folder_of(self._trials[number]))
        self._waiting = deque(other for other in self._waiting if other != number)
        self.ended(number, ending)

    def use(self, context: RunContext) -> None:
        """Use changed settings: another description, or another number of places."""
        self.context = self._quota.context = context
        self.limits.change(context, self.trials)

    def resize(self, places: int) -> None:
        """Use another number of places: nodes have joined or left."""
        self.use(replace(self.context, concurrent=places))

    def close(self) -> None:
        """Close the listeners and record the time spent."""
        self._quota.report(now=True)
        self.listeners.close()
        self.limits.spending.note()

    def job(self, trial: Trial) -> Job:
        """Return the job of a trial."""
        folder = self.context.folder_of(trial)
        return self.context.job(folder, number=trial.number, params=trial.params, seed=trial.seed)

    def view(self) -> View:
        """Return the table of trials."""
        idle = still(self._waiting, self._paused)
        return self._view.of(self.context.spec, self.trials, elapsed=self.limits.elapsed(), still=idle)

    @property
    def _none_new(self) -> bool:
        return self.limits.none_new(len(self._trials))

    @property
    def _none_completed(self) -> bool:
        """Return True if none completed and only paused trials are left: the best is then trained to the last epoch."""
        return self._strategy.leader() is not None and all(one.state is not State.COMPLETED for one in self.trials)

    def _make_room(self) -> bool:
        """Free quota for the next job, ending paused trials, worst first; return True if there is enough."""
        if not self._quota.quota or self.limits.closed(self.aborted):
            return True
        if self._none_new and self._live and not (self._waiting or self._strategy.can_advance()):
            return True
        number = self._waiting[0] if self._waiting else self._strategy.next_to_advance()
        queue = quota.worst_first((self._trials[n] for n in self._paused if n != number), self.context.spec.metric)
        if number is None and self._none_new:
            number = queue.pop().number  # no trial completed, so this one is trained to the end
        coming = None if number is None else self.job(self._trials[number])
        for trial, short in self._quota.evicted(coming, self._live.jobs, [(one, self.job(one)) for one in queue]):
            self.ended(trial.number, Ending(pruned=short, kind=EndReason.QUOTA))
        return self._quota.admit(coming, self._live.jobs)

    def _recorded(self, trial: Trial, measurement: Measurement, node: str) -> Trial:
        """Record an epoch if new, and return the updated trial."""
        number, before = trial.number, trial.changed
        self.journal.measured(number, measurement, node=node)
        trial = self._trials[number] = trial.followed_by(measurement, node=node)
        self._live.measured(number, measurement)
        self.limits.measured(trial)
        self.listeners.on_measurement(trial)
        self._strategy.measured(trial)
        if self._quota.quota:
            self._quota.measure(self.job(trial))
        if measurement.changed and measurement.changed != before:
            LOG.info(f"trial {number} conditions changed: {measurement.changed}")
        return trial

    def _next_trial(self) -> int | None:
        if self.limits.closed(self.aborted) or (self.steering.queue and not self._none_new):
            return None if self.limits.closed(self.aborted) else self._suggest()
        number = self._strategy.advance_next()
        if number is None and not self._none_new and (new := self._suggest()) is not None:
            return new
        if number is None and not self._live and self._none_completed:
            number = self._strategy.advance_leader()
        self._paused -= {number}
        return number

    def _suggest(self) -> int | None:
        spec, running = self.context.spec, [self._trials[job.number] for job in self._live.jobs]
        trial = self._suggestions.next(spec.search_space, len(self._trials), running, seed=spec.seed)
        if trial is not None:
            self._strategy.add(self._trials.setdefault(trial.number, trial))
        return None if trial is None else trial.number

    def _log_decision(self, trial: Trial, decision: Decision) -> None:
        """Log that a trial pauses or continues at a rung, and pause it."""
        if decision.answer is Answer.PAUSE:
            self._live.release(trial.number)
            self._paused.add(trial.number)
            self.listeners.on_pause(trial)
            self.limits.reserve(self._trials.values())
        LOG.info(log_lines.at_rung(trial, decision.answer, decision.reason, metric=self.context.spec.metric))
