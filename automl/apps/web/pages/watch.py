"""Page of all studies of the storage."""

from pathlib import Path

from nicegui import ui
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from automl.apps.web.context import Context
from automl.apps.web.frame import frame, heading
from automl.apps.web.page import BUILD_SECONDS, Page
from automl.apps.web.tables import preformatted
from automl.apps.web.texts import Texts
from automl.apps.web.texts.watch import WATCH
from automl.tracking import status, study_list
from automl.tracking.study_list import ListedStudy, Listing
from automl.trials import heartbeat

EVERY_SECONDS = 5.0


def state_of(context: Context, study: ListedStudy) -> str:
    """Return the state of a study as a key of the texts."""
    if study.verdict:
        return study.verdict
    if status.alive(heartbeat.read(study.folder)):
        return "running"
    if context.jobs.is_starting(study.name):
        return "starting"
    return "failed" if context.jobs.failed(study.name) else "stopped"


def add(context: Context) -> None:
    """Add the page."""

    @ui.page("/", response_timeout=BUILD_SECONDS)
    async def page(request: Request) -> None:
        texts = Texts(context.language_of(request), WATCH)
        with frame(context, request, texts("title")):
            body = ui.element("div")
            shown: list[object] = []

            async def update() -> None:
                listing = await run_in_threadpool(study_list.find, context.place.storage)
                states = [(study, state_of(context, study)) for study in listing.studies]
                if shown != [states, listing.problems]:
                    shown[:] = [states, listing.problems]
                    body.clear()
                    with body:
                        _build(context, texts, listing)

            await update()
            ui.timer(EVERY_SECONDS, update, immediate=False)


def _build(context: Context, texts: Texts, listing: Listing) -> None:
    if not listing.studies:
        ui.label(texts("none"))
    with ui.element("div").classes("actions"):
        ui.link(texts("import"), "/data")
        ui.link(texts("start"), "/train")
    for study in listing.studies:
        _card(context, texts, study)
    if listing.problems:
        heading(texts("problems"), 2)
        preformatted("\n".join(listing.problems))
    ui.label(texts("storage", storage=context.place.storage)).classes("soft")


def _card(context: Context, texts: Texts, study: ListedStudy) -> None:
    state = state_of(context, study)
    with ui.element("article").classes("card"):
        with ui.element("h3"):
            ui.link(study.name, f"/studies/{study.name}")
        ui.label(texts(f"state.{state}")).classes({"running": "good", "failed": "bad"}.get(state, "soft"))
        best = "" if study.best is None else f" · {texts('best')} {study.objective} {study.best:.4f}"
        ui.label(f"{texts('trials')} {study.ended}/{study.trials}{best}")
        facts = {"data": study.data, "model": Path(study.model).name, "changed": f"{study.changed[:16]}Z"}
        ui.label(" · ".join(f"{texts(key)} {value}" for key, value in facts.items())).classes("soft")
        with ui.element("div").classes("bar").props("aria-hidden=true"):
            ui.element("div").style(f"width:{100 * study.ended / max(study.trials, 1):.0f}%")


PAGE = Page("/", add, ("Watch", "查看"))
