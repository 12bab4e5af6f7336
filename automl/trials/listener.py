"""Listeners of the trial managers: called for each event of a trial, after it is in the journal.

`pipeline` registers diagnosis, TensorBoard writer, Prometheus metrics and MLflow exporter, and passes the live table
and the status table of `tracking`. Log lines go to the standard library's logger `automl`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from automl.study import Ending, Trial
from automl.study.space import SearchSpace
from automl.study.spec import StudySpec
from automl.study.text import View
from automl.trials.job_clock import Elapsed


class TrialListener(Protocol):
    """Called for each event of a trial, after it is in the journal."""

    def on_start(self, trial: Trial, folder: Path) -> None:
        """Record that a trial starts or resumes in its folder."""
        ...

    def on_measurement(self, trial: Trial) -> None:
        """Record the last measurement of a trial."""
        ...

    def on_pause(self, trial: Trial) -> None:
        """Record that a trial pauses at a rung."""
        ...

    def on_loss(self, trial: Trial) -> None:
        """Record the last loss of a trial's worker; the trial waits for another, or its end follows."""
        ...

    def on_end(self, trial: Trial, ending: Ending) -> None:
        """Record how a trial ended."""
        ...

    def close(self) -> None:
        """Write everything and close."""
        ...


class LiveTable(Protocol):
    """Draws the table of trials."""

    def show(self, view: Callable[[], View], *, now: bool = False) -> None:
        """Draw the table if due."""
        ...


@dataclass(frozen=True, slots=True)
class Listeners:
    """Composite of several listeners, called in this order."""

    registered: tuple[TrialListener, ...] = ()

    def on_start(self, trial: Trial, folder: Path) -> None:
        """Pass on that a trial starts or resumes in its folder."""
        for listener in self.registered:
            listener.on_start(trial, folder)

    def on_measurement(self, trial: Trial) -> None:
        """Pass on the last measurement of a trial."""
        for listener in self.registered:
            listener.on_measurement(trial)

    def on_pause(self, trial: Trial) -> None:
        """Pass on that a trial pauses at a rung."""
        for listener in self.registered:
            listener.on_pause(trial)

    def on_loss(self, trial: Trial) -> None:
        """Pass on that a trial lost its worker."""
        for listener in self.registered:
            listener.on_loss(trial)

    def on_end(self, trial: Trial, ending: Ending) -> None:
        """Pass on how a trial ended."""
        for listener in self.registered:
            listener.on_end(trial, ending)

    def close(self) -> None:
        """Close all."""
        for listener in self.registered:
            listener.close()


class StatusTable(Protocol):
    """Builds the table of a study's trials; the module `tracking.status` satisfies it."""

    def of_trials(
        self,
        spec: StudySpec,
        trials: Sequence[Trial],
        *,
        elapsed: Elapsed,
        idle: Mapping[int, str] | None = None,
        params: Sequence[str] | None = None,
    ) -> View:
        """Return the table."""
        ...

    def important_params(self, space: SearchSpace, trials: Sequence[Trial], *, metric: str, epoch: int) -> list[str]:
        """Return the parameters to show."""
        ...
