"""Listener that looks at each training after each epoch, and logs each new finding once."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from automl.storage.epoch_details import read_details
from automl.storage.layout import TRIALS
from automl.study import Ending, Params, Trial
from automl.tracking.diagnosis import findings_file, training_rules
from automl.tracking.diagnosis.finding import Finding
from automl.tracking.diagnosis.inputs import EPOCH_SECONDS, PROBED_SECONDS
from automl.tracking.diagnosis.record import TrainingRecord, curves_of

LOG: Final = logging.getLogger(__name__)
TAG: Final = "diagnosis"

Note = Callable[[int, str, int], None]
"""Writes a text of a training, by its number, after an epoch, into its event file."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What all trainings of a study have in common."""

    epochs: int
    metric: str
    settings: Mapping[str, Any]
    """Fixed settings of the trainer, defaults filled in; params override them."""
    instances: Mapping[str, int]
    """Boxes of the training split by class."""
    probed: Callable[[Params, int], float] = lambda _params, _epoch: 0.0
    """Returns the seconds of an epoch of a training with these params, by the probe of its GPU; 0: not probed."""


@dataclass(slots=True)
class Diagnosis:
    """The findings on the trainings of a study: logged once, and kept in `findings.json` while they hold.

    Registered before the TensorBoard writer, into whose files `note` writes.
    """

    facts: Facts
    note: Note
    _folders: dict[int, Path] = field(default_factory=dict)
    _known: dict[int, dict[tuple[str, str], Finding]] = field(default_factory=dict)
    _standing: dict[int, set[tuple[str, str]]] = field(default_factory=dict)
    """What the file holds, by its key."""
    _unwritten: bool = False

    def on_start(self, trial: Trial, folder: Path) -> None:
        """Take up what was found before a training paused or was interrupted."""
        self._folders[trial.number] = folder
        kept = {finding.key: finding for finding in findings_file.read(folder)}
        self._known[trial.number] = {**self._known.get(trial.number, {}), **kept}
        self._standing[trial.number] = {*kept}

    def on_measurement(self, trial: Trial) -> None:
        """Look at a training after its last epoch."""
        self._look(trial, None)

    def on_pause(self, trial: Trial) -> None:
        """Do nothing: nothing was measured."""

    def on_loss(self, trial: Trial) -> None:
        """Do nothing: a lost worker says nothing about the training."""

    def on_end(self, trial: Trial, ending: Ending) -> None:
        """Look at a training once more, now that it is known how it ended."""
        if trial.number in self._folders:
            self._look(trial, ending)

    def close(self) -> None:
        """Do nothing: all is written."""

    def _look(self, trial: Trial, ending: Ending | None) -> None:
        folder = self._folders[trial.number]
        known = self._known[trial.number]
        found = {finding.key: finding for finding in training_rules.findings(self._record(trial, folder, ending))}
        for key, finding in found.items():
            if key in known:
                found[key] = replace(finding, epoch=known[key].epoch)
            else:
                LOG.warning(str(finding))
        if found.keys() != self._standing[trial.number]:
            self.note(trial.number, markdown(found.values()), trial.epoch)
            if self._write(folder, found):
                self._standing[trial.number] = {*found}
        # One that no longer holds stays known, so that it is not logged again when it comes back.
        self._known[trial.number] = {**known, **found}

    def _write(self, folder: Path, found: Mapping[tuple[str, str], Finding]) -> bool:
        try:
            findings_file.write(folder, found.values())
        except OSError as error:
            if not self._unwritten:
                LOG.warning(f"{folder}: findings cannot be written now: {error.strerror}; the next epoch tries again")
            self._unwritten = True
            return False
        return True

    def _record(self, trial: Trial, folder: Path, ending: Ending | None) -> TrainingRecord:
        facts = self.facts
        try:
            details = read_details(folder)
        except OSError:  # the storage does not answer now; the next epoch reads all again
            details = {}
        rows = [(m.epoch, {**m.metrics, **details.get(m.epoch, {})}) for m in trial.measurements]
        rows += [
            (m.epoch, {EPOCH_SECONDS: m.seconds, PROBED_SECONDS: probed})
            for m in trial.measurements
            if (probed := facts.probed(trial.params, m.epoch))
        ]
        return TrainingRecord(
            trial=f"trial {trial.number}" if folder.parent.name == TRIALS else folder.name,
            epochs=facts.epochs,
            curves=curves_of(rows),
            settings={**facts.settings, **trial.params},
            instances=facts.instances,
            metric=facts.metric,
            changed=trial.changed,
            reason=ending.reason if ending else None,
            node=trial.node,
        )


def markdown(findings: Iterable[Finding]) -> str:
    """Return findings as a list in Markdown.

    >>> markdown([])
    'no findings'
    """
    lines = [f"- **{one.name}** (epoch {one.epoch}): {one.text}  \n  *{one.advice}*" for one in findings]
    return "\n".join(lines) or "no findings"
