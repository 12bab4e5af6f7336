"""JobSource: protocol of the object that decides which jobs run."""

from collections.abc import Collection, Mapping
from typing import Protocol

from automl.study import Answer, Ending, Job, Loss, Measurement


class JobSource(Protocol):
    """Decides which jobs run: the search, or a list of re-trainings.

    A trial whose measurement is answered with PAUSE leaves its worker; its state is in the job's folder. It resumes
    when `next_job` returns its number again, and first reports the last epoch that the source knows (`Job.known`), and
    those that it may have missed.
    """

    @property
    def over(self) -> bool:
        """Return True if no trial runs and no further job will come.

        While this is False, `next_job` is polled. Once it is True, paused trials never resume in this run; the source
        records their end.
        """
        ...

    @property
    def stopping(self) -> bool:
        """Return True if everything must stop now, to be resumed later."""
        ...

    def next_job(self) -> Job | None:
        """Return the next job, None if there is none to start.

        The number of a paused trial resumes that trial; any other number starts a trial. The source counts the places:
        each job returned is started, and a trial that is paused, lost or has ended frees its place at once.
        """
        ...

    def measured(self, number: int, measurement: Measurement, *, node: str) -> Answer:
        """Record an epoch, known or new, and return whether the trial continues, pauses or stops."""
        ...

    def ended(self, number: int, ending: Ending) -> None:
        """Record how a trial ended by itself."""
        ...

    def lost(self, number: int, loss: Loss) -> None:
        """Record that a trial lost its worker; the source queues it again or ends it."""
        ...

    def hung(self) -> Mapping[int, str]:
        """Return the running trials that hang, and why; their workers are ended, and `lost` is called for each."""
        ...

    @property
    def canceled(self) -> Collection[int]:
        """Return the jobs that a user canceled: their workers are ended at once, without `lost`."""
        ...

    def report_wait(self, number: int, what: str) -> None:
        """Log why a trial waits for the time being, or that it continues."""
        ...

    def resize(self, places: int) -> None:
        """Use another number of places: nodes have joined or left. Running trials are not affected."""
        ...

    def stop(self, why: str) -> None:
        """Request an orderly stop."""
        ...

    def tick(self) -> None:
        """Do periodic work."""
        ...
