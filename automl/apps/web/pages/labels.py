"""Page on labels: one image after another in the editor, saved at once; proposals and suspects to decide."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from nicegui import ui
from nicegui.events import GenericEventArguments
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from automl.apps import data_sets, labels
from automl.apps.label_desk import LabelDesk, Show
from automl.apps.web.audit_view import AuditView, list_of
from automl.apps.web.context import Context
from automl.apps.web.frame import frame
from automl.apps.web.label_editor import LabelEditor
from automl.apps.web.page import BUILD_SECONDS, Page
from automl.apps.web.texts import Texts
from automl.apps.web.texts.labels import LABELS
from automl.data.labelling.store import UNNAMED, ConflictError
from automl.data.labelling.suspects import Answer
from automl.study.errors import AutomlError

ANSWERS: Final = {Answer.RIGHT: "check", Answer.WRONG: "delete", Answer.FIX: "auto_fix_high"}
NAME_COOKIE: Final = "automl-name"
QUIET: Final = "role=status aria-live=polite"


def add(context: Context) -> None:
    """Add the page."""
    storage = context.place.storage

    @ui.page("/labels", response_timeout=BUILD_SECONDS)
    async def page(request: Request, data: str = "", show: str = "all") -> None:
        texts = Texts(context.language_of(request), LABELS)
        with frame(context, request, texts("title")):
            found = data_sets.keys(storage)
            if not found:
                ui.label(texts("no sets"))
                return
            key = data if data in found else next(iter(found))
            pick = ui.select(list(found), value=key, label=texts("pick"))
            pick.on_value_change(lambda event: ui.navigate.to(f"/labels?data={event.value}"))
            pick.style("max-width:24rem")
            try:
                desk = LabelDesk(labels.store_at(found[key]), request.cookies.get(NAME_COOKIE, ""))
            except (AutomlError, OSError) as error:
                ui.label(str(error)).classes("bad").props("lang=en")
                return
            wanted = Show(show) if show in list(Show) else Show.ALL
            studies = data_sets.trained_on(storage, found[key])
            audits = AuditView(context, texts, studies[0], data=key) if studies else None
            view = LabelsView(desk, texts, storage=storage, audit=list_of(studies), audits=audits)
            view.build(wanted, labels.proposers(storage))


class LabelsView:
    """The page of one person: a desk, the editor, and what is said of the image in view."""

    def __init__(
        self, desk: LabelDesk, texts: Texts, *, storage: Path, audit: Path | None, audits: AuditView | None
    ) -> None:  # fmt: skip
        """Prepare a view.

        Args:
            desk: whose images are gone through.
            texts: in the reader's language.
            storage: with the models that may propose boxes.
            audit: the list of the audit that can be worked through.
            audits: makes such a list; None where no study trains on the data.
        """
        self.desk, self.say, self._audit, self._audits, self.cls = desk, texts, audit, audits, 0
        self._storage = storage
        self._names = [desk.store.names[number] for number in sorted(desk.store.names)]

    def build(self, show: Show, models: list[str]) -> None:
        """Build the page in the present container.

        Args:
            show: which images are gone through first.
            models: what may propose boxes; others of the storage can be typed.
        """
        with ui.element("div").classes("actions"):
            self._shown(show)
            self.count = ui.label().props("role=status")
            name = ui.input(self.say("by"), value=self.desk.by).props("dense").style("width:9rem;margin-left:auto")
            name.on("change", lambda: self._rename(str(name.value or "")))
        with ui.element("div").style("display:flex;flex-wrap:wrap;gap:1rem;align-items:flex-start"):
            with ui.element("div").style("flex:1 1 420px;min-width:0"):
                self.editor = LabelEditor(self._names, label=self.say("editor"))
                self._buttons()
            with ui.element("div").style("flex:1 1 220px;display:grid;gap:.4rem"):
                self._panel(models)
        self._listen()
        self._show_first(show)

    def _shown(self, show: Show) -> None:
        shown = [one for one in Show if one is not Show.SUSPECTS or self._audit]
        options = {str(one): self.say(str(one)) for one in shown}
        select = ui.select(options, value=str(show if show in shown else Show.ALL), label=self.say("show"))
        select.on_value_change(lambda event: self._show_first(Show(event.value)))
        select.props("dense").style("min-width:12rem")

    def _buttons(self) -> None:
        say = self.say
        with ui.element("div").classes("actions"):
            for icon, text, act in (
                ("navigate_before", "previous", lambda: self._step(-1)),
                ("navigate_next", "next", lambda: self._step(1)),
                ("undo", "undo", self._undo),
                ("add_box", "new", lambda: self.editor.run_method("addNew")),
                ("delete", "delete", lambda: self.editor.run_method("remove")),
                ("zoom_in", "zoom in", lambda: self.editor.run_method("zoomBy", 1.25)),
                ("zoom_out", "zoom out", lambda: self.editor.run_method("zoomBy", 0.8)),
            ):
                ui.button(icon=icon, on_click=act).props(f'flat dense aria-label="{say(text)}" title="{say(text)}"')
            ui.button(say("background"), icon="hide_image", on_click=self._background).props("flat dense no-caps")

    def _panel(self, models: list[str]) -> None:
        say = self.say
        self.title = ui.label().style("overflow-wrap:anywhere")
        self.state = ui.label().props(QUIET).style("font-weight:600")
        options = {number: f"{number + 1}  {name}" if number < 9 else name for number, name in enumerate(self._names)}
        self.classes = ui.select(options, value=0, label=say("classes"))
        self.classes.on_value_change(lambda event: self._set_class(int(event.value)))
        self.offer = ui.button(say("accept"), on_click=lambda: self.editor.run_method("acceptAll")).props("no-caps")
        self.proposer = ui.label().classes("soft")
        with ui.element("div").style("display:grid;gap:.3rem") as self.suspect:
            self.claim = ui.label()
            for answer, icon in ANSWERS.items():
                button = ui.button(say(str(answer)), icon=icon).props("outline no-caps")
                button.on_click(lambda answer=answer: self._answer(answer))
            ui.label(say("suspect keys")).classes("soft")
        self.model = ui.select(
            models,
            value=models[0] if models else None,
            label=say("model"),
            new_value_mode="add-unique",
            with_input=True,
        )
        ui.label(say("model text")).classes("soft")
        self.propose = ui.button(say("propose"), on_click=self._propose).props("outline no-caps")
        if self._audits:
            self._audits.build()
        if any(split == "waiting" for split in self.desk.store.splits.values()):
            ui.button(say("settle"), on_click=self._settle).props("outline no-caps")
        ui.label(say("keys")).classes("soft").style("font-size:.85rem")

    def _listen(self) -> None:
        self.editor.on("change", self._change)
        self.editor.on("undo", lambda _: self._undo())
        self.editor.on("step", lambda event: self._step(int(_args(event).get("by", 1))))
        self.editor.on("background", lambda _: self._background())
        self.editor.on("answer", lambda event: self._answer(Answer(str(_args(event).get("answer")))))
        self.editor.on("cls", lambda event: self._set_class(int(_args(event).get("cls", 0)), shown=True))

    def _rename(self, name: str) -> None:
        self.desk.by = name
        cookie = json.dumps(f"{NAME_COOKIE}={''.join(c for c in name if c.isalnum() or c in '-_.')}")
        ui.run_javascript(f"document.cookie = {cookie} + '; path=/; max-age=31536000; samesite=strict'")

    async def _propose(self) -> None:
        self.propose.disable()
        self.state.text = self.say("working")
        try:
            count = await run_in_threadpool(
                labels.propose_by, self.desk.store, str(self.model.value or ""), self._storage
            )
            ui.notify(self.say("proposed count", count=count))
        except (AutomlError, OSError) as error:
            ui.notify(str(error), type="negative", multi_line=True)
        self.propose.enable()
        self.refresh(picture=False)

    async def _settle(self) -> None:
        try:
            found = await run_in_threadpool(labels.settle, self.desk.store, by=self.desk.by or UNNAMED)
        except (AutomlError, OSError) as error:
            ui.notify(str(error), type="negative", multi_line=True)
            return
        ui.notify(self.say("settled", **found.images, waiting=found.waiting))
        self._show_first(Show.ALL)

    def _set_class(self, number: int, *, shown: bool = False) -> None:
        if not 0 <= number < len(self._names):
            return
        self.cls = number
        self.editor.set_class(number)
        if shown and self.classes.value != number:
            self.classes.value = number
        elif not shown:
            self.editor.run_method("setClass", number)

    def _show_first(self, what: Show) -> None:
        self._try(lambda: self.desk.show(what, audit=self._audit))
        self.refresh()

    async def _change(self, event: GenericEventArguments) -> None:
        given = _args(event)
        try:
            await run_in_threadpool(self.desk.save, given)
        except ConflictError as error:
            who = error.change.by if error.change else self.say("other program")
            ui.notify(self.say("conflict", who=who), type="warning")
            self.refresh(picture=False)
            return
        except (AutomlError, OSError) as error:
            ui.notify(str(error), type="negative")
            self.refresh(picture=False)
            return
        if given.get("key") == self.desk.key:
            self.refresh(picture=False, saved=True)

    def _step(self, by: int) -> None:
        if self.desk.step(by):
            self.refresh()

    def _undo(self) -> None:
        self._try(self.desk.undo)
        self.refresh(picture=False)

    def _background(self) -> None:
        self._try(lambda: self.desk.background(self.desk.store.read(self.desk.key).version))
        self.refresh(picture=False)

    def _answer(self, answer: Answer) -> None:
        if self._try(lambda: self.desk.answer(answer)):
            self.desk.step(1)
        self.refresh()

    def _try(self, act: Callable[[], object]) -> bool:
        try:
            act()
        except (AutomlError, OSError) as error:
            ui.notify(str(error), type="negative", multi_line=True)
            return False
        return True

    def refresh(self, *, picture: bool = True, saved: bool = False) -> None:
        """Show the image in view as it is now."""
        try:
            view = self.desk.view(picture=picture, saved=saved)
        except (AutomlError, OSError) as error:
            ui.notify(str(error), type="negative")
            view = {"key": self.desk.key, "boxes": [], "proposals": [], "version": "", "src": ""}
        self.editor.set_view(view)
        total = len(self.desk.keys)
        self.count.text = f"{self.desk.at + 1} / {total}" if total else self.say("none")
        self.title.text = view["key"]
        self.state.text = self._state(view, saved=saved)
        offered = view.get("proposals", [])
        self.offer.visible = bool(offered)
        self.proposer.text = self.say("proposals", count=len(offered), model=view["proposer"]) if offered else ""
        self._show_suspect(view.get("suspect"))

    def _state(self, view: dict[str, Any], *, saved: bool) -> str:
        if not view.get("state"):
            return ""
        text = self.say(f"state.{view['state']}", count=len(view["boxes"]))
        wrong = self.say("mistakes", count=len(view["mistakes"])) if view["mistakes"] else ""
        last = self._last(view["changed"])
        return " · ".join(part for part in (text, wrong, self.say("saved") if saved else "", last) if part)

    def _last(self, changed: dict[str, str]) -> str:
        if not changed:
            return ""
        by = self.say("unnamed") if changed["by"] == UNNAMED else changed["by"]
        return self.say("changed", by=by, at=changed["at"])

    def _show_suspect(self, suspect: dict[str, Any] | None) -> None:
        self.suspect.visible = suspect is not None
        if suspect:
            kind = self.say(f"kind.{suspect['kind']}")
            self.claim.text = self.say("suspect", kind=kind, cls=suspect["cls"] or "-",
                                       suggested=suspect["suggested_cls"] or "-", score=suspect["score"])  # fmt: skip


def _args(event: GenericEventArguments) -> dict[str, Any]:
    return event.args if isinstance(event.args, dict) else {}


PAGE = Page("/labels", add, ("Labels", "标注"))
