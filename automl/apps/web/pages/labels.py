"""Page on labels: one image after another in the editor, saved at once; proposals and suspects to decide."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from nicegui import run, ui
from nicegui.events import GenericEventArguments

from automl.apps.label_desk import LabelDesk, Show
from automl.apps.web.label_editor import LabelEditor
from automl.data.labelling.store import ConflictError
from automl.data.labelling.suspects import Answer
from automl.study.errors import AutomlError

Say = Callable[..., str]
"""Returns the text of a key in the reader's language, with values in it."""
ANSWERS: Final = {Answer.RIGHT: "check", Answer.WRONG: "delete", Answer.FIX: "auto_fix_high"}


class LabelsView:
    """The page of one person: a desk, the editor, and what is said of the image in view."""

    def __init__(self, desk: LabelDesk, say: Say, *, audit: Path | None = None) -> None:
        """Build the page in the present container.

        Args:
            desk: whose images are gone through.
            say: texts.
            audit: the study's folder, or the list, of the audit that can be worked through.
        """
        self.desk, self.say, self._audit = desk, say, audit
        names = [desk.store.names[number] for number in sorted(desk.store.names)]
        self._names = names
        with ui.row().classes("w-full items-center gap-2"):
            self._shown()
            self.count = ui.label().props("role=status")
            ui.space()
            ui.input(say("labels.by"), value=desk.by, on_change=self._rename).props("dense").classes("w-32")
        with ui.row().classes("w-full gap-4 items-start"):
            with ui.column().classes("grow min-w-[300px] basis-[480px] max-w-[1100px]"):
                self.editor = LabelEditor(names, label=say("labels.editor")).classes("w-full")
                self._buttons()
            with ui.column().classes("w-full sm:w-64 gap-2"):
                self._panel(names)
        self._listen()
        self._show_first(Show.ALL)

    def _shown(self) -> None:
        shown = [one for one in Show if one is not Show.SUSPECTS or self._audit]
        options = {str(one): self.say(f"labels.{one}") for one in shown}
        shown_now = ui.select(options, value=str(Show.ALL), label=self.say("labels.show"))
        shown_now.on_value_change(lambda event: self._show_first(Show(event.value)))
        shown_now.classes("w-48").props("dense")

    def _buttons(self) -> None:
        say = self.say
        with ui.row().classes("w-full gap-1"):
            for icon, text, act in (
                ("navigate_before", "labels.previous", lambda: self._step(-1)),
                ("navigate_next", "labels.next", lambda: self._step(1)),
                ("undo", "labels.undo", self._undo),
                ("add_box", "labels.new", lambda: self.editor.run_method("addNew")),
                ("delete", "labels.delete", lambda: self.editor.run_method("remove")),
                ("zoom_in", "labels.zoom in", lambda: self.editor.run_method("zoomBy", 1.25)),
                ("zoom_out", "labels.zoom out", lambda: self.editor.run_method("zoomBy", 0.8)),
            ):
                ui.button(icon=icon, on_click=act).props(f'flat dense aria-label="{say(text)}"').tooltip(say(text))
            ui.button(say("labels.background"), icon="hide_image", on_click=self._background).props(
                "flat dense no-caps"
            )

    def _panel(self, names: list[str]) -> None:
        self.cls = 0
        self.title = ui.label().classes("text-sm break-all")
        self.state = ui.label().classes("font-bold").props("role=status aria-live=polite")
        options = {number: f"{number + 1}  {name}" if number < 9 else name for number, name in enumerate(names)}
        self.classes = ui.select(options, value=0, label=self.say("labels.classes"),
                                 on_change=lambda event: self._set_class(event.value)).classes("w-full")  # fmt: skip
        self.offer = ui.button(self.say("labels.accept"), icon="done_all",
                               on_click=lambda: self.editor.run_method("acceptAll")).props("no-caps")  # fmt: skip
        self.proposer = ui.label().classes("text-sm")
        with ui.column().classes("w-full gap-1") as self.suspect:
            self.claim = ui.label().classes("text-sm")
            for answer, icon in ANSWERS.items():
                button = ui.button(self.say(f"labels.{answer}"), icon=icon)
                button.on_click(lambda answer=answer: self._answer(answer))
                button.props("outline no-caps").classes("w-full")
            ui.label(self.say("labels.suspect keys")).classes("text-xs opacity-70")
        ui.label(self.say("labels.keys")).classes("text-xs opacity-70")

    def _listen(self) -> None:
        self.editor.on("change", self._change)
        self.editor.on("undo", lambda _: self._undo())
        self.editor.on("step", lambda event: self._step(int(_args(event).get("by", 1))))
        self.editor.on("background", lambda _: self._background())
        self.editor.on("answer", lambda event: self._answer(Answer(str(_args(event).get("answer")))))
        self.editor.on("cls", lambda event: self._set_class(int(_args(event).get("cls", 0)), shown=True))

    def _rename(self, event: Any) -> None:  # noqa: ANN401  (of the page's library)
        self.desk.by = str(event.value or "")

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
            await run.io_bound(self.desk.save, given)
        except ConflictError as error:
            who = error.change.by if error.change else self.say("labels.other program")
            ui.notify(self.say("labels.conflict", who=who), type="warning")
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
        self.count.text = f"{self.desk.at + 1} / {total}" if total else self.say("labels.none")
        self.title.text = view["key"]
        self.state.text = self._state(view, saved=saved)
        offered = view.get("proposals", [])
        self.offer.visible = bool(offered)
        self.proposer.text = self.say("labels.proposals", count=len(offered), model=view["proposer"]) if offered else ""
        self._show_suspect(view.get("suspect"))

    def _state(self, view: dict[str, Any], *, saved: bool) -> str:
        if not view.get("state"):
            return ""
        text = self.say(f"labels.state.{view['state']}", count=len(view["boxes"]))
        wrong = self.say("labels.mistakes", count=len(view["mistakes"])) if view["mistakes"] else ""
        return " · ".join(part for part in (text, wrong, self.say("labels.saved") if saved else "") if part)

    def _show_suspect(self, suspect: dict[str, Any] | None) -> None:
        self.suspect.visible = suspect is not None
        if suspect:
            kind = self.say(f"labels.kind.{suspect['kind']}")
            self.claim.text = self.say("labels.suspect", kind=kind, cls=suspect["cls"] or "-",
                                       suggested=suspect["suggested_cls"] or "-", score=suspect["score"])  # fmt: skip


def _args(event: GenericEventArguments) -> dict[str, Any]:
    return event.args if isinstance(event.args, dict) else {}
