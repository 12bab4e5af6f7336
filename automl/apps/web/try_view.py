"""Pictures, a folder, or the camera of the browser's computer, through a version; no picture is stored."""

import json

from nicegui import ui

from automl.apps.web.frame import heading
from automl.apps.web.texts import Texts

PICTURES = "image/png,image/jpeg,image/bmp,image/webp,image/tiff"


def build(texts: Texts, url: str) -> None:
    """Build the section in the present container; `url` is that of the version's boxes."""
    heading(texts("try"), 2)
    ui.label(texts("try_text")).classes("soft")
    where = {"canvas": "shot", "note": "shot-note", "slider": "threshold", "list": "shots", "url": url}
    said = {"busy": texts("busy"), "refused": texts("not_found"), "found": texts("found", count="{count}"),
            "files": texts("files", files="{files}", count="{count}", refused="{refused}"),
            "camera": texts("no camera")}  # fmt: skip
    arguments = f"{json.dumps(where)}, {json.dumps(said)}"
    with ui.element("div").classes("actions"):
        for key, key_id, more in (("choose", "picture", ""), ("choose folder", "folder", "webkitdirectory multiple")):
            with ui.element("label").classes("file"):
                ui.label(texts(key))
                chosen = ui.element("input").props(f'type=file accept="{PICTURES}" id={key_id} {more}')
            name = "tryFolder" if more else "tryPicture"
            chosen.on("change", js_handler=f"(e) => automl.{name}(e.target, {arguments})")
        camera = ui.button(texts("camera")).props("outline no-caps id=camera aria-pressed=false")
        camera.on("click", js_handler=f"(e) => automl.tryCamera(e.currentTarget, {arguments})")
    ui.element("div").props("id=shot-note role=status aria-live=polite")
    ui.element("canvas").props("id=shot hidden").classes("shot")
    ui.element("div").props("id=shots").classes("gallery")
