"""Listener protocols of the trial managers: what is shown and logged is handed in.

`pipeline` passes TensorBoard's writer, the console and the status table of `tracking`; a test may pass others.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from automl.study import Ending, Trial
from automl.study.spec import StudySpec
from automl.study.text import View
from automl.trials.job_clock import Elapsed


class TrialListener(Protocol):
    """Called for each event of a trial, after the journal has it."""

    def start(self, trial: Trial, folder: Path) -> None:
        """Record that a trial starts or resumes in its folder."""
        ...

    def measured(self, trial: Trial) -> None:
        """Record the last measurement of a trial."""
        ...

    def paused(self, trial: Trial) -> None:
        """Record that a trial pauses at a rung."""
        ...

    def ended(self, trial: Trial, ending: Ending) -> None:
        """Record how a trial ended."""
        ...

    def close(self) -> None:
        """Write everything and close."""
        ...


class EventLog(Protocol):
    """Where events go as lines, and a table is drawn."""

    def event(self, text: str) -> None:
        """Log one event."""
        ...

    def show(self, view: Callable[[], View], *, now: bool = False) -> None:
        """Draw the table if it is time to."""
        ...


class StatusTable(Protocol):
    """Builds the table of a study's trials; the module `tracking.status` satisfies it."""

    def of_trials(
        self,
        spec: StudySpec,
        trials: Sequence[Trial],
        *,
        elapsed: Elapsed,
        standing: Mapping[int, str] | None = None,
        matter: Sequence[str] | None = None,
    ) -> View:
        """Return the table."""
        ...

    def params_that_matter(self, spec: StudySpec, trials: Sequence[Trial]) -> list[str]:
        """Return the parameters to show."""
        ...
