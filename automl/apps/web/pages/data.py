"""Page on data: import by upload or from a folder of the server, the report with its grade, ways to labels."""

from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from nicegui import ui
from nicegui.events import GenericEventArguments
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from automl.apps import data_sets, labels
from automl.apps.uploads import MB, Uploads
from automl.apps.web.context import Context
from automl.apps.web.frame import frame, heading
from automl.apps.web.page import BUILD_SECONDS, Page
from automl.apps.web.resumable_upload import ResumableUpload, routes
from automl.apps.web.security import REPORT_POLICY
from automl.apps.web.texts import Texts
from automl.apps.web.texts.data import DATA
from automl.data.importing.run import Imported
from automl.data.places import resolved
from automl.data.report.records import DataReport
from automl.storage.layout import DATA_SETS
from automl.study.errors import AutomlError
from automl.tracking import data_report
from automl.tracking.report import Language

UPLOADS: Final = ".uploads"
"""Folder of the storage with uploads that are not imported yet."""
REASONS: Final = 5
FIRST_NAME: Final = "parts"
REPORT: Final = "report-{language}.html"
QUIET: Final = "role=status aria-live=polite"


def add(context: Context) -> None:
    """Add the page, the routes of the uploads, and the route of the reports."""
    storage = context.place.storage
    uploads = Uploads(storage / UPLOADS)
    uploads.delete_old()
    context.app.include_router(routes(uploads))

    @ui.page("/data", response_timeout=BUILD_SECONDS)
    async def page(request: Request) -> None:
        texts = Texts(context.language_of(request), DATA)
        with frame(context, request, texts("title")):
            DataView(storage, uploads, texts).build()

    @context.app.get("/data-report/{kind}/{rest:path}")
    async def report(request: Request, kind: str, rest: str) -> Response:
        source = data_sets.keys(storage).get(f"{kind}/{rest}")
        path = _report_of(source, context.language_of(request)) if source else None
        if source is None or path is None or not path.is_file() or _leads_out(path, source.parent):
            return PlainTextResponse("no such report", status_code=404)
        return FileResponse(path, headers={"content-security-policy": REPORT_POLICY})


def _leads_out(path: Path, folder: Path) -> bool:
    """Return True for a link out of a data set, which a stranger may have packed."""
    return not resolved(path).is_relative_to(resolved(folder))


def _report_of(source: Path, language: Language) -> Path:
    return source.parent / labels.LABELLING / REPORT.format(language=language)


class DataView:
    """The page: the form of an import, and the data sets of the storage."""

    def __init__(self, storage: Path, uploads: Uploads, texts: Texts) -> None:
        self._storage, self._uploads, self._texts = storage, uploads, texts
        self._batch = ""
        self._places: dict[str, ui.element] = {}

    def build(self) -> None:
        """Build the page in the present container."""
        texts, roots = self._texts, data_sets.allowed_roots(self._storage)
        with ui.element("section").classes("card"):
            heading(texts("import"), 2)
            with ui.element("div").classes("fields"):
                self._name = self._entry("name", value=self._free_name())
                self._classes = self._entry("classes")
                self._split = self._entry("split", placeholder="70,15,15")
            drop = ResumableUpload(texts("upload")).style("margin:.8rem 0 .2rem")
            drop.on("done", self._uploaded)
            drop.on("failed", lambda event: self._tell(str(_args(event).get("detail"))))
            ui.label(texts("limits", mb=self._uploads.most_bytes // MB)).classes("soft")
            self._folder = ui.input(texts("folder")).style("width:100%")
            ui.label(texts("roots", roots=", ".join(map(str, roots)))).classes("soft")
            with ui.element("div").classes("actions"):
                self._start = ui.button(texts("start"), on_click=self._import).props("no-caps")
            self._message = ui.label().props(QUIET).style("white-space:pre-wrap;overflow-wrap:anywhere")
        self._sets = ui.element("div")
        self._list()

    def _entry(self, key: str, *, value: str = "", placeholder: str | None = None) -> ui.input:
        with ui.element("div"):
            entry = ui.input(self._texts(key), value=value, placeholder=placeholder).style("width:100%")
            ui.label(self._texts(f"{key} text")).classes("soft")
        return entry

    def _free_name(self) -> str:
        """Return a name that no data set of the storage has."""
        numbers = (f"{FIRST_NAME}-{number}" for number in count(2))
        return next(name for name in chain([FIRST_NAME], numbers) if not data_sets.target(self._storage, name).exists())

    def _list(self) -> None:
        self._sets.clear()
        self._places = {}
        found = [(key, source) for key, source in data_sets.keys(self._storage).items() if not key.startswith("runs/")]
        with self._sets:
            if found:
                heading(self._texts("sets"), 2)
            for key, source in found:
                self._card(key, source)

    def _card(self, key: str, source: Path) -> None:
        with ui.element("article").classes("card"):
            with ui.element("h3"):
                ui.label(key.removeprefix(f"{DATA_SETS}/")).style("display:contents")
            try:
                images = labels.status(labels.store_at(source)).images
            except (AutomlError, OSError) as error:
                ui.label(str(error)).classes("bad").props("lang=en")
                return
            ui.label(" · ".join(f"{split} {sum(states.values())}" for split, states in images.items())).classes("soft")
            with ui.element("div").classes("actions"):
                ui.link(self._texts("open labels"), f"/labels?data={quote(key)}")
                ui.link(self._texts("train"), f"/train?data={quote(key)}")
                grade = ui.button(self._texts("check")).props("flat dense no-caps")
            self._places[key] = ui.element("div").props(QUIET)
            grade.on_click(lambda: self._report(key, source))

    async def _uploaded(self, event: GenericEventArguments) -> None:
        self._batch = str(_args(event).get("batch", ""))
        await self._import()

    async def _import(self) -> None:
        try:
            source, out = self._source(), data_sets.target(self._storage, (self._name.value or "").strip())
            names = [name.strip() for name in (self._classes.value or "").split(",") if name.strip()]
            self._start.disable()
            self._tell(self._texts("working"))
            split = (self._split.value or "").strip() or None
            found = await run_in_threadpool(data_sets.import_source, source, out, split=split, names=names)
        except (AutomlError, OSError) as error:
            self._tell(str(error))
            return
        finally:
            self._start.enable()
        if self._batch:
            await run_in_threadpool(self._uploads.delete, self._batch)
            self._batch = ""
        self._tell(self._summary(found))
        self._list()
        self._name.value = self._free_name()
        await self._report(out.relative_to(self._storage).as_posix(), found.data)

    def _source(self) -> Path:
        if self._batch:
            return self._uploads.source(self._batch)
        given = Path((self._folder.value or "").strip() or "/")
        return data_sets.inside(given, data_sets.allowed_roots(self._storage))

    def _summary(self, found: Imported) -> str:
        counts = {"images": sum(found.images.values()), "boxes": found.boxes, "classes": len(found.names)}
        return "\n".join([f"{found.kind}: {self._texts('done', **counts)}", *found.notes, *found.leaks])

    def _tell(self, text: str) -> None:
        self._message.text = text

    async def _report(self, key: str, source: Path) -> None:
        """Check a data set, and show its grade with the link to its report."""
        place = self._places[key]
        place.clear()
        with place:
            ui.label(self._texts("working"))
        try:
            language = self._texts.language
            page = _report_of(source, language)
            found = await run_in_threadpool(partial(data_sets.report_on, source, page, language=language))
        except (AutomlError, OSError) as error:
            place.clear()
            with place:
                ui.label(str(error)).classes("bad").props("lang=en").style("white-space:pre-wrap")
            return
        place.clear()
        with place:
            if found:
                self._graded(key, found)

    def _graded(self, key: str, found: DataReport) -> None:
        with ui.element("div").classes("actions"):
            ui.label(self._texts("grade", grade=found.grade)).classes("good" if found.grade in "AB" else "bad")
            ui.link(self._texts("report"), f"/data-report/{quote(key)}", new_tab=True)
        for reason in data_report.reasons_in(found, self._texts.language)[:REASONS]:
            ui.label(f"{reason.grade}: {self._texts.named('finding', reason.finding)}").style("font-weight:600")
            ui.label(reason.text).classes("soft")


def _args(event: GenericEventArguments) -> dict[str, Any]:
    return event.args if isinstance(event.args, dict) else {}


PAGE = Page("/data", add, ("Data", "数据"))
