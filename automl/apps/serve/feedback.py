"""Route `POST /feedback`: a picture with a person's verdict and boxes; and the sampling of predicted pictures."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from automl.apps.serve import headers, multipart
from automl.apps.serve.bodies import Bodies
from automl.apps.serve.field_folder import FieldFolder, Why
from automl.apps.serve.refusal import RequestError
from automl.apps.serve.version import Served
from automl.apps.serve.work import DOUBT, Detections, Picture

VERDICTS: Final = ("right", "wrong")
MOST_NOTE: Final = 256 * 1024
"""Bytes of the JSON beside a picture."""
MOST_BOXES: Final = 3000
LONGEST: Final = 500


def add(service: FastAPI, field: FieldFolder | None, detections: Detections, bodies: Bodies) -> None:
    """Add the route; without a folder it says how to get one."""

    @service.post("/feedback")
    async def feedback(request: Request) -> JSONResponse:
        if field is None:
            raise RequestError(404, "this server keeps no pictures; start it with --field FOLDER")
        served: Served = request.state.served
        mark = multipart.boundary(request.headers.get("content-type", ""))
        try:
            async with bodies.read(request.stream(), copies=2) as content:
                start, end, given = _parts(content, mark, request.query_params.get("verdict"))
                picture = Picture("", lambda: bytearray(content[start:end]))
                (found,) = await detections.found([picture], served.detector, served.thresholds)
                note = {**note_of(served, found), **given}
                name = await run_in_threadpool(_keep, field, content[start:end], Why.FEEDBACK, note)
        except ClientDisconnect:
            return JSONResponse({"detail": "the client disconnected"}, status_code=400)
        return JSONResponse({"kept": True, "id": name, "model": served.name, "version": served.number})


async def sample(
    field: FieldFolder, served: Served, pictures: Sequence[Picture], found: Sequence[Mapping[str, Any]]
) -> None:
    """Keep predicted pictures by the folder's rule; a full folder or disk does not fail the prediction."""
    for picture, answer in zip(pictures, found, strict=True):
        if why := field.wanted(answer[DOUBT]):
            try:
                await run_in_threadpool(_keep, field, picture.read(), why, note_of(served, answer))
            except RequestError:
                return


def _keep(field: FieldFolder, content: bytes | bytearray, why: Why, note: Mapping[str, Any]) -> str:
    return field.keep(content, headers.read(content).kind, why, note)


def note_of(served: Served, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the model saw: boxes in pixels, with width and height of the picture."""
    return {"model": served.name, "version": served.number, "threshold": served.thresholds.conf, **found}


def _parts(content: bytearray, mark: bytes | None, verdict: str | None) -> tuple[int, int, dict[str, Any]]:
    """Return begin and end of the picture in a body, and what the person says.

    Raises:
        RequestError: the body or the verdict is malformed.
    """
    if mark is None:
        return 0, len(content), {"verdict": _verdict(verdict)}
    parts = multipart.files(content, mark)
    if len(parts) != 2 or not parts[1].name.lower().endswith(".json"):
        raise RequestError(422, "feedback must be an image and a file named note.json, but has other parts")
    if parts[1].end - parts[1].start > MOST_NOTE:
        raise RequestError(413, f"note.json must have at most {MOST_NOTE} bytes")
    try:
        given = json.loads(bytes(content[parts[1].start : parts[1].end]))
    except (ValueError, RecursionError):
        raise RequestError(422, "note.json must be JSON, but is not") from None
    return parts[0].start, parts[0].end, _said(given, verdict)


def _said(given: object, verdict: str | None) -> dict[str, Any]:
    if not isinstance(given, dict) or not given.keys() <= {"verdict", "boxes", "note"}:
        raise RequestError(422, "note.json must have verdict, boxes and note, but has others")
    found: dict[str, Any] = {"verdict": _verdict(given.get("verdict", verdict))}
    if "note" in given:
        found["note"] = str(given["note"])[:LONGEST]
    if "boxes" in given:
        boxes = given["boxes"]
        if not isinstance(boxes, list) or len(boxes) > MOST_BOXES or not all(map(_is_box, boxes)):
            raise RequestError(422, f"boxes must be at most {MOST_BOXES} of name and box (x0, y0, x1, y1 in pixels)")
        found["given"] = [{"name": box["name"][:LONGEST], "box": box["box"]} for box in boxes]
    return found


def _verdict(value: object) -> str:
    if value not in VERDICTS:
        raise RequestError(422, f"verdict must be right or wrong, but got {str(value)[:100]!r}")
    return str(value)


def _is_box(box: object) -> bool:
    if not isinstance(box, dict) or not isinstance(box.get("name"), str) or not isinstance(box.get("box"), list):
        return False
    edges = box["box"]
    fine = len(edges) == 4 and all(type(edge) in {int, float} and abs(edge) < 1e6 for edge in edges)
    return fine and edges[0] < edges[2] and edges[1] < edges[3]
