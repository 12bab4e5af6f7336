"""Pages on results: all models, and the routes of a version: its bundle, and boxes of a picture."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from nicegui import ui
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from automl.apps.registry import Registry
from automl.apps.serve.bodies import Bodies
from automl.apps.serve.images import Limits
from automl.apps.serve.refusal import RequestError
from automl.apps.serve.thresholds import from_query
from automl.apps.serve.work import Detections, Picture
from automl.apps.web.context import Context
from automl.apps.web.frame import frame
from automl.apps.web.page import BUILD_SECONDS, Page
from automl.apps.web.result_view import ResultView
from automl.apps.web.texts import Texts
from automl.apps.web.texts.model import MODEL
from automl.apps.web.versions import Loaded, bundle
from automl.storage.layout import MODELS, VERSIONS
from automl.study.errors import AutomlError

CHUNK: Final = 1 << 20


def models(storage: Path) -> list[str]:
    """Return the names of all models with a version."""
    try:
        return sorted(path.name for path in (storage / MODELS).iterdir() if _may_have_versions(path))
    except OSError:
        return []


def _may_have_versions(folder: Path) -> bool:
    try:
        return (folder / VERSIONS).is_dir()
    except OSError:  # another user's, say; its card says why it cannot be read
        return True


def add(context: Context) -> None:
    """Add the pages and routes."""
    _add_pages(context)
    _add_routes(context)


def _add_pages(context: Context) -> None:
    @ui.page("/models", response_timeout=BUILD_SECONDS)
    async def listed(request: Request) -> None:
        texts = Texts(context.language_of(request), MODEL)
        with frame(context, request, texts("title")):
            names = models(context.place.storage)
            if not names:
                ui.label(texts("none"))
            for name in names:
                _card(context, texts, name)

    @ui.page("/models/{name}", response_timeout=BUILD_SECONDS)
    async def page(request: Request, name: str, version: int = 0) -> None:
        texts = Texts(context.language_of(request), MODEL)
        with frame(context, request, name):
            try:
                registry = Registry(context.model(name))
                number = version or registry.aliases.get("champion") or registry.versions[-1]
                await ResultView(context, texts, registry, number).build()
            except AutomlError as error:
                ui.label(texts("none"))
                ui.label(str(error)).props("lang=en").classes("soft")


def _card(context: Context, texts: Texts, name: str) -> None:
    with ui.element("article").classes("card"):
        with ui.element("h3"):
            ui.link(name, f"/models/{name}")
        try:
            registry = Registry(context.model(name))
            champion = registry.aliases.get("champion", texts("no_champion"))
            ui.label(texts("published", count=len(registry.versions), champion=champion))
        except (AutomlError, OSError) as error:
            ui.label(str(error)).props("lang=en").classes("bad")


def _add_routes(context: Context) -> None:
    loaded, bodies, detections = Loaded(), Bodies(), Detections(Limits())

    @context.app.get("/models/{name}/{version}/bundle.zip")
    async def download(name: str, version: int) -> Response:
        try:
            archive = await run_in_threadpool(bundle, Registry(context.model(name)), version)
        except AutomlError as error:
            return PlainTextResponse(str(error), status_code=404)

        def parts() -> Iterator[bytes]:
            with archive:
                while part := archive.read(CHUNK):
                    yield part

        named = {"content-disposition": f'attachment; filename="{name}-{version:04d}.zip"'}
        return StreamingResponse(parts(), media_type="application/zip", headers=named)

    @context.app.post("/models/{name}/{version}/predict")
    async def predict(request: Request, name: str, version: int) -> Response:
        try:
            served = await run_in_threadpool(loaded.model, Registry(context.model(name)), version)
            wanted = from_query(request.query_params.multi_items(), served.thresholds)
            async with bodies.read(request.stream(), copies=1) as content:
                found = await detections.found([Picture("", lambda: content)], served.detector, wanted)
        except RequestError as error:
            return JSONResponse({"detail": error.law}, status_code=error.code)
        except AutomlError as error:
            return JSONResponse({"detail": str(error)}, status_code=404)
        return JSONResponse(found[0])


PAGE = Page("/models", add, ("Results", "结果"))
