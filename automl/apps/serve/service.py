"""The HTTP service of a registry version: /predict, /health, /ready, /model, /metrics, and a page that draws boxes.

Where an alias is served, another version takes its place when the alias moves (`follower`).
"""

from collections.abc import Mapping
from dataclasses import asdict
from importlib import resources
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import ClientDisconnect

from automl.apps.serve import feedback, multipart
from automl.apps.serve.bodies import Bodies
from automl.apps.serve.field_folder import FieldFolder
from automl.apps.serve.follower import Serving
from automl.apps.serve.hosts import Guarded, Hosts
from automl.apps.serve.images import Limits
from automl.apps.serve.metrics import Metrics, Observed
from automl.apps.serve.refusal import RequestError
from automl.apps.serve.thresholds import from_query
from automl.apps.serve.version import Served
from automl.apps.serve.work import DOUBT, Detections, Picture

MORE_HEADERS: Final = {408: {"connection": "close"}, 503: {"retry-after": "1"}}
"""Response headers by status code: the connection of a client that stopped in the middle of a body is closed."""
POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src blob:; connect-src 'self'"
)


def app(
    serving: Serving, hosts: Hosts | None = None, limits: Limits | None = None, *, field: FieldFolder | None = None
) -> FastAPI:
    """Return the service of a version, or of an alias; `field` keeps unsure and marked pictures."""
    service = FastAPI(title=serving.current.name, docs_url=None, redoc_url=None)  # they load scripts of other hosts
    metrics = Metrics(serving)
    service.add_middleware(Guarded, hosts=hosts or Hosts())
    service.add_middleware(Observed, serving=serving, metrics=metrics)
    page = resources.files("automl.apps.serve").joinpath("page.html").read_text(encoding="utf-8")

    @service.exception_handler(RequestError)
    async def refuse(_request: Request, error: RequestError) -> JSONResponse:
        return JSONResponse({"detail": error.law}, status_code=error.code, headers=MORE_HEADERS.get(error.code))

    @service.get("/", response_class=HTMLResponse)
    async def index() -> HTMLResponse:
        return HTMLResponse(page, headers={"Content-Security-Policy": POLICY})

    @service.get("/health")
    async def health() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @service.get("/ready")
    async def ready(request: Request) -> JSONResponse:
        return JSONResponse(readiness(serving, request.state.served))

    @service.get("/model")
    async def model_card(request: Request) -> JSONResponse:
        return JSONResponse(card(request.state.served))

    @service.get("/metrics")
    async def scraped() -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    detections, bodies = Detections(limits or Limits(), doubts=field is not None), Bodies()
    _add_predict(service, (detections, bodies), metrics, field)
    feedback.add(service, field, detections, bodies)
    return service


def readiness(serving: Serving, served: Served) -> dict[str, Any]:
    """Return that a version serves, which alias it follows, and why a later version does not serve."""
    failure = serving.failure
    return {
        "ready": True, "model": served.name, "version": served.number, "alias": serving.alias or None,
        "refused": failure.to_dict() if failure else None,
    }  # fmt: skip


def card(served: Served) -> dict[str, Any]:
    """Return what a client needs to know about a version: its manifest, file, classes, thresholds and input."""
    detector = served.detector
    return {
        **served.manifest, "served": served.path.name, "sha256": served.sha256, "provider": detector.provider,
        "imgsz": detector.size, "classes": {str(number): name for number, name in detector.names.items()},
        "thresholds": asdict(served.thresholds), "overrides": served.overrides,
    }  # fmt: skip


def _add_predict(
    service: FastAPI, means: tuple[Detections, Bodies], metrics: Metrics, field: FieldFolder | None
) -> None:
    detections, bodies = means

    @service.post("/predict")
    async def predict(request: Request) -> JSONResponse:
        served: Served = request.state.served
        wanted = from_query(request.query_params.multi_items(), served.thresholds)
        boundary = multipart.boundary(request.headers.get("content-type", ""))
        try:
            single = boundary is None and field is None
            async with bodies.read(request.stream(), copies=1 if single else 2) as content:
                pictures = [_whole(content, copied=not single)] if boundary is None else _pictures(content, boundary)
                found = await detections.found(pictures, served.detector, wanted)
                if field is not None:
                    await feedback.sample(field, served, pictures, found)
        except ClientDisconnect:
            return JSONResponse({"detail": "the client disconnected"}, status_code=400)
        metrics.images.inc(len(found))
        for answer in found:
            answer.pop(DOUBT, None)
        return JSONResponse({"model": served.name, "version": served.number, **_answer(pictures, found, boundary)})


def _whole(content: bytearray, *, copied: bool) -> Picture:
    """Return the only image of a plain body; decoding may change it, so a copy is decoded where it may be kept."""
    return Picture("", lambda: content[:] if copied else content)


def _pictures(content: bytearray, boundary: bytes) -> list[Picture]:
    """Return the images of a multipart body; each is copied in the thread that decodes it, no sooner."""
    return [
        Picture(file.name or "without a name", lambda file=file: content[file.start : file.end])  # type: ignore[misc]
        for file in multipart.files(content, boundary)
    ]


def _answer(pictures: list[Picture], found: list[dict[str, Any]], boundary: bytes | None) -> Mapping[str, Any]:
    """Return the boxes of the only image of a plain body, or of each image of a multipart body."""
    if boundary is None:
        return found[0]
    return {"images": [{"file": one.name, **boxes} for one, boxes in zip(pictures, found, strict=True)]}
