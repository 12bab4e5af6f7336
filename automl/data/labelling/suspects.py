"""Suspect labels of an audit as a work list: a person answers right, wrong or fix, one by one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

from automl.data.audit.records import Box, Kind, corners
from automl.data.labelling.boxes import LabelBox
from automl.data.labelling.history import Kind as ChangeKind
from automl.data.labelling.store import Labelled, LabelStore, key_of
from automl.study.errors import DataError

SAME_PLACE: Final = 1e-4
"""Difference of two edges, as a share of the image, up to which a label is the one that the audit saw."""


class Answer(StrEnum):
    """What a person says of a suspect label."""

    RIGHT = "right"
    """The label stays as it is; where the models saw a missing label, none is missing."""
    WRONG = "wrong"
    """The label is deleted."""
    FIX = "fix"
    """What the models suggest is done: the label is added, deleted, or gets another class or box."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A suspect label of an audit, found again in the label store."""

    id: str
    kind: Kind
    score: float
    key: str
    """Of the image in the store."""
    cls: str | None
    box: Box | None
    suggested_cls: str | None
    suggested_box: Box | None
    answer: str = ""
    """Empty before an answer."""
    by: str = ""

    @classmethod
    def of(cls, row: Mapping[str, Any], store: LabelStore) -> Self | None:
        """Read a suspect of `audit.json`; None where the image is not in the store.

        Raises:
            DataError: it has another form.
        """
        try:
            key = key_of(store.source, Path(row["image"]))
            if key not in store.images:
                return None
            return cls(
                str(row["id"]), Kind(row["kind"]), float(row["score"]), key, row["cls"], _box(row["box"]),
                row["suggested_cls"], _box(row["suggested_box"]),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"audit.json: must be the list of `automl audit`, but {error}; run the audit again"
            ) from None


def _box(values: Sequence[float] | None) -> Box | None:
    if values is None:
        return None
    x, y, width, height = map(float, values)
    return x, y, width, height


def work_list(store: LabelStore, rows: Sequence[Mapping[str, Any]]) -> list[Suspect]:
    """Return the suspects of an audit with the answers given so far, in the order of the audit."""
    store.history.refresh()
    answers = {change.to: change for change in store.history.changes if change.kind is ChangeKind.REVIEW}
    found = [one for row in rows if (one := Suspect.of(row, store))]
    return [_answered(one, answers[one.id].why, answers[one.id].by) if one.id in answers else one for one in found]


def _answered(one: Suspect, answer: str, by: str) -> Suspect:
    return Suspect(one.id, one.kind, one.score, one.key, one.cls, one.box, one.suggested_cls, one.suggested_box,
                   answer, by)  # fmt: skip


def respond(store: LabelStore, suspect: Suspect, answer: Answer, *, version: str, by: str) -> Labelled:
    """Record an answer, and change the label where it says so; return the labels of the image.

    Raises:
        ConflictError: the labels were changed since their `version`.
        DataError: the label is no longer the one that the audit saw, or nothing can be deleted.
    """
    now = store.read(suspect.key)
    if answer is not Answer.RIGHT:
        boxes = _changed(now, suspect, answer, store)
        now = store.save(suspect.key, boxes, version=version, by=by, why=f"audit {suspect.id}: {answer}")
    store.review(suspect.key, suspect=suspect.id, answer=answer, by=by)
    return now


def _changed(now: Labelled, suspect: Suspect, answer: Answer, store: LabelStore) -> list[LabelBox]:
    place = _place(now, suspect, store)
    boxes = list(now.boxes)
    if suspect.kind is Kind.EXTRA:
        if answer is Answer.WRONG:
            raise DataError(
                f"{suspect.key}: the audit saw a missing label, so none can be deleted; answer right or fix"
            )
        return [*boxes, LabelBox(_number(suspect.suggested_cls, store), *_inside(suspect.suggested_box))]
    if place is None:
        raise DataError(
            f"{suspect.key}: the label must be the one that the audit saw, but it was changed; answer right, or draw it"
        )
    old = boxes[place]
    if answer is Answer.WRONG or suspect.kind is Kind.MISSED:
        del boxes[place]
    elif suspect.kind is Kind.WRONG_CLASS:
        boxes[place] = LabelBox(_number(suspect.suggested_cls, store), *old.edges, old.line)
    else:
        boxes[place] = LabelBox(old.cls, *_inside(suspect.suggested_box), old.line)
    return boxes


def _place(now: Labelled, suspect: Suspect, store: LabelStore) -> int | None:
    """Return the place of the suspect label among the boxes of an image; None where it is not there any more."""
    if suspect.box is None:
        return None
    wanted = corners(suspect.box)
    for place, box in enumerate(now.boxes):
        close = all(abs(one - other) <= SAME_PLACE for one, other in zip(box.edges, wanted, strict=True))
        if close and store.names.get(box.cls) == suspect.cls:
            return place
    return None


def _number(name: str | None, store: LabelStore) -> int:
    found = next((number for number, known in store.names.items() if known == name), None)
    if found is None:
        raise DataError(f"the class must be one of {list(store.names.values())}, but the audit suggests {name!r}")
    return found


def _inside(box: Box | None) -> tuple[float, float, float, float]:
    left, top, right, bottom = (min(max(edge, 0.0), 1.0) for edge in corners(box or (0.5, 0.5, 0.0, 0.0)))
    return left, top, right, bottom
