"""Page on data: import by upload or from a folder of the server, the report with its grade, ways to labels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from nicegui import run, ui
from nicegui.events import GenericEventArguments

from automl.apps import data_sets, labels
from automl.apps.uploads import MB, Uploads
from automl.apps.web.resumable_upload import ResumableUpload
from automl.data.importing.run import Imported
from automl.data.report.records import DataReport
from automl.study.errors import AutomlError

Say = Callable[..., str]
REASONS: Final = 5
COLOURS: Final = {"A": "positive", "B": "positive", "C": "warning", "D": "negative"}


@dataclass(frozen=True, slots=True)
class DataPlaces:
    """Where data may come from and goes to."""

    storage: Path
    roots: Sequence[Path]
    """Folders of the server below which data may be imported."""
    uploads: Uploads


class DataView:
    """The page: the form of an import, and the data sets of the storage."""

    def __init__(self, places: DataPlaces, say: Say, *, headers: dict[str, str] | None = None) -> None:
        """Build the page in the present container."""
        self.places, self.say, self._batch = places, say, ""
        with ui.card().classes("w-full"):
            ui.label(say("data.import")).classes("text-lg")
            self.name = ui.input(say("data.name"), value="parts").classes("w-full sm:w-80")
            self.classes = ui.input(say("data.classes")).classes("w-full sm:w-96")
            self.split = ui.input(say("data.split"), placeholder="70,15,15").classes("w-full sm:w-96")
            drop = ResumableUpload(say("data.upload"), headers=headers).classes("w-full")
            drop.on("done", self._uploaded)
            drop.on("failed", lambda event: ui.notify(str(_args(event).get("detail")), type="negative"))
            ui.label(say("data.limits", mb=places.uploads.most_bytes // MB)).classes("text-xs opacity-70")
            self.folder = ui.input(say("data.folder")).classes("w-full sm:w-96")
            ui.label(say("data.roots", roots=", ".join(map(str, places.roots)))).classes("text-xs opacity-70")
            self.start = ui.button(say("data.start"), icon="input", on_click=self._import)
            self.message = ui.label().props("role=status aria-live=polite").classes("whitespace-pre-wrap")
        self.sets()

    @ui.refreshable_method
    def sets(self) -> None:
        """Show the data sets of the storage."""
        found = data_sets.listed(self.places.storage)
        if found:
            ui.label(self.say("data.sets")).classes("text-lg")
        for source in found:
            self._card(source)

    def _card(self, source: Path) -> None:
        name = str(source.parent.relative_to(self.places.storage))
        with ui.card().classes("w-full"), ui.row().classes("w-full items-center gap-3"):
            ui.label(name).classes("font-bold")
            try:
                images = labels.status(labels.store_at(source)).images
            except (AutomlError, OSError) as error:
                ui.label(str(error)).classes("text-negative")
                return
            ui.label(" · ".join(f"{split} {sum(states.values())}" for split, states in images.items()))
            ui.space()
            ui.link(self.say("data.open labels"), f"/labels?data={quote(str(source))}")
            report = ui.button(self.say("data.report"), icon="assessment").props("flat no-caps")
            place = ui.column().classes("w-full")
            report.on_click(lambda: self._report(source, place))

    async def _uploaded(self, event: GenericEventArguments) -> None:
        self._batch = str(_args(event).get("batch", ""))
        await self._import()

    async def _import(self) -> None:
        say = self.say
        try:
            source, out = self._source(), data_sets.target(self.places.storage, self.name.value.strip())
            names = [name.strip() for name in (self.classes.value or "").split(",") if name.strip()]
            self.start.disable()
            self.message.text = say("data.working")
            split = (self.split.value or "").strip() or None
            found = await run.io_bound(data_sets.import_source, source, out, split=split, names=names)
        except (AutomlError, OSError) as error:
            self.message.text = str(error)
            return
        finally:
            self.start.enable()
        if self._batch:
            await run.io_bound(self.places.uploads.delete, self._batch)
            self._batch = ""
        self.message.text = self._summary(found)
        self.sets.refresh()

    def _source(self) -> Path:
        if self._batch:
            return self.places.uploads.source(self._batch)
        return data_sets.inside(Path((self.folder.value or "").strip() or "/"), self.places.roots)

    def _summary(self, found: Imported) -> str:
        counts = {"images": sum(found.images.values()), "boxes": found.boxes, "classes": len(found.names)}
        return "\n".join([f"{found.kind}: {self.say('data.done', **counts)}", *found.notes, *found.leaks])

    async def _report(self, source: Path, place: ui.column) -> None:
        place.clear()
        page = source.parent / "labelling" / "report.html"
        try:
            found = await run.io_bound(data_sets.report_on, source, page)
        except (AutomlError, OSError) as error:
            with place:
                ui.label(str(error)).classes("text-negative whitespace-pre-wrap")
            return
        with place:
            if found:
                self._graded(found, page)

    def _graded(self, found: DataReport, page: Path) -> None:
        with ui.row().classes("items-center gap-3"):
            ui.badge(self.say("data.grade", grade=found.grade), color=COLOURS.get(found.grade, "grey"))
            ui.button(self.say("data.report"), icon="download", on_click=lambda: ui.download(page)).props(
                "flat no-caps"
            )
        for reason in found.reasons[:REASONS]:
            ui.label(f"{reason.grade}: {reason.text}").classes("text-sm")


def _args(event: GenericEventArguments) -> dict[str, Any]:
    return event.args if isinstance(event.args, dict) else {}
