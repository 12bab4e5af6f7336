"""Frame of each page: menu, language, light or dark, link to the content for the keyboard."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

from nicegui import ui
from starlette.requests import Request

from automl.apps.web.texts import Texts
from automl.apps.web.texts.frame import FRAME
from automl.tracking.report import Language

if TYPE_CHECKING:
    from automl.apps.web.context import Context

HEAD = '<link rel="stylesheet" href="/static/web.css"><script src="/static/web.js"></script>'


@contextmanager
def frame(context: "Context", request: Request, title: str) -> Iterator[None]:
    """Build the frame of a page; what the block builds is its content."""
    from automl.apps.web.pages import PAGES  # noqa: PLC0415  (the pages use the frame)

    language = context.language_of(request)
    texts = Texts(language, FRAME)
    _only_one_main()
    ui.add_head_html(HEAD)
    lost = json.dumps([texts("lost"), texts("reconnecting")])
    ui.add_head_html(f"<script>document.documentElement.lang = '{language}'; automl.lost({lost})</script>")
    ui.page_title(f"{title} - automl")
    ui.dark_mode(value=_is_dark(request))
    ui.html(f'<a class="skip" href="#content">{texts("skip")}</a>', sanitize=False)
    with ui.element("header").classes("top"):
        ui.link("automl", "/").classes("brand")
        with ui.element("nav").props(f'aria-label="{texts("menu")}"'):
            for page in (one for one in PAGES if one.titles):
                here = request.url.path == page.path or (page.path != "/" and request.url.path.startswith(page.path))
                ui.link(page.title(language), page.path).props("aria-current=page" if here else "")
        other = Language.EN if language is Language.ZH else Language.ZH
        where = quote(request.url.path, safe="")
        ui.link(texts("other_language"), f"/language/{other}?next={where}").props(f"lang={other}")
        dark = ui.element("button").props(f'type=button aria-label="{texts("dark")}" title="{texts("dark")}"')
        dark.classes("plain").on("click", js_handler="() => automl.dark()")
        with dark:
            ui.label("◐")
    with ui.element("main").props("id=content tabindex=-1"):
        heading(title)
        yield


def _only_one_main() -> None:
    """Render NiceGUI's page as a plain block: Quasar's is a `main` around all, also around the menu."""
    if holder := ui.context.client.content.parent_slot:
        holder.parent.tag = "div"


def heading(text: str, level: int = 1) -> None:
    """Build a heading; `level` is 1 to 3."""
    with ui.element(f"h{level}"):
        ui.label(text).style("display:contents")


def _is_dark(request: Request) -> bool | None:
    """Return the choice of the browser's user; None: as the system has it."""
    return {"1": True, "0": False}.get(request.cookies.get("automl-dark", ""))
