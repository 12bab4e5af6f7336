"""Upload element that continues after an interruption, and the routes that take its parts."""

from collections.abc import Mapping

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from nicegui import ui
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from automl.apps.uploads import MOST_PART, UploadError, Uploads

ROUTE = "/uploads"


class ResumableUpload(ui.element, component="resumable_upload.js"):
    """Area to drop files and folders on, or to choose files.

    Events: `begun` {batch}, `done` {batch, files}, `failed` {detail}.
    """

    def __init__(self, label: str, *, headers: Mapping[str, str] | None = None, url: str = ROUTE) -> None:
        """Show the area; `headers` are sent with each part, such as a token against requests of other sites."""
        super().__init__()
        self._props["label"] = label
        self._props["url"] = url
        self._props["headers"] = dict(headers or {})


def routes(uploads: Uploads) -> APIRouter:
    """Return the routes of the uploads; who may use them is decided by the server around them."""
    router = APIRouter()

    @router.get(f"{ROUTE}/{{batch}}")
    async def received(batch: str, name: str) -> JSONResponse:
        try:
            return JSONResponse({"received": uploads.received(batch, name)})
        except UploadError as error:
            return _refused(error)

    @router.put(f"{ROUTE}/{{batch}}")
    async def part(request: Request, batch: str, name: str, offset: int, size: int) -> JSONResponse:
        try:
            content = await _body(request)
            found = await run_in_threadpool(uploads.append, batch, name, content, offset=offset, size=size)
        except UploadError as error:
            return _refused(error)
        except ClientDisconnect:
            return JSONResponse({"detail": "the client disconnected"}, status_code=400)
        return JSONResponse({"received": found})

    return router


async def _body(request: Request) -> bytes:
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > MOST_PART:
            raise UploadError(413, f"a part must have at most {MOST_PART} bytes")
    return bytes(found)


def _refused(error: UploadError) -> JSONResponse:
    return JSONResponse({"detail": str(error), "received": error.received}, status_code=error.code)
