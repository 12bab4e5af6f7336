"""Page on the loop from the field: collect pictures, label them, train again."""

from pathlib import Path
from urllib.parse import quote

from nicegui import ui
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from automl.apps import data_sets
from automl.apps import field as loop
from automl.apps.field import FieldStatus
from automl.apps.web.context import NAME, Context
from automl.apps.web.frame import frame
from automl.apps.web.page import BUILD_SECONDS, Page
from automl.apps.web.texts import Texts
from automl.apps.web.texts.field import FIELD
from automl.storage.layout import RUNS, SPEC
from automl.storage.move_log import user
from automl.study.errors import AutomlError, StudyError
from automl.study.yaml_io import read_yaml


def add(context: Context) -> None:
    """Add the page."""

    @ui.page("/field", response_timeout=BUILD_SECONDS)
    async def page(request: Request) -> None:
        texts = Texts(context.language_of(request), FIELD)
        with frame(context, request, texts("title")):
            FieldView(context, texts).build()


class FieldView:
    """The page of a storage's studies and their pictures from the field."""

    def __init__(self, context: Context, texts: Texts) -> None:
        self._context, self._texts, self._storage = context, texts, context.place.storage
        self._closed: Path | None = None

    def build(self) -> None:
        """Build the page in the present container."""
        texts, roots = self._texts, data_sets.allowed_roots(self._storage)
        studies = sorted(path.parent.name for path in (self._storage / RUNS).glob(f"*/{SPEC}"))
        with ui.element("section").classes("card"):
            with ui.element("div").classes("fields"):
                self._study = ui.select(studies, value=studies[0] if studies else None, label=texts("study"))
                self._study.on_value_change(lambda _: self._show())
            self._folder = ui.input(texts("folder")).style("width:100%")
            ui.label(texts("roots", roots=", ".join(map(str, roots)))).classes("soft")
            with ui.element("div").classes("actions"):
                self._collect_button = ui.button(texts("collect"), on_click=self._collect).props("no-caps")
                self._ready_button = ui.button("", on_click=self._ready).props("no-caps")
                self._start_button = ui.button("", on_click=self._start).props("no-caps")
                self._link = ui.link(texts("labels"), "/labels")
            self._state = ui.label().props("role=status aria-live=polite")
            self._message = ui.label().props("role=status aria-live=polite")
            self._message.style("white-space:pre-wrap;overflow-wrap:anywhere")
        self._show()

    def _show(self) -> None:
        self._ready_button.visible = self._start_button.visible = self._link.visible = False
        if not self._study.value:
            return
        try:
            self._tell(loop.update(self._folder_of(), (), storage=self._storage))
        except (AutomlError, OSError) as error:
            self._message.text = str(error)

    def _folder_of(self) -> Path:
        return self._context.study(str(self._study.value or ""))

    def _tell(self, state: FieldStatus) -> None:
        facts = {"version": state.version, "waiting": state.waiting, "labelled": state.labelled}
        self._state.text = self._texts("state", **facts)
        self._ready_button.text = self._texts("ready", count=state.labelled)
        self._ready_button.visible = state.labelled > 0
        self._closed = state.data.parent / SPEC if state.version > 1 else None
        if self._closed and self._closed.is_file():
            self._ready_button.visible = False
            name = _name_in(self._closed)
            self._start_button.text = self._texts("start", version=state.version, name=name)
            self._start_button.visible = not self._context.place.study(name).exists()
        self._link.visible = state.waiting + state.labelled > 0
        if self._link.visible:
            key = state.data.parent.relative_to(self._storage).as_posix()
            self._link.props(f'href="/labels?data={quote(key)}&show=unlabelled"')

    async def _collect(self) -> None:
        texts = self._texts
        try:
            given = Path((self._folder.value or "").strip() or "/")
            folder = data_sets.inside(given, data_sets.allowed_roots(self._storage))
            self._collect_button.disable()
            self._message.text = texts("working")
            state = await run_in_threadpool(loop.update, self._folder_of(), [folder], storage=self._storage)
        except (AutomlError, OSError) as error:
            self._message.text = str(error)
            return
        finally:
            self._collect_button.enable()
        counts = {"new": state.new, "known": state.known, "unreadable": len(state.unreadable)}
        lines = [texts("collected", **counts, proposed=state.proposed)]
        self._message.text = "\n".join([*lines, *(texts("marked", line=line) for line in state.marked)])
        self._tell(state)

    async def _ready(self) -> None:
        try:
            made = await run_in_threadpool(loop.ready, self._folder_of(), storage=self._storage, by=user())
        except (AutomlError, OSError) as error:
            self._message.text = str(error)
            return
        lines = [self._texts("made", version=made.version, description=made.description), *made.notes]
        self._message.text = "\n".join(lines)
        self._closed = made.description
        self._start()

    def _start(self) -> None:
        """Start the study of a closed version: it begins with the champion's weights and the last study's trials."""
        try:
            if self._closed is None:
                raise StudyError("there must be a closed version to train on, but there is none")
            name = _name_in(self._closed)
            self._context.jobs.start(name, self._closed.read_text(encoding="utf-8"), overrides={})
        except (AutomlError, OSError) as error:
            self._message.text = str(error)
            self._show()
        else:
            ui.navigate.to(f"/studies/{name}")


def _name_in(description: Path) -> str:
    """Return the name of the study that a description of a version names.

    Raises:
        AutomlError: it cannot be read.
    """
    name = str(read_yaml(description).get("name", ""))
    if not NAME.fullmatch(name):
        raise StudyError(f"{description}: name: must be the name of a study, but got {name[:64]!r}")
    return name


PAGE = Page("/field", add, ("Field", "现场"))
