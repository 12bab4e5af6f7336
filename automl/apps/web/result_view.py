"""View of a version: verdict, classes, targets, threshold, a picture, comparison, promotion, use."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from nicegui import ui
from starlette.concurrency import run_in_threadpool

from automl.apps.promotion import refusals
from automl.apps.registry import Champion, Registry
from automl.apps.web import try_view, worst_view
from automl.apps.web.context import Context
from automl.apps.web.frame import heading
from automl.apps.web.tables import notify, plain_text, preformatted, table
from automl.apps.web.texts import Texts
from automl.apps.web.versions import shipped, verdict_of
from automl.study.errors import AutomlError
from automl.study.text import shell_line
from automl.study.verdict import Verdict
from automl.tracking.diagnosis.shipped_model import ShippedModel
from automl.tracking.diagnosis.sweep import GRID, Sweep
from automl.tracking.report.language import Words
from automl.tracking.report.statements import reasons, statements

CLASS: Final = "class/"
VALUE: Final = "(event) => emit(event.target.value)"


class ResultView:
    """The elements of one version's page."""

    def __init__(self, context: Context, texts: Texts, registry: Registry, number: int) -> None:
        self._context, self._texts, self._registry, self._number = context, texts, registry, number

    async def build(self) -> None:
        """Build the page.

        Raises:
            RegistryError: there is no such version.
        """
        verdict = verdict_of(self._registry.path(self._number))
        kept = await run_in_threadpool(shipped, self._context.place, verdict) if verdict else None
        self._head()
        if verdict is not None:
            self._verdict(verdict)
            self._classes(verdict, kept)
            self._targets(verdict)
        self._threshold(kept)
        if verdict is not None and kept is not None:
            await worst_view.build(self._context.place.study(Path(verdict.study).name), kept, self._texts)
        self._try()
        self._change()
        self._compare()
        self._use()

    def _head(self) -> None:
        texts, aliases = self._texts, self._registry.aliases
        with ui.element("nav").classes("actions").props(f'aria-label="{texts("versions")}"'):
            for number in self._registry.versions:
                held = [_alias(texts, name) for name, at in aliases.items() if at == number]
                names = f" ({', '.join(held)})" if held else ""
                label = f"{texts('version')} {number}{names}"
                link = ui.link(label, f"/models/{self._registry.name}?version={number}")
                link.props("aria-current=page" if number == self._number else "")
        where = f"/models/{self._registry.name}/{self._number}/bundle.zip"
        ui.link(texts("download", number=self._number), where)

    def _verdict(self, verdict: Verdict) -> None:
        texts, words = self._texts, Words(self._texts.language)
        heading(texts("verdict"), 2)
        with ui.element("section").classes("card"):
            ui.label(texts("accepted" if verdict.accepted else "refused")).classes(
                "good" if verdict.accepted else "bad"
            )
            found = statements(verdict, words)
            if not found:
                ui.label(texts("earlier")).classes("soft")
            for key, text in found.items():
                heading(texts(key), 3)
                ui.label(plain_text(str(text)))
            if lines := [plain_text(str(reason)) for reason in reasons(verdict, words)]:
                heading(texts("gates"), 3)
                for line in lines:
                    ui.label(line).classes("soft")
            ui.link(texts("study", name=verdict.study), f"/studies/{verdict.study}")

    def _classes(self, verdict: Verdict, kept: ShippedModel | None) -> None:
        texts = self._texts
        heading(texts("classes"), 2)
        rows = []
        for number, name in verdict.names.items():
            score = verdict.metrics.get(f"{CLASS}{name}")
            row = [name, "" if score is None else f"{score:.3f}"]
            if kept:
                sweep = Sweep.of(kept.stats, int(number))
                at = sweep.at(kept.threshold)
                row += [str(sweep.boxes), f"{at.recall:.0%}", f"{at.precision:.0%}"]
            rows.append(row)
        columns = ["class", "ap", *(("boxes", "recall", "precision") if kept else ())]
        table([texts(column) for column in columns], rows)

    def _targets(self, verdict: Verdict) -> None:
        if not verdict.targets:
            return
        texts = self._texts
        heading(texts("targets"), 2)
        rows = [
            [one.name, f"{one.format} {one.precision}", "" if one.score is None else f"{one.score:.4f}",
             "" if one.p50_ms is None or one.p99_ms is None else f"{one.p50_ms:.2f} / {one.p99_ms:.2f} ms",
             texts("contained" if one.accepted else "left_out")]
            for one in verdict.targets
        ]  # fmt: skip
        table([texts(name) for name in ("target", "format", "score", "latency", "state")], rows)

    def _threshold(self, kept: ShippedModel | None) -> None:
        texts = self._texts
        heading(texts("threshold"), 2)
        if kept is None:
            ui.label(texts("threshold_none")).classes("soft")
            return
        sweep, images = Sweep.of(kept.stats), kept.stats.images
        ui.label(texts("threshold_text", split=kept.split, images=images, boxes=sweep.boxes, served=kept.threshold))

        def said(at: float) -> str:
            missed, false = cost_of(sweep, at)
            return texts("threshold_now", at=at, missed=missed, boxes=sweep.boxes, false=false, images=images)

        now = ui.label(said(kept.threshold)).props("role=status aria-live=polite")
        holder = ui.element("span").props("id=threshold")

        def moved(value: float) -> None:
            now.set_text(said(value))
            holder.props(f'data-value="{value:.2f}"')

        # The browser's own: what takes the keys of Quasar's slider has no name for a screen reader. Its value is the
        # default one: another value of the element would be set again with each change of the page.
        slider = ui.element("input").classes("threshold").props("type=range min=0.01 max=0.99 step=0.01")
        slider.props(f'defaultValue={kept.threshold:.2f} aria-label="{texts("threshold")}"')
        slider.on("input", lambda event: moved(float(event.args)), throttle=0.1, js_handler=VALUE)

    def _try(self) -> None:
        try_view.build(self._texts, f"/models/{self._registry.name}/{self._number}/predict")

    def _change(self) -> None:
        texts, registry, number = self._texts, self._registry, self._number
        heading(texts("change"), 2)
        refused = refusals(registry.stored, number)
        why = ui.input(texts("why")).style("width:100%")
        if refused:
            ui.label(texts("override")).classes("bad")

        def promote() -> Champion:
            reason = str(why.value or "")
            return registry.promote(number, override=reason) if refused else registry.promote(number, why=reason)

        with ui.element("div").classes("actions"):
            if registry.aliases.get("champion") != number:
                ask = partial(self._do, promote)
                ui.button(texts("promote", number=number), on_click=ask).props("outline no-caps")
            roll = partial(self._do, lambda: registry.rollback(why=str(why.value or "")))
            ui.button(texts("rollback"), on_click=roll).props("outline no-caps")
        heading(texts("history"), 3)
        rows = [[move.at[:19], move.by, _moves(texts, move.moves), move.why] for move in registry.history()]
        table([texts(name) for name in ("at", "by", "moves", "reason")], rows)

    async def _do(self, change: Callable[[], Champion]) -> None:
        try:
            champion = await run_in_threadpool(change)
        except AutomlError as error:
            notify(error)
        else:
            ui.notify(self._texts("done", number=champion.version))
            ui.navigate.to(f"/models/{self._registry.name}?version={champion.version}")

    def _compare(self) -> None:
        texts, versions = self._texts, self._registry.versions
        if len(versions) < 2:
            return
        heading(texts("compare"), 2)
        with ui.element("div").classes("actions"):
            before = ui.select(versions, value=versions[-2], label=texts("version")).style("min-width:7rem")
            after = ui.select(versions, value=versions[-1], label=texts("compare_with")).style("min-width:7rem")
            button = ui.button(texts("compare_do")).props("outline no-caps")
        out = ui.element("div")

        async def compare() -> None:
            out.clear()
            try:
                found = await run_in_threadpool(self._registry.diff, int(before.value), int(after.value))
            except AutomlError as error:
                notify(error)
                return
            with out:
                ui.label(texts("differences")).classes("soft")
                preformatted("\n".join(found.lines()))

        button.on_click(compare)

    def _use(self) -> None:
        texts = self._texts
        heading(texts("use"), 2)
        serve = shell_line("automl", "serve", f"{self._registry.name}@{self._number}", "--storage",
                           self._context.place.storage)  # fmt: skip
        for key, text in (("serve", serve), ("curl", CURL), ("python", PYTHON), ("feedback", FEEDBACK)):
            ui.label(texts(key)).classes("soft")
            preformatted(text)


CURL: Final = "curl --data-binary @picture.jpg http://127.0.0.1:8000/predict"
FEEDBACK: Final = "curl --data-binary @picture.jpg 'http://127.0.0.1:8000/feedback?verdict=wrong'"
PYTHON: Final = """import json
from pathlib import Path
from urllib.request import urlopen

with urlopen("http://127.0.0.1:8000/predict", data=Path("picture.jpg").read_bytes()) as answer:
    for box in json.load(answer)["boxes"]:
        print(box["name"], box["confidence"], box["box"])"""


def _alias(texts: Texts, name: str) -> str:
    """Return the name of an alias for the page; one of a target with the target behind it."""
    alias, _, target = name.partition("/")
    return f"{texts(alias)} {target}".rstrip()


def _moves(texts: Texts, moves: Mapping[str, int | None]) -> str:
    """Return the aliases that were moved as words: `champion → 2, previous → 1`."""
    return ", ".join(f"{_alias(texts, name)} → {'-' if at is None else at}" for name, at in moves.items())


def cost_of(sweep: Sweep, threshold: float) -> tuple[int, int]:
    """Return the objects missed and the false alarms at a threshold."""
    place = int(np.abs(GRID - threshold).argmin())
    hits = round(float(sweep.recall[place]) * sweep.boxes)
    return sweep.boxes - hits, int(sweep.found[place]) - hits
