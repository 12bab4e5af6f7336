"""Trial manager: selects the next job, pauses and stops trials, records every event.

Does not import Ray, so a simulation runs the same code. Every event is written to the journal first and passed to the
listeners after; a resumed study restores all its state from the journal.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Self

from automl.hpo.asha import Decision
from automl.hpo.strategy import Strategy
from automl.storage import files, layout
from automl.storage.journal import Journal
from automl.study import Answer, Ending, EndReason, Job, Kind, Loss, Measurement, PastEvidence, State, Trial
from automl.study.text import View
from automl.trials import lease, log_lines, quota
from automl.trials.active import ActiveJobs
from automl.trials.budget import Spending, reason_to_abort
from automl.trials.job_clock import Elapsed
from automl.trials.jobs import Frame, course_of
from automl.trials.listener import Listeners, LiveTable, StatusTable

LOG: Final = logging.getLogger(__name__)


@dataclass(slots=True)
class TrialManager:
    """The trials of a study as a source of jobs (see `source.JobSource`); call `restore` before anything else."""

    frame: Frame
    journal: Journal
    listeners: Listeners
    overview: StatusTable
    table: LiveTable
    clock: Callable[[], float] = time.monotonic
    stopping: bool = False
    aborted: str = ""
    """Why the study was aborted early, empty if it was not."""
    earlier: tuple[PastEvidence, ...] = ()
    """Warm start: trials of past studies for the sampler."""
    elapsed: Callable[[], Elapsed] | None = None
    needs: Mapping[str, int] = field(default_factory=dict)
    _trials: dict[int, Trial] = field(default_factory=dict)
    _waiting: deque[int] = field(default_factory=deque)
    _live: ActiveJobs = field(init=False)
    _paused: set[int] = field(default_factory=set)
    _strategy: Strategy = field(init=False)
    spending: Spending = field(init=False)
    _quota: quota.QuotaManager = field(init=False)
    _shown_params: tuple[int, list[str]] = (-1, [])

    def __post_init__(self) -> None:
        """Create the parts, empty."""
        self._live = ActiveJobs(self.frame.spec.resources, self.clock)
        self._strategy = Strategy(course_of(self.frame.spec, self.earlier, self.frame.baseline, self.frame.portfolio))
        self.spending = Spending(self.journal, self.frame.spec.budget, gpus=self.frame.gpus, clock=self.clock)
        self._quota = quota.QuotaManager(self.frame, self.clock, self.needs)

    def restore(self) -> Self:
        """Restore trials, strategy, budget and quota from the journal; complete records of a killed writer."""
        self.journal.complete_records()
        for trial in self.journal.trials():
            self._trials[trial.number] = trial
            self.spending.trained(trial.seconds)
            self._strategy.add(trial)
            if self._strategy.pauses(trial):
                self._paused.add(trial.number)
            elif trial.state is State.RUNNING:
                self._waiting.append(trial.number)
        self._quota.restore((trial, self.job(trial)) for trial in self._trials.values())
        return self

    @property
    def trials(self) -> list[Trial]:
        """Return all trials by number."""
        return [trial for _, trial in sorted(self._trials.items())]

    @property
    def over(self) -> bool:
        """Return True if no further job will come: none waits, and none runs that may be lost or evicted."""
        if self._waiting or self._live:
            return False
        return self._closed or (self._full and not (self._strategy.can_advance() or self._none_completed))

    @property
    def finished(self) -> bool:
        """Return True if the search needs no further session."""
        return self.over and all(trial.ending for trial in self._trials.values())

    def next_job(self) -> Job | None:
        """Return the next job, None if all places are taken or there is none.

        An unfinished trial of an earlier session comes first, then a paused one that may advance, then a new one.
        """
        if len(self._live) >= self.frame.concurrent or self.over or not self._make_room():
            return None
        again = bool(self._waiting)
        if (number := self._waiting.popleft() if again else self._next_trial()) is None:
            return None
        trial = self._trials[number]
        job = self._live.start(self.job(trial))
        self.listeners.on_start(trial, job.folder)
        standing = "" if again or not trial.measurements else self._strategy.standing(number)
        LOG.info(log_lines.started(trial, again=again, standing=standing, metric=self.frame.spec.metric))
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
        if measurement.epoch >= self.frame.spec.ladder.max_epochs:
            return Answer.CONTINUE  # the training ends by itself, with the evaluation of its best weights
        decision = self._strategy.judge(trial, epoch=measurement.epoch)
        if reason := self.spending.spent():
            decision = Decision(Answer.STOP, reason, self.spending.kind)
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
            self.lost(number, Loss(Kind.OWN, ending.cause, node=trial.node))
            return
        if number in self._paused:
            self._paused.discard(number)
            self.listeners.on_start(trial, self.frame.folder_of(trial))
        self.journal.ended(number, ending)
        trial = self._trials[number] = replace(trial, ending=ending)
        self._strategy.ended(trial)
        self.listeners.on_end(trial, ending)
        files.write_json(self.frame.folder_of(trial) / layout.OUTCOME, {"state": ending.state, **ending.to_dict()})
        LOG.info(log_lines.ended(trial, ending, metric=self.frame.spec.metric))
        self._quota.ended(trial, self.job(trial))
        self.spending.expect(self.frame.spec, self.trials, self.frame.concurrent)
        if why := reason_to_abort(self.trials, self.frame.spec.budget.trials):
            self.aborted = why
            LOG.info(f"study is aborted: {why}")

    def lost(self, number: int, loss: Loss) -> None:
        """Record that a trial lost its worker, and queue it again unless its retry limits are spent.

        No-op for a trial that is paused or has ended: it has no worker.
        """
        self._live.release(number)
        trial = self._trials[number]
        if trial.ending or number in self._paused:
            return
        loss = replace(loss, epoch=trial.epoch)
        self.journal.lost(number, loss)
        trial = self._trials[number] = replace(trial, losses=(*trial.losses, loss))
        self.listeners.on_loss(trial)
        if ending := self._live.ending_after(trial.losses):
            lease.acquire(self.frame.folder_of(trial))  # in case its process is still alive: it may no longer write
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
        for number in sorted(self._paused):
            why = self.spending.spent() or "not among those that advanced"
            kind = self.spending.kind if self.spending.spent() else None
            self.ended(number, Ending(pruned=why, kind=kind))

    def stop(self, why: str) -> None:
        """Stop everything in an orderly way; a later session resumes."""
        self.stopping = True
        LOG.info(f"study stops: {why}; {len(self._live)} running trials continue when it is resumed")

    def tick(self) -> None:
        """Refresh the table."""
        self.table.show(self.view)

    def close(self) -> None:
        """Close the listeners and record the time spent."""
        self._quota.report(now=True)
        self.listeners.close()
        self.spending.note()

    def job(self, trial: Trial) -> Job:
        """Return the job of a trial."""
        return self.frame.job(self.frame.folder_of(trial), number=trial.number, params=trial.params, seed=trial.seed)

    def view(self) -> View:
        """Return the table of trials."""
        spec, trials = self.frame.spec, self.trials
        space, epoch = spec.search_space, spec.ladder.first_rung
        seen = len(self._paused) + sum(trial.ending is not None for trial in trials)
        if seen != self._shown_params[0]:
            self._shown_params = seen, self.overview.important_params(space, trials, metric=spec.metric, epoch=epoch)
        still = {**dict.fromkeys(self._waiting, State.WAITING), **dict.fromkeys(self._paused, State.PAUSED)}
        elapsed = self.elapsed() if self.elapsed else Elapsed.of_search(self.spending.seconds(), self.frame.concurrent)
        return self.overview.of_trials(spec, trials, elapsed=elapsed, standing=still, params=self._shown_params[1])

    @property
    def _full(self) -> bool:
        return len(self._trials) >= self.frame.spec.budget.trials

    @property
    def _none_completed(self) -> bool:
        """Return True if none completed and only paused trials are left: the best is then trained to the last epoch."""
        completed = any(trial.state is State.COMPLETED for trial in self._trials.values())
        return not completed and self._strategy.leader() is not None

    @property
    def _closed(self) -> bool:
        return bool(self.spending.spent() or self.aborted)

    def _make_room(self) -> bool:
        """Free quota for the next job, ending paused trials, worst first; return True if there is enough."""
        none_comes = self._closed or (self._full and self._live and not (self._waiting or self._strategy.can_advance()))
        if not self._quota.quota or none_comes:
            return True
        live = self._live.jobs
        number = self._waiting[0] if self._waiting else self._strategy.next_to_advance()
        queue = quota.worst_first((self._trials[n] for n in self._paused if n != number), self.frame.spec.metric)
        if number is None and self._full:
            number = queue.pop().number  # no trial completed, so this one is trained to the end
        coming = None if number is None else self.job(self._trials[number])
        jobs = [self.job(trial) for trial in queue]
        for trial in queue if self._quota.reachable(coming, live, jobs) else []:
            if short := self._quota.make_room(coming, live, jobs):
                self.ended(trial.number, Ending(pruned=short, kind=EndReason.QUOTA))
        return self._quota.admit(coming, live)

    def _recorded(self, trial: Trial, measurement: Measurement, node: str) -> Trial:
        """Record an epoch if new, and return the updated trial."""
        number, before = trial.number, trial.changed
        self.journal.measured(number, measurement, node=node)
        trial = self._trials[number] = replace(trial, measurements=(*trial.measurements, measurement), node=node)
        self._live.measured(number, measurement)
        self.spending.trained(measurement.seconds)
        self.listeners.on_measurement(trial)
        self._strategy.measured(trial)
        self._quota.measure(self.job(trial))
        if measurement.changed and measurement.changed != before:
            LOG.info(f"trial {number} conditions changed: {measurement.changed}")
        return trial

    def _next_trial(self) -> int | None:
        if self._closed:
            return None
        if (number := self._strategy.advance_next()) is not None:
            self._paused.discard(number)
            return number
        if not self._full:
            return self._suggest()
        if not self._live and self._none_completed and (leader := self._strategy.advance_leader()) is not None:
            self._paused.discard(leader)
            return leader
        return None

    def _suggest(self) -> int:
        spec = self.frame.spec
        params, origin = self._strategy.draw()
        seed = spec.seed + len(self._trials)
        outside = origin == "baseline" and not spec.search_space.contains(params)
        number = self.journal.suggested(params, spec.search_space, seed=seed, origin=origin, outside=outside)
        trial = self._trials[number] = Trial(number, params, seed, outside=outside)
        self._strategy.add(trial)
        return number

    def _log_decision(self, trial: Trial, decision: Decision) -> None:
        """Log that a trial pauses or continues at a rung, and pause it."""
        if decision.answer is Answer.PAUSE:
            self._live.release(trial.number)
            self._paused.add(trial.number)
            self.listeners.on_pause(trial)
            self.spending.expect(self.frame.spec, self.trials, self.frame.concurrent)
        how = "pauses at" if decision.answer is Answer.PAUSE else "passes"
        LOG.info(log_lines.decided(trial, how, decision.reason, metric=self.frame.spec.metric))
