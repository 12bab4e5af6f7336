"""The HTTP service of one registry version: /predict, /model, /health and a page at / that draws the boxes.

The version is read once at start: the bytes whose SHA-256 was checked are the bytes that serve, even if the file
changes later. A damaged or foreign file is not loaded.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.requests import ClientDisconnect

from automl.apps.serve.detector import Detector, workers
from automl.apps.serve.images import MAX_PIXELS, SMALL_PIXELS, LargeImageError, decode
from automl.apps.serve.refusal import RequestError
from automl.apps.serve.thresholds import Thresholds, from_query, recorded
from automl.storage.layout import ONNX
from automl.storage.registry import Registry
from automl.study.errors import RegistryError

MAX_BYTES: Final = 32 * 1024 * 1024
MAX_BUFFERED_BYTES: Final = 128 * 1024 * 1024
"""Maximum bytes of all bodies at once."""
BODY_SECONDS: Final = 30.0
"""Timeout of a body, in seconds."""


@dataclass(frozen=True, slots=True)
class Served:
    """A version, loaded and warmed up."""

    name: str
    number: int
    path: Path
    manifest: dict[str, Any]
    detector: Detector
    thresholds: Thresholds


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
    if ONNX not in manifest["files"]:
        raise RegistryError(f"{folder}: must contain {ONNX}, the file that is served, but does not")
    content = (folder / ONNX).read_bytes()
    if hashlib.sha256(content).hexdigest() != manifest["files"][ONNX]:
        raise RegistryError(f"{folder / ONNX}: must not change while it is read, but did; start the service again")
    detector = Detector(content, source=str(folder / ONNX))
    return Served(registry.name, number, folder / ONNX, manifest, detector, recorded(folder))


class Bodies:
    """Bytes of request bodies in memory, bounded over all requests of the one event loop."""

    def __init__(self) -> None:
        self._buffered = 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """Read the body of a request; it counts until the end of the block.

        Raises:
            RequestError: it is too long, too slow, or too many bytes are in memory.
        """
        content = bytearray()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                async for part in request.stream():
                    content += part
                    self._buffered += len(part)
                    self._refuse(len(content))
            yield bytes(content)
        except TimeoutError:
            raise RequestError(408, f"a body must arrive within {BODY_SECONDS:g} s") from None
        finally:
            self._buffered -= len(content)

    def _refuse(self, length: int) -> None:
        if length > MAX_BYTES:
            raise RequestError(413, f"an image must have at most {MAX_BYTES} bytes")
        if self._buffered > MAX_BUFFERED_BYTES:
            raise RequestError(
                503, f"at most {MAX_BUFFERED_BYTES} bytes of images are buffered at once; try again later"
            )


class Detections:
    """Thread pool for decoding and detection: a bounded number at once, of which one decodes a large image."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._running, self._large = CapacityLimiter(workers()), CapacityLimiter(1)

    async def found(self, content: bytes, wanted: Thresholds) -> dict[str, Any]:
        """Return width, height and boxes of an encoded image.

        Raises:
            RequestError: it is no supported image, or too large.
        """
        try:
            return await self._run(content, wanted, SMALL_PIXELS)
        except LargeImageError:
            async with self._large:
                return await self._run(content, wanted, MAX_PIXELS)

    async def _run(self, content: bytes, wanted: Thresholds, most: int) -> dict[str, Any]:
        return await to_thread.run_sync(_found, self._detector, content, wanted, most, limiter=self._running)


def app(served: Served) -> FastAPI:
    """Return the service for one version of a model."""
    title = f"{served.name} version {served.number}"
    service = FastAPI(title=title, docs_url=None, redoc_url=None)  # their pages load scripts from other hosts
    bodies, detections = Bodies(), Detections(served.detector)
    page = resources.files("automl.apps.serve").joinpath("page.html").read_text(encoding="utf-8")

    @service.exception_handler(RequestError)
    async def refuse(_request: Request, error: RequestError) -> JSONResponse:
        return JSONResponse({"detail": error.law}, status_code=error.code, headers=CLOSING.get(error.code))

    @service.get("/", response_class=HTMLResponse)
    async def index() -> HTMLResponse:
        return HTMLResponse(page, headers={"Content-Security-Policy": POLICY})

    @service.get("/health")
    async def health() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @service.get("/model")
    async def model_card() -> JSONResponse:
        return JSONResponse({**served.manifest, "served": ONNX, "thresholds": asdict(served.thresholds)})

    @service.post("/predict")
    async def predict(request: Request) -> JSONResponse:
        wanted = from_query(request.query_params.multi_items(), served.thresholds)
        try:
            async with bodies.read(request) as content:
                found = await detections.found(content, wanted)
        except ClientDisconnect:
            return JSONResponse({"detail": "the client disconnected"}, status_code=400)
        return JSONResponse({"model": served.name, "version": served.number, **found})

    return service


CLOSING: Final = {408: {"connection": "close"}}
"""Response headers by status code: the connection of a client that stopped in the middle of a body is closed."""
POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src blob:; connect-src 'self'"
)


def _found(detector: Detector, content: bytes, wanted: Thresholds, most: int) -> dict[str, Any]:
    picture = decode(content, most=most)
    height, width = picture.shape[:2]
    return {"width": width, "height": height, "boxes": detector.detect(picture, wanted)}
