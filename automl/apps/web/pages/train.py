"""Page that starts a training: three questions, the cost before, and all else under "more"."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from nicegui import ui
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from automl.apps import data_sets
from automl.apps.web.context import Context
from automl.apps.web.draft import DEVICES, LONG, MATTERS, Answers, Draft, drafted
from automl.apps.web.frame import frame, heading
from automl.apps.web.page import BUILD_SECONDS, Page
from automl.apps.web.settings_form import SECTIONS, Field, fields
from automl.apps.web.tables import notify, preformatted
from automl.apps.web.texts import Texts
from automl.apps.web.texts.train import TRAIN
from automl.study.errors import AutomlError
from automl.study.spec import SAMPLE
from automl.study.text import amount, duration

UNFIT: Final = re.compile(r"[^A-Za-z0-9._-]+")


def add(context: Context) -> None:
    """Add the page."""

    @ui.page("/train", response_timeout=BUILD_SECONDS)
    async def page(request: Request) -> None:
        texts = Texts(context.language_of(request), TRAIN)
        with frame(context, request, texts("title")):
            Form(context, texts).build(chosen=request.query_params.get("data", ""))


class Form:
    """The form, and the last draft that was checked."""

    def __init__(self, context: Context, texts: Texts) -> None:
        self._context, self._texts = context, texts
        self._more: dict[str, Any] = {}
        self._draft: Draft | None = None
        self._sources = {SAMPLE: SAMPLE}
        self._sources |= {key: str(path) for key, path in data_sets.keys(context.place.storage).items()}

    def build(self, *, chosen: str) -> None:
        """Build the form; `chosen` is the key of a data set."""
        texts = self._texts
        keys = {key: texts("sample") if key == SAMPLE else key for key in self._sources}
        first = chosen if chosen in keys else next(reversed(keys))
        with ui.element("section").classes("card"):
            with ui.element("div").classes("fields"):
                self._data = ui.select(keys, value=first, label=texts("data"))
                self._name = ui.input(texts("name"), value=self._free_name(first))
                self._data.on_value_change(lambda event: self._name.set_value(self._free_name(event.value)))
            with ui.element("div").classes("fields"):
                self._long = self._question("long", LONG, "evening")
                self._device = self._question("device", DEVICES, "any")
                self._matters = self._question("matters", MATTERS, "both")
            ui.label(texts("long_text")).classes("soft")
            if head := self._context.jobs.head:
                ui.label(texts("head", head=head)).classes("soft")
            self._build_more()
            with ui.element("div").classes("actions"):
                self._ask = ui.button(texts("plan"), on_click=self._plan).props("outline no-caps")
                ui.button(texts("start"), on_click=self._start).props("no-caps")
        self._below = ui.element("div").props("role=status aria-live=polite")

    def _question(self, key: str, options: Mapping[str, Any], value: str) -> ui.radio:
        with ui.element("fieldset"):
            with ui.element("legend"):
                ui.label(self._texts(key))
            return ui.radio({name: self._texts(f"{key}.{name}") for name in options}, value=value).props("dense")

    def _build_more(self) -> None:
        texts = self._texts
        with ui.expansion(texts("more")).style("width:100%"):
            ui.label(texts("more_text")).classes("soft")
            for section in SECTIONS:
                with ui.element("fieldset"):
                    with ui.element("legend"):
                        ui.label(texts(f"section.{section}"))
                    with ui.element("div").classes("fields"):
                        for field in fields(section):
                            self._more[field.key] = self._entry(field)
            with ui.element("fieldset"):
                with ui.element("legend"):
                    ui.label(texts("section.train"))
                self._train = ui.textarea(texts("settings"), placeholder="imgsz=320").props("autogrow")
                self._train.style("width:100%")
                ui.label(texts("settings_text")).classes("soft")

    def _entry(self, field: Field) -> Any:  # noqa: ANN401
        texts = self._texts
        with ui.element("div"):
            if field.choices:
                options = {"": texts("default")} | {choice: choice for choice in field.choices}
                entry: Any = ui.select(options, value="", label=field.key).style("width:100%")
            else:
                entry = ui.input(field.key, placeholder=field.default).style("width:100%")
                if law := field.law(texts):
                    ui.label(texts("law", law=law)).classes("soft")
            ui.label(field.text_in(texts.language)).classes("soft")
        return entry

    def _free_name(self, key: str) -> str:
        """Return a name that no study of the storage has."""
        name = UNFIT.sub("-", key.rpartition("/")[2]).strip("-.")[:50] or "study"
        number, free = 1, name
        while self._context.place.study(free).exists():
            number += 1
            free = f"{name}-{number}"
        return free

    def _answers(self) -> Answers:
        more = {key: str(entry.value or "") for key, entry in self._more.items()}
        source = self._sources.get(str(self._data.value), SAMPLE)
        name = str(self._name.value or "").strip()
        chosen = self._long.value, self._device.value, self._matters.value
        return Answers(name, source, *chosen, more, str(self._train.value or ""))

    async def _plan(self) -> Draft | None:
        """Check the answers and show what they cost; None if there are mistakes."""
        self._draft = None
        self._below.clear()
        self._ask.disable()
        with self._below:
            ui.label(self._texts("planning"))
        try:
            draft: Draft = await run_in_threadpool(drafted, self._answers(), self._context.place)
        except AutomlError as error:
            self._show_mistakes(error)
            return None
        finally:
            self._ask.enable()
        self._show(draft)
        self._draft = draft
        return draft

    async def _start(self) -> None:
        draft = self._draft
        if draft is None or draft.answers != self._answers():
            draft = await self._plan()
        if draft is None:
            return
        name = draft.answers.name
        try:
            self._context.jobs.start(name, draft.text, overrides=draft.answers.changes())
        except AutomlError as error:
            notify(error)
        else:
            ui.navigate.to(f"/studies/{name}")

    def _show_mistakes(self, error: AutomlError) -> None:
        self._below.clear()
        with self._below:
            ui.label(self._texts("mistakes")).classes("bad").props("role=alert")
            preformatted(str(error))

    def _show(self, draft: Draft) -> None:
        self._below.clear()
        with self._below, ui.element("section").classes("card"):
            heading(self._texts("plan"), 2)
            for line in plan_lines(draft, self._texts):
                ui.label(line)
            if draft.preview.warnings:
                ui.label(self._texts("warnings")).classes("soft")
                preformatted("\n".join(draft.preview.warnings))


def plan_lines(draft: Draft, texts: Texts) -> list[str]:
    """Return what a study will cost as lines."""
    found = draft.preview
    low, high = found.confirm_epochs
    confirm = str(low) if low == high else texts("plan_confirm", low=low, high=high, expected=found.confirm_expected)
    rungs = ", ".join(map(str, found.rungs))
    lines = [
        texts("plan_trials", trials=found.trials, model=Path(found.model).name, rungs=rungs, epochs=found.max_epochs),
        texts("plan_epochs", fewest=found.cost.fewest, most=found.cost.most, expected=found.cost.expected,
              confirm=confirm),
    ]  # fmt: skip
    if found.time.timing is None:
        lines.append(texts("plan_unknown"))
    else:
        fewest, most = (duration(seconds) for seconds in found.time.seconds)
        lines.append(texts("plan_time", fewest=fewest, most=most, longest=duration(found.time.most_seconds)))
    lines.append(texts("plan_disk", kept=amount(found.disk.kept), free=amount(found.disk.free)))
    lines += [texts("plan_data", split=name, images=split.images) for name, split in found.splits.items()]
    return [*lines, texts("scratch")] if draft.from_scratch else lines


PAGE = Page("/train", add, ("Train", "训练"))
