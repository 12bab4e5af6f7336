"""JobSource, the protocol of what decides which jobs run."""

from collections.abc import Mapping
from typing import Protocol

from automl.study import Answer, Ending, Job, Loss, Measurement


class JobSource(Protocol):
    """What decides: the study, or a list of re-trainings.

    A trial whose measurement is answered with PAUSE leaves its worker; what it trained is in the job's folder. It goes
    on when `next_job` gives its number again, and first reports the epochs of its folder once more: they are known.
    """

    @property
    def over(self) -> bool:
        """Return True if no trial runs and no further job will come.

        While this is False, `next_job` is asked again and again. Once it is True, trials left paused never go on in
        this run: what becomes of them is for the source to record.
        """
        ...

    @property
    def stopping(self) -> bool:
        """Return True if everything shall stop now, to be resumed later."""
        ...

    def next_job(self) -> Job | None:
        """Return the next job, None while there is none to start.

        The number of a paused trial makes that trial go on; any other number starts a trial. The source counts the
        places: each job returned is started, and a trial that is paused, lost or has ended leaves its place at once.
        """
        ...

    def measured(self, number: int, measurement: Measurement, *, node: str) -> Answer:
        """Record what an epoch gave, known or new, and say what the trial does next."""
        ...

    def ended(self, number: int, ending: Ending) -> None:
        """Record how a trial ended by itself."""
        ...

    def lost(self, number: int, loss: Loss) -> None:
        """Record that a trial lost its worker: it is the source's to give it out again, or to end it."""
        ...

    def hung(self) -> Mapping[int, str]:
        """Return which running trials hang, and why; their workers are ended, and `lost` tells of each."""
        ...

    def troubled(self, number: int, what: str) -> None:
        """Record what keeps a trial from going on for the time being, or that it goes on."""
        ...

    def stop(self, why: str) -> None:
        """Ask for an orderly stop."""
        ...

    def tick(self) -> None:
        """Do what has to be done now and then."""
        ...
