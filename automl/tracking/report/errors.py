"""Worst errors of the model that ships in the report: false detections and misses as crops of their images."""

import base64
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from automl.data.report.crops import Crop, crop
from automl.storage.boxes import Boxes
from automl.storage.layout import DATA
from automl.tracking.diagnosis.matches import FAR, IOU, Matches, images_of
from automl.tracking.diagnosis.shipped_model import ShippedModel
from automl.tracking.report.language import Words

SHOWN: Final = 12
"""Crops of each kind."""
EACH_IMAGE: Final = 2
"""Crops of each kind from one image: the worst image is not the whole gallery."""
MOST_BYTES: Final = 750_000
"""Bytes in the page of the crops of each kind."""
KINDS: Final = ("background", "class", "again", "loose")
"""Kinds of false detections, as in TIDE (ECCV 2020), by the true box that overlaps most."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A crop with boxes, in pixels of its image."""

    uri: str
    part: Crop
    boxes: Sequence[tuple[float, float, float, float, str]]
    """Left, top, width, height and role: truth, found, false or missed."""
    title: str
    text: Markup
    name: str
    """File name of the image."""


@dataclass(frozen=True, slots=True)
class Errors:
    """Errors at the served threshold, counted and the worst shown."""

    false: tuple[Shot, ...]
    missed: tuple[Shot, ...]
    kinds: tuple[tuple[Markup, int], ...]
    """Kind of false detection and its number."""
    false_count: int
    missed_count: int
    away: int
    """Errors that were to be shown, but whose image cannot be read now."""


def errors(folder: Path, model: ShippedModel, words: Words) -> Errors | None:
    """Return the errors of a model; None where its detections were kept without boxes."""
    if model.boxes is None or model.matches is None:
        return None
    scene = Scene(folder / DATA / "images" / model.split, model, model.boxes, model.matches, words)
    false, missed = scene.false(), scene.missed()
    shown = [_shots(scene, places, is_false=is_false) for places, is_false in ((false, True), (missed, False))]
    kinds = scene.kinds(false)
    return Errors(
        false=shown[0][0],
        missed=shown[1][0],
        kinds=tuple((words(f"false.{name}"), int((kinds == place).sum())) for place, name in enumerate(KINDS)),
        false_count=len(false),
        missed_count=len(missed),
        away=shown[0][1] + shown[1][1],
    )


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """The judged images of a model with all their boxes."""

    place: Path
    """Folder of the staged images."""
    model: ShippedModel
    boxes: Boxes
    matches: Matches
    words: Words

    @property
    def kept(self) -> NDArray[np.bool_]:
        """Return which detections are served."""
        return self.model.stats.conf > self.model.threshold

    def false(self) -> NDArray[np.int64]:
        """Return the false detections: of each class in turn the one of the highest confidence."""
        stats = self.model.stats
        wrong = np.flatnonzero(self.kept & ~self.matches.hits(self.kept))
        return in_turn(wrong[np.argsort(-stats.conf[wrong], kind="stable")], stats.kind)

    def missed(self) -> NDArray[np.int64]:
        """Return the missed objects: of each class in turn that with the lowest confidence, the largest first."""
        stats = self.model.stats
        lost = np.flatnonzero(self.matches.missed(self.kept))
        sides = self.boxes.truth[lost, 2:] - self.boxes.truth[lost, :2]
        order = np.lexsort((-sides.prod(axis=1), self.confidence()[lost]))
        return in_turn(lost[order], stats.truth_kind)

    def confidence(self) -> NDArray[np.float64]:
        """Return the confidence with which each object is found, whatever the threshold; 0 if never."""
        found = self.matches.truth >= 0
        conf = np.zeros(len(self.model.stats.truth_kind))
        conf[self.matches.truth[found]] = self.model.stats.conf[found]
        return conf

    def kinds(self, false: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the kind of each false detection, as a place in `KINDS`."""
        overlap, nearest = self.matches.overlap[false], self.matches.nearest[false]
        same = self.model.stats.truth_kind[nearest] == self.model.stats.kind[false] if len(false) else nearest == 0
        return np.select([overlap < FAR, ~same & (overlap >= IOU), overlap >= IOU], [0, 1, 2], 3).astype(np.int64)


def in_turn(ranked: NDArray[np.int64], kind: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ranked indices so that the first of each class come first, then the second, in the given order.

    >>> in_turn(np.array([3, 1, 0, 2]), np.array([5, 7, 5, 5])).tolist()
    [3, 1, 0, 2]
    >>> in_turn(np.array([0, 2, 3, 1]), np.array([5, 7, 5, 5])).tolist()
    [0, 1, 2, 3]
    """
    turn = np.zeros(len(ranked), np.int64)
    for value in np.unique(kind[ranked]):
        mine = np.flatnonzero(kind[ranked] == value)
        turn[mine] = np.arange(len(mine))
    return ranked[np.argsort(turn, kind="stable")]


def _shots(scene: Scene, places: Iterable[int], *, is_false: bool) -> tuple[tuple[Shot, ...], int]:
    """Return the crops of the first errors, within the limits, and how many of them cannot be read."""
    shots: list[Shot] = []
    used: dict[int, int] = {}
    away = size = 0
    parts = images_of(scene.model.stats)
    stats = scene.model.stats
    for place in places:
        if len(shots) + away == SHOWN or size >= MOST_BYTES:
            break
        image = int((stats.image if is_false else stats.truth_image)[place])
        if used.get(image, 0) == EACH_IMAGE:
            continue
        used[image] = used.get(image, 0) + 1
        shot = _shot(scene, place, parts[image], is_false=is_false)
        if shot is None:
            away += 1
        else:
            shots.append(shot)
            size += len(shot.uri)
    return tuple(shots), away


def _shot(
    scene: Scene, place: int, parts: tuple[NDArray[np.int64], NDArray[np.int64]], *, is_false: bool
) -> Shot | None:
    stats = scene.model.stats
    kind, image = (stats.kind, stats.image) if is_false else (stats.truth_kind, stats.truth_image)
    box = (scene.boxes.found if is_false else scene.boxes.truth)[place]
    name = stats.names[int(image[place])]
    part = crop(scene.place / name, (*(box[:2] + box[2:]) / 2, *(box[2:] - box[:2])))
    if part is None:
        return None
    others = [(scene.boxes.truth[one], "truth") for one in parts[1] if is_false or one != place]
    others += [
        (scene.boxes.found[one], "found") for one in parts[0] if scene.kept[one] and not (is_false and one == place)
    ]
    label = scene.model.names.get(int(kind[place]), str(kind[place]))
    return Shot(
        uri=f"data:image/jpeg;base64,{base64.b64encode(part.jpeg).decode()}",
        part=part,
        boxes=list(_rectangles([*others, (box, "false" if is_false else "missed")], part)),
        title=f"{label} {stats.conf[place]:.2f}" if is_false else label,
        text=_of_false(scene, place) if is_false else _of_missed(scene, place),
        name=name,
    )


def _of_false(scene: Scene, place: int) -> Markup:
    kind = KINDS[int(scene.kinds(np.array([place]))[0])]
    nearest = int(scene.matches.nearest[place])
    other = int(scene.model.stats.truth_kind[nearest]) if nearest >= 0 else -1
    return scene.words(
        f"false.{kind}.text",
        name=scene.model.names.get(other, str(other)),
        iou=f"{math.floor(100 * scene.matches.overlap[place]) / 100:.2f}",
    )


def _of_missed(scene: Scene, place: int) -> Markup:
    if conf := scene.confidence()[place]:
        return scene.words("missed.low", conf=f"{conf:.2f}")
    return scene.words("missed.covered" if scene.matches.cover[place] >= IOU else "missed.never")


def _rectangles(
    boxes: Sequence[tuple[NDArray[np.float64], str]], part: Crop
) -> Iterator[tuple[float, float, float, float, str]]:
    """Yield boxes that the crop shows, in pixels of the image."""
    width, height = part.image
    for box, role in boxes:
        left, top, right, bottom = (float(value) for value in box * [width, height, width, height])
        across = left < part.left + part.width and right > part.left
        if across and top < part.top + part.height and bottom > part.top:
            yield round(left, 1), round(top, 1), round(right - left, 1), round(bottom - top, 1), role
