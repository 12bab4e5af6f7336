"""A scripted job source for tests on a real Ray, and what there is to see and to do about its worker processes."""

import os
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import psutil

from automl.study import Answer, Ending, Job, Loss, Measurement, Trial
from automl.trials import heartbeat, lease
from tests.guarded_worker import wait_until
from tests.processes import below

TRAINABLE = "ray::Training"
"""What Ray calls a process that trains."""


class Jobs:
    """A list of jobs as a source; does at a measurement what a test wants done."""

    def __init__(self, jobs: list[Job], *, concurrent: int = 2) -> None:
        self.jobs = deque(jobs)
        self.all = {job.number: job for job in jobs}
        self.concurrent = concurrent
        self.live: set[int] = set()
        self.heard: dict[int, list[Measurement]] = {}
        self.story: list[tuple[int, int]] = []
        """Number and epoch of all that was trained, in the order it became known."""
        self.endings: dict[int, Ending] = {}
        self.losses: list[tuple[int, Loss]] = []
        self.retries = 0
        """How many losses in all are followed by another try."""
        self.hangs: dict[int, str] = {}
        self.canceled: set[int] = set()
        self.places: list[int] = []
        self.troubles: list[tuple[int, str]] = []
        self.stopping = False
        self.stop_trial_at: dict[int, int] = {}
        self.pause_at: set[tuple[int, int]] = set()
        self.resume: deque[int] = deque()
        """Numbers to go on with, once all jobs have been handed out."""
        self.kill_at: set[tuple[int, int]] = set()
        self.kill_training_at: set[tuple[int, int]] = set()
        """Where the process of the training is killed in place of the worker."""
        self.patience = 0
        """How often it has to be asked in vain for each job."""
        self._asked = 0

    @property
    def trials(self) -> list[Trial]:
        return []

    @property
    def over(self) -> bool:
        return not self.jobs and not self.resume and not self.live

    def next_job(self) -> Job | None:
        if len(self.live) >= self.concurrent or not (self.jobs or self.resume):
            return None
        self._asked += 1
        if self._asked <= self.patience:
            return None
        self._asked = 0
        job = self.jobs.popleft() if self.jobs else self.all[self.resume.popleft()]
        self.live.add(job.number)
        return replace(job, attempt=lease.acquire(job.folder))

    def measured(self, number: int, measurement: Measurement, *, node: str) -> Answer:
        assert node
        epoch = measurement.epoch
        if epoch > max((m.epoch for m in self.heard.get(number, ())), default=0):
            self.story.append((number, epoch))
        self.heard.setdefault(number, []).append(measurement)
        if (number, epoch) in self.kill_at:
            self.kill_at.remove((number, epoch))
            kill_a_worker()
        if (number, epoch) in self.kill_training_at:
            self.kill_training_at.remove((number, epoch))
            kill_a_training(self.all[number].folder)
        return self._answer(number, epoch)

    def _answer(self, number: int, epoch: int) -> Answer:
        answer = Answer.CONTINUE
        if self.stop_trial_at.get(number) == epoch:
            answer = Answer.STOP
        if (number, epoch) in self.pause_at:
            self.pause_at.remove((number, epoch))
            answer = Answer.PAUSE
        if answer is not Answer.CONTINUE:
            self.live.discard(number)
        return answer

    def ended(self, number: int, ending: Ending) -> None:
        self.live.discard(number)
        self.endings[number] = ending

    def lost(self, number: int, loss: Loss) -> None:
        if number not in self.live:
            return
        self.live.discard(number)
        self.losses.append((number, loss))
        if len(self.losses) <= self.retries:
            self.jobs.appendleft(self.all[number])
        else:
            self.endings[number] = Ending(cause=loss.cause)

    def resize(self, places: int) -> None:
        self.places.append(places)
        self.concurrent = places

    def hung(self) -> Mapping[int, str]:
        hangs, self.hangs = self.hangs, {}
        return hangs

    def report_wait(self, number: int, what: str) -> None:
        self.troubles.append((number, what))

    def stop(self, why: str) -> None:
        del why
        self.stopping = True

    def tick(self) -> None:
        pass


def workers() -> list[psutil.Process]:
    """Return the processes that train, of this test's own cluster only."""
    return below(os.getpid(), command=TRAINABLE)


def all_gone(*, seconds: float = 240) -> bool:
    """Wait until no process trains any more."""
    deadline = time.monotonic() + seconds
    while workers() and time.monotonic() < deadline:
        time.sleep(0.1)
    return not workers()


def kill_a_worker() -> None:
    os.kill(workers()[0].pid, signal.SIGKILL)


def kill_a_training(folder: Path) -> None:
    """Kill the process of the latest attempt at a trial, once it has written a heartbeat."""
    assert wait_until(lambda: heartbeat.present(folder))
    if beat := heartbeat.present(folder):
        os.kill(beat.process, signal.SIGKILL)


def terminate_when(ready: Callable[[], bool], *, seconds: float = 1200) -> None:
    """Ask this process to stop as soon as something holds."""
    deadline = time.monotonic() + seconds
    while not ready() and time.monotonic() < deadline:
        time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGTERM)
