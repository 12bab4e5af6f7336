"""Page on the loop from the field: collect pictures, label them, train again."""

from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

from nicegui import run, ui

from automl.apps import data_sets
from automl.apps import field as loop
from automl.apps.field import FieldStatus
from automl.storage.layout import RUNS, SPEC
from automl.study.errors import AutomlError

Say = Callable[..., str]


class FieldView:
    """The page of a storage's studies and their pictures from the field."""

    def __init__(self, storage: Path, roots: Sequence[Path], say: Say, *, by: str) -> None:
        """Build the page in the present container; folders to collect must be below `roots`."""
        self.storage, self.roots, self.say, self.by = storage, roots, say, by
        studies = sorted(path.parent.name for path in (storage / RUNS).glob(f"*/{SPEC}"))
        with ui.card().classes("w-full"):
            self.study = ui.select(studies, value=studies[0] if studies else None, label=say("field.study"))
            self.study.classes("w-full sm:w-80").on_value_change(self._show)
            self.folder = ui.input(say("field.folder")).classes("w-full sm:w-96")
            ui.label(say("data.roots", roots=", ".join(map(str, roots)))).classes("text-xs opacity-70")
            with ui.row():
                self.collect = ui.button(say("field.collect"), icon="move_to_inbox", on_click=self._collect)
                self.ready = ui.button("", icon="model_training", on_click=self._ready).props("no-caps")
            self.state = ui.label().props("role=status aria-live=polite").classes("whitespace-pre-wrap")
            self.link = ui.link(say("field.labels"), "/labels")
            self.message = ui.label().props("role=status aria-live=polite").classes("whitespace-pre-wrap")
        self._show()

    def _show(self) -> None:
        if not self.study.value:
            self.ready.visible = self.link.visible = False
            return
        try:
            self._tell(loop.update(Path(self.study.value), (), storage=self.storage))
        except (AutomlError, OSError) as error:
            self.message.text = str(error)
            self.ready.visible = self.link.visible = False

    def _tell(self, state: FieldStatus) -> None:
        say = self.say
        facts = {"version": state.version, "waiting": state.waiting, "labelled": state.labelled}
        self.state.text = say("field.state", **facts)
        self.ready.text = say("field.ready", count=state.labelled)
        self.ready.visible = state.labelled > 0
        self.link.visible = state.waiting + state.labelled > 0
        self.link.props(f'href="/labels?data={quote(str(state.data))}&show=unlabelled"')

    async def _collect(self) -> None:
        say = self.say
        try:
            folder = data_sets.inside(Path((self.folder.value or "").strip() or "/"), self.roots)
            self.collect.disable()
            self.message.text = say("data.working")
            state = await run.io_bound(loop.update, Path(self.study.value or ""), [folder], storage=self.storage)
        except (AutomlError, OSError) as error:
            self.message.text = str(error)
            return
        finally:
            self.collect.enable()
        counts = {"new": state.new, "known": state.known, "unreadable": len(state.unreadable)}
        lines = [say("field.collected", **counts, proposed=state.proposed)]
        self.message.text = "\n".join([*lines, *(say("field.marked", line=line) for line in state.marked)])
        self._tell(state)

    async def _ready(self) -> None:
        try:
            study = Path(self.study.value or "")
            made = await run.io_bound(loop.ready, study, storage=self.storage, by=self.by)
        except (AutomlError, OSError) as error:
            self.message.text = str(error)
            return
        lines = [self.say("field.made", version=made.version, description=made.description), *made.notes]
        self.message.text = "\n".join(lines)
        self._show()
