"""A registry version behind HTTP: an image in, boxes as JSON out. The ONNX file is what is served.

Reads the version once at start and checks its SHA-256; a damaged or foreign file is not loaded.
"""

import io
import threading
import warnings
from math import inf
from typing import Any, Final

import cv2
import numpy as np
from fastapi import FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from PIL import Image

from automl.storage.layout import ONNX
from automl.storage.registry import Registry
from automl.study.errors import RegistryError
from automl.trainers import trainer_of

MAX_BYTES: Final = 32 * 1024 * 1024
MAX_PIXELS: Final = 64_000_000
NO_IMAGE: Final = "the body must be an image (JPEG, PNG, BMP, TIFF or WebP)"


def app(registry: Registry, version: int | str) -> FastAPI:
    """Return the service for one version of a model.

    Raises:
        RegistryError: the version is not there, or a file of it was changed.
    """
    folder = registry.path(version)
    number = int(folder.name)
    if problems := registry.verify(number):
        raise RegistryError("\n".join(problems))
    if ONNX not in registry.manifest(number)["files"]:
        raise RegistryError(f"{folder}: must hold {ONNX}, which is what is served, but does not")
    model = trainer_of().load(folder / ONNX)
    lock = threading.Lock()  # one model, many requests: a predictor keeps state
    service = FastAPI(title=f"{registry.name} version {number}")
    manifest = registry.manifest(number)

    @service.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @service.get("/model")
    def model_card() -> dict[str, Any]:
        return {**manifest, "served": ONNX}

    @service.post("/predict")
    async def predict(request: Request, confidence: float = 0.25) -> dict[str, Any]:
        if not 0 <= confidence <= 1:
            raise HTTPException(422, f"0 <= confidence <= 1 must hold, but got {confidence}")
        picture = _picture(await _body(request))
        boxes = await _in_thread(model, lock, picture, confidence)
        height, width = picture.shape[:2]
        return {"model": registry.name, "version": number, "width": width, "height": height, "boxes": boxes}

    return service


async def _body(request: Request) -> bytes:
    """Read the request's body, and no more than is allowed."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > MAX_BYTES:
            raise HTTPException(413, f"an image must have at most {MAX_BYTES} bytes")
    return bytes(content)


def _picture(content: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    if _pixels(content) > MAX_PIXELS:
        raise HTTPException(413, f"an image must have at most {MAX_PIXELS} pixels")
    try:
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        picture = None
    if picture is None:
        raise HTTPException(400, NO_IMAGE)
    return np.asarray(picture, dtype=np.uint8)


def _pixels(content: bytes) -> float:
    """Return how many pixels the head of an image promises, before memory is taken for them."""
    try:
        with warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning):
            width, height = Image.open(io.BytesIO(content)).size
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return inf
    except (OSError, ImportError):  # Ultralytics puts an opener of its own in place, which wants one more package
        raise HTTPException(400, NO_IMAGE) from None
    return width * height


async def _in_thread(
    model: Any,  # noqa: ANN401
    lock: threading.Lock,
    picture: np.ndarray[Any, np.dtype[np.uint8]],
    confidence: float,
) -> list[dict[str, Any]]:
    def work() -> list[dict[str, Any]]:
        with lock:
            return trainer_of().predict(model, picture, confidence=confidence)

    return await run_in_threadpool(work)
