"""Worst misses and false alarms of a version, as crops of the judged images with their boxes."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Final

from nicegui import ui
from starlette.concurrency import run_in_threadpool

from automl.apps.web.frame import heading
from automl.apps.web.tables import plain_text
from automl.apps.web.texts import Texts
from automl.tracking.diagnosis.shipped_model import ShippedModel
from automl.tracking.report.errors import Errors, Shot, errors
from automl.tracking.report.language import Words

ROLES: Final = ("truth", "found", "false", "missed")


async def build(folder: Path, model: ShippedModel, texts: Texts) -> None:
    """Build the section in the present container; `folder` is that of the version's study."""
    found: Errors | None = await run_in_threadpool(errors, folder, model, Words(texts.language))
    heading(texts("worst"), 2)
    if found is None:
        ui.label(texts("worst none")).classes("soft")
        return
    ui.label(texts("worst text", at=model.threshold, split=model.split)).classes("soft")
    for key, shots, count in (("misses", found.missed, found.missed_count), ("alarms", found.false, found.false_count)):
        heading(texts(key, count=count), 3)
        _gallery(shots)
    if found.away:
        ui.label(texts("worst away", count=found.away)).classes("soft")


def _gallery(shots: Sequence[Shot]) -> None:
    if not shots:
        return
    with ui.element("div").classes("gallery"):
        for shot in shots:
            with ui.element("figure"):
                ui.html(svg_of(shot), sanitize=False)
                ui.label(f"{shot.title} · {plain_text(str(shot.text))}")
                ui.label(shot.name).classes("soft").style("overflow-wrap:anywhere")


def svg_of(shot: Shot) -> str:
    """Return a crop and its boxes as SVG; every text in it is escaped."""
    part = shot.part
    view = f"{part.left} {part.top} {part.width} {part.height}"
    place = f'x="{part.left}" y="{part.top}" width="{part.width}" height="{part.height}"'
    boxes = "".join(
        f'<rect class="{role if role in ROLES else ""}" x="{x}" y="{y}" width="{width}" height="{height}"/>'
        for x, y, width, height, role in shot.boxes
    )
    about = escape(f"{shot.title}, {shot.name}", quote=True)
    picture = f'<image href="{escape(shot.uri, quote=True)}" {place} preserveAspectRatio="none"/>'
    return f'<svg class="shot" viewBox="{view}" role="img" aria-label="{about}">{picture}{boxes}</svg>'
