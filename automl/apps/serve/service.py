"""The HTTP service of one registry version: /predict, /model, /health and a page at / that draws the boxes.

The version is read once at start: the bytes whose SHA-256 was checked are the bytes that serve, even if a file
changes later. A damaged or foreign file is not loaded.
"""

import hashlib
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.requests import ClientDisconnect

from automl.apps.serve.bodies import Bodies
from automl.apps.serve.detector import Detector
from automl.apps.serve.hosts import Guarded, Hosts
from automl.apps.serve.images import Limits
from automl.apps.serve.refusal import RequestError
from automl.apps.serve.thresholds import Thresholds, from_query, recorded
from automl.apps.serve.work import Detections
from automl.storage import alias_history
from automl.storage.layout import EVALUATION, ONNX
from automl.storage.registry import Registry
from automl.study.errors import RegistryError


@dataclass(frozen=True, slots=True)
class Served:
    """A version, loaded and warmed up."""

    name: str
    number: int
    path: Path
    manifest: dict[str, Any]
    detector: Detector
    thresholds: Thresholds
    overrides: tuple[str, ...] = ()
    """When, by whom and why the version was promoted although its gates refused it."""


def load(registry: Registry, version: int | str) -> Served:
    """Read a version, check every byte, and run its model once.

    Raises:
        RegistryError: the version does not exist, a file of it was changed, or it cannot be served.
    """
    folder = registry.path(version)
    number = int(folder.name)
    if problems := registry.verify(number):
        raise RegistryError("\n".join(problems))
    manifest = registry.manifest(number)
    content = _verified(folder / ONNX, manifest)
    if content is None:
        raise RegistryError(f"{folder}: must contain {ONNX}, the file that is served, but does not")
    thresholds = recorded(_verified(folder / EVALUATION, manifest), folder / EVALUATION)
    detector = Detector(content, source=str(folder / ONNX))
    _, moves = registry.records()
    overrides = tuple(map(alias_history.override_text, alias_history.overrides(moves).get(number, ())))
    return Served(registry.name, number, folder / ONNX, manifest, detector, thresholds, overrides)


def _verified(path: Path, manifest: dict[str, Any]) -> bytes | None:
    """Return the bytes of a file if their SHA-256 is the manifest's; None for a file that the manifest does not list.

    Raises:
        RegistryError: the file was removed or changed since the version was verified.
    """
    listed = manifest["files"].get(path.name)
    if listed is None:
        return None
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RegistryError(f"{path}: must be readable, but {error.strerror}; restore it") from None
    if (found := hashlib.sha256(content).hexdigest()) != listed:
        raise RegistryError(f"{path}: SHA-256 must be {listed}, but is {found}; it was changed while it was read")
    return content


def app(served: Served, hosts: Hosts | None = None, limits: Limits | None = None) -> FastAPI:
    """Return the service for one version of a model."""
    title = f"{served.name} version {served.number}"
    service = FastAPI(title=title, docs_url=None, redoc_url=None)  # their pages load scripts from other hosts
    service.add_middleware(Guarded, hosts=hosts or Hosts())
    bodies, detections = Bodies(), Detections(served.detector, limits or Limits())
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

    @service.get("/model")
    async def model_card() -> JSONResponse:
        return JSONResponse(
            {**served.manifest, "served": ONNX, "thresholds": asdict(served.thresholds), "overrides": served.overrides}
        )

    @service.post("/predict")
    async def predict(request: Request) -> JSONResponse:
        wanted = from_query(request.query_params.multi_items(), served.thresholds)
        try:
            async with bodies.read(request.stream()) as content:
                found = await detections.found(content, wanted)
        except ClientDisconnect:
            return JSONResponse({"detail": "the client disconnected"}, status_code=400)
        return JSONResponse({"model": served.name, "version": served.number, **found})

    return service


MORE_HEADERS: Final = {408: {"connection": "close"}, 503: {"retry-after": "1"}}
"""Response headers by status code: the connection of a client that stopped in the middle of a body is closed."""
POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src blob:; connect-src 'self'"
)
