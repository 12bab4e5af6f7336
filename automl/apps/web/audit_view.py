"""Label audit on the page on labels: its list for a data set, and the process that makes a new one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

from nicegui import ui

from automl.apps.web.context import Context
from automl.apps.web.jobs import audit_of
from automl.apps.web.tables import notify
from automl.apps.web.texts import Texts
from automl.storage.layout import AUDIT_LIST
from automl.study.errors import AutomlError

EVERY_SECONDS: Final = 2.0


def list_of(studies: Sequence[Path]) -> Path | None:
    """Return the newest list of suspects among studies of one data set; None where none was audited."""
    found = [folder / AUDIT_LIST for folder in studies if (folder / AUDIT_LIST).is_file()]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


class AuditView:
    """The button that lets a study's models look for suspect labels, and how far that is."""

    def __init__(self, context: Context, texts: Texts, study: Path, *, data: str) -> None:
        """Prepare a view.

        Args:
            context: with the processes.
            texts: in the reader's language.
            study: whose models are asked.
            data: key of its data set.
        """
        self._jobs, self._texts, self._study, self._data = context.jobs, texts, study, data
        self._process = audit_of(study.name)

    def build(self) -> None:
        """Build the button in the present container."""
        self._button = ui.button(self._texts("audit", study=self._study.name), on_click=self._start)
        self._button.props("outline no-caps")
        self._said = ui.label().props("role=status aria-live=polite").classes("soft")
        self._said.style("white-space:pre-wrap;overflow-wrap:anywhere")
        self._timer = ui.timer(EVERY_SECONDS, self._look, immediate=False, active=False)
        if self._jobs.is_starting(self._process):
            self._wait()

    def _start(self) -> None:
        try:
            self._jobs.audit(self._study.name, language=self._texts.language)
        except AutomlError as error:
            notify(error)
        else:
            self._wait()

    def _wait(self) -> None:
        self._button.disable()
        self._said.text = self._texts("auditing")
        self._timer.activate()

    def _look(self) -> None:
        """Show the list once the process has ended, or what it said."""
        if self._jobs.is_starting(self._process):
            return
        self._timer.deactivate()
        self._button.enable()
        if self._jobs.failed(self._process):
            self._said.text = self._jobs.tail(self._process)
        else:
            ui.navigate.to(f"/labels?data={quote(self._data)}&show=suspects")
