"""One study: what runs next, who is stopped, what is recorded. Knows no Ray, so a simulation drives the same code.

Every fact goes to the journal first and to TensorBoard after; a resumed study rebuilds all its state from the journal.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from automl.hpo.asha import Verdict
from automl.hpo.selection import PAUSED
from automl.hpo.strategy import Strategy
from automl.storage import files, layout
from automl.storage.journal import Journal
from automl.study import Answer, EarlierEvidence, Ending, Job, Kind, Loss, Measurement, State, Trial
from automl.study.text import View, shown
from automl.trials import quota
from automl.trials.active import Running
from automl.trials.budget import Spending
from automl.trials.job_clock import Elapsed
from automl.trials.jobs import Frame, course_of
from automl.trials.listener import EventLog, StatusTable, TrialListener

HOPELESS: Final = 5
"""So many trials that ended, before any ended an epoch as asked, end a study: the next would fail alike."""


@dataclass(slots=True)
class Search:
    """A study as a source of jobs (see `source.JobSource`)."""

    frame: Frame
    journal: Journal
    board: TrialListener
    overview: StatusTable
    progress: EventLog
    clock: Callable[[], float] = time.monotonic
    stopping: bool = False
    hopeless: str = ""
    earlier: tuple[EarlierEvidence, ...] = ()
    """What earlier studies tell the sampler."""
    elapsed: Callable[[], Elapsed] | None = None
    needs: Mapping[str, int] = field(default_factory=dict)
    _trials: dict[int, Trial] = field(default_factory=dict)
    _waiting: deque[int] = field(default_factory=deque)
    _live: Running = field(init=False)
    _paused: set[int] = field(default_factory=set)
    _strategy: Strategy = field(init=False)
    spending: Spending = field(init=False)
    _keeper: quota.Keeper = field(init=False)
    _matter: tuple[int, list[str]] = (-1, [])

    def __post_init__(self) -> None:
        """Rebuild the strategy and the unfinished trials from the journal."""
        self._live = Running(self.frame.spec.resources, self.clock)
        self._strategy = Strategy(course_of(self.frame.spec, self.earlier, self.frame.baseline))
        self.journal.settle()
        self.spending = Spending(self.journal, self.frame.spec, gpus=self.frame.gpus, clock=self.clock)
        for trial in self.journal.trials():
            self._trials[trial.number] = trial
            self.spending.trained(trial.seconds)
            self._strategy.add(trial)
            if self._strategy.pauses(trial):
                self._paused.add(trial.number)
            elif trial.state is State.RUNNING:
                self._waiting.append(trial.number)
        self._keeper = quota.Keeper(self.frame, self.progress.event, self.clock, self.needs)
        self._keeper.open((trial, self.job(trial)) for trial in self._trials.values())

    @property
    def trials(self) -> list[Trial]:
        """Return all trials by number."""
        return [trial for _, trial in sorted(self._trials.items())]

    @property
    def over(self) -> bool:
        """Return True if no further job will come: none waits, and none runs that may be lost or make way."""
        if self._waiting or self._live:
            return False
        return self._closed or (self._full and not (self._strategy.waits() or self._none_completed))

    @property
    def finished(self) -> bool:
        """Return True if the search needs no further session."""
        return self.over and all(trial.ending for trial in self._trials.values())

    def next_job(self) -> Job | None:
        """Return a job, None while all places are taken or none is to be had.

        An unfinished trial of an earlier session comes first, then a paused one that may go on, then a new one.
        """
        if len(self._live) >= self.frame.concurrent or self.over or not self._has_room():
            return None
        again = bool(self._waiting)
        number = self._waiting.popleft() if again else self._next_trial()
        if number is None:
            return None
        trial = self._trials[number]
        job = self._live.give(self.job(trial))
        self.board.start(trial, job.folder)
        fresh = "starts again" if again else "starts"
        went = f"goes on from epoch {trial.epoch}" if trial.measurements else fresh
        self.progress.event(f"trial {number} {went}: {shown(trial.params)}")
        return job

    def measured(self, number: int, measurement: Measurement, *, node: str) -> Answer:
        """Record an epoch and answer what the trial does next."""
        trial = self._trials[number]
        if trial.ending:
            return Answer.STOP
        if number in self._paused:
            return Answer.PAUSE  # a worker that did not hear it is told again
        if measurement.epoch > trial.epoch:
            trial = self._recorded(trial, measurement, node)
        if measurement.epoch >= self.frame.spec.ladder.max_epochs:
            return Answer.GO_ON  # the training ends by itself, with the evaluation of its best weights
        verdict = self._strategy.judge(trial, epoch=measurement.epoch)
        if reason := self.spending.spent():
            verdict = Verdict(Answer.STOP, reason)
        if verdict and verdict.answer is Answer.STOP:
            self.ended(number, Ending(pruned=self._told(trial, verdict)))
        elif verdict and verdict.answer is Answer.PAUSE:
            self._pause(trial, verdict)
        return verdict.answer if verdict else Answer.GO_ON

    def ended(self, number: int, ending: Ending) -> None:
        """Record how a trial ended; said twice, the first holds. A failure that may be one of chance is a loss."""
        trial = self._trials[number]
        self._live.leave(number)
        if trial.ending:
            return
        if ending.again:
            self.lost(number, Loss(Kind.OWN, ending.cause, node=trial.node))
            return
        if number in self._paused:
            self._paused.discard(number)
            self.board.start(trial, self.frame.folder_of(trial))
        self.journal.ended(number, ending)
        trial = self._trials[number] = replace(trial, ending=ending)
        self._strategy.ended(trial)
        self.board.ended(trial, ending)
        files.write_json(self.frame.folder_of(trial) / layout.OUTCOME, {"state": ending.state, **ending.to_dict()})
        value = trial.best(self.frame.spec.metric)
        best = "" if value is None else f", best {self.frame.spec.objective} {value:.4f}"
        self.progress.event(f"trial {number} {ending.state.lower()} at epoch {trial.epoch}{best}: {ending.reason}")
        self._keeper.ended(trial, self.job(trial))
        self._look_for_hope(ending)

    def lost(self, number: int, loss: Loss) -> None:
        """Record that a trial lost its worker, and give it out again unless its losses are its own fault.

        One that is paused or has ended had none to lose.
        """
        self._live.leave(number)
        trial = self._trials[number]
        if trial.ending or number in self._paused:
            return
        loss = replace(loss, epoch=trial.epoch)
        self.journal.lost(number, loss)
        trial = self._trials[number] = replace(trial, losses=(*trial.losses, loss))
        if cause := self._live.given_up(self.frame.folder_of(trial), trial.losses):
            self.ended(number, Ending(cause=cause))
            return
        self._waiting.append(number)
        self.progress.event(f"trial {number} lost its worker after epoch {trial.epoch} and goes on: {loss.cause}")

    def hung(self) -> Mapping[int, str]:
        """Return which running trials hang, and why."""
        return self._live.hung()

    def troubled(self, number: int, what: str) -> None:
        """Say what keeps a trial waiting."""
        self._live.troubled(number)
        self.progress.event(f"trial {number} {what}")

    def finish(self) -> None:
        """End the trials that are paused for good, once the search is over."""
        for number in sorted(self._paused):
            trial = self._trials[number]
            why = self.spending.spent() or f"not among those that advanced from epoch {trial.epoch}"
            self.ended(number, Ending(pruned=why))

    def stop(self, why: str) -> None:
        """Stop everything in an orderly way; a later session goes on."""
        self.stopping = True
        self.progress.event(f"study stops: {why}; {len(self._live)} running trials go on when it is resumed")

    def tick(self) -> None:
        """Refresh the table."""
        self.progress.show(self.view)

    def close(self) -> None:
        """Close the event files and write down the time spent."""
        self._keeper.tell(now=True)
        self.board.close()
        self.spending.note()

    def job(self, trial: Trial) -> Job:
        """Return what a worker needs for a trial."""
        return self.frame.job(self.frame.folder_of(trial), number=trial.number, params=trial.params, seed=trial.seed)

    def view(self) -> View:
        """Return the table of trials."""
        spec, trials = self.frame.spec, self.trials
        seen = len(self._paused) + sum(trial.ending is not None for trial in trials)
        if seen != self._matter[0]:
            self._matter = seen, self.overview.params_that_matter(spec, trials)
        still = {**dict.fromkeys(self._waiting, "WAITING"), **dict.fromkeys(self._paused, PAUSED)}
        elapsed = self.elapsed() if self.elapsed else Elapsed.of_search(self.spending.seconds(), self.frame.concurrent)
        return self.overview.of_trials(spec, trials, elapsed=elapsed, standing=still, matter=self._matter[1])

    @property
    def _full(self) -> bool:
        return len(self._trials) >= self.frame.spec.budget.trials

    @property
    def _none_completed(self) -> bool:
        """Return True if all that is left are paused trials: the best of these then goes on to the last epoch."""
        completed = any(trial.state is State.COMPLETED for trial in self._trials.values())
        return not completed and self._strategy.leader() is not None

    @property
    def _closed(self) -> bool:
        return bool(self.spending.spent()) or bool(self.hopeless)

    def _has_room(self) -> bool:
        """Return True if the quota has room for the next job; paused trials end, from the worst on, to make some."""
        none_comes = self._closed or (self._full and self._live and not (self._waiting or self._strategy.waits()))
        if not self._keeper.quota or none_comes:
            return True
        live = self._live.jobs
        number = self._waiting[0] if self._waiting else self._strategy.upcoming()
        queue = quota.worst_first((self._trials[n] for n in self._paused if n != number), self.frame.spec.metric)
        if number is None and self._full:
            number = queue.pop().number  # no trial completed, so this one goes on
        coming = None if number is None else self.job(self._trials[number])
        jobs = [self.job(trial) for trial in queue]
        for trial in queue if self._keeper.reachable(coming, live, jobs) else []:
            if short := self._keeper.short(coming, live, jobs):
                self.ended(trial.number, Ending(pruned=short))
        return self._keeper.admits(coming, live)

    def _recorded(self, trial: Trial, measurement: Measurement, node: str) -> Trial:
        """Record an epoch that was not known, and return the trial with it."""
        number, before = trial.number, trial.changed
        self.journal.measured(number, measurement, node=node)
        trial = replace(trial, measurements=(*trial.measurements, measurement), node=node)
        self._trials[number] = trial
        self._live.measured(number, measurement)
        self.spending.trained(measurement.seconds)
        self.board.measured(trial)
        self._strategy.measured(trial)
        self._keeper.looked(self.job(trial))
        if measurement.changed and measurement.changed != before:
            self.progress.event(f"trial {number} conditions changed: {measurement.changed}")
        return trial

    def _next_trial(self) -> int | None:
        if self._closed:
            return None
        if (number := self._strategy.resumes()) is not None:
            self._paused.discard(number)
            return number
        if not self._full:
            return self._suggest()
        if not self._live and self._none_completed and (leader := self._strategy.lead()) is not None:
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

    def _pause(self, trial: Trial, verdict: Verdict) -> None:
        self._live.leave(trial.number)
        self._paused.add(trial.number)
        self.board.paused(trial)
        self.progress.event(f"trial {trial.number} pauses: {self._told(trial, verdict)}")

    def _told(self, trial: Trial, verdict: Verdict) -> str:
        value = trial.best(self.frame.spec.metric)
        best = "" if value is None else f"{self.frame.spec.objective} {value:.4f}, "
        return f"{best}{verdict.reason}"

    def _look_for_hope(self, ending: Ending) -> None:
        ended = [trial for trial in self._trials.values() if trial.ending]
        needed = min(HOPELESS, self.frame.spec.budget.trials)
        learned = any(trial.measurements and not trial.changed for trial in self._trials.values())
        if len(ended) >= needed and not learned:
            self.hopeless = f"the first {len(ended)} trials all failed, the last with: {ending.cause or ending.pruned}"
            self.progress.event(f"study gives up: {self.hopeless}")
