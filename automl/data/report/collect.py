"""Build the report on a data set from what its check saw; no file is read again."""

from collections.abc import Iterator, Mapping
from itertools import chain

import numpy as np

from automl.data.record import DataSet, Evidence
from automl.data.report import grade
from automl.data.report.appearance import appearance, usual_sharpness
from automl.data.report.boxes import Boxes, size_groups
from automl.data.report.records import BrokenFiles, CopyPairs, DataReport, Gap, SplitFacts, SuspectKind
from automl.data.report.suspects import KINDS, Found, find, suspects
from automl.data.report.thresholds import FEW_BOXES, MOST_LISTED


def collect(data: DataSet, *, imgsz: int) -> DataReport | None:
    """Return the report on a checked data set at an image size; None where it was not made by a check."""
    evidence = data.evidence
    if evidence is None:
        return None
    boxes = {split: Boxes.of(images, data.texts, evidence.pictures) for split, images in data.images.items()}
    found = {split: find(one) for split, one in boxes.items()}
    suspicious = {split: _distinct(kinds) for split, (kinds, _) in found.items()}
    splits = _splits(data, evidence, boxes, imgsz)
    broken = {split: _broken(evidence, split) for split in data.images}
    copies = tuple(_copies(evidence))
    gaps = tuple(_gaps(splits))
    reasons = grade.reasons(grade.Facts(splits, broken, copies, suspicious, gaps, imgsz))
    return DataReport(
        source=data.source,
        fingerprint=data.fingerprint,
        imgsz=imgsz,
        grade=max((reason.grade for reason in reasons), default="A"),
        reasons=reasons,
        splits=splits,
        copies=copies,
        broken=broken,
        suspects=tuple(_kinds({split: kinds for split, (kinds, _) in found.items()}, boxes, data.names)),
        suspicious=suspicious,
        gaps=gaps,
        notes=tuple(_notes(evidence, {split: complete for split, (_, complete) in found.items()})),
    )


def _splits(data: DataSet, evidence: Evidence, boxes: Mapping[str, Boxes], imgsz: int) -> dict[str, SplitFacts]:
    usual = usual_sharpness(list(chain.from_iterable(one.images for one in boxes.values())), evidence.pictures)
    return {
        split: SplitFacts(
            listed=len(dict.fromkeys(data.listed.get(split, one.images))),
            images=len(one.images),
            backgrounds=len(one.images) - len(np.unique(one.rows)),
            boxes=len(one.rows),
            classes=one.class_counts(data.names),
            sizes=size_groups(one.pixels),
            sizes_trained=size_groups(one.at(imgsz)),
            places=one.grid(),
            appearance=appearance(one.images, evidence.pictures, sharpness=usual),
        )
        for split, one in boxes.items()
    }


def _distinct(kinds: list[Found]) -> int:
    return len(np.unique(np.concatenate([found.indexes for found in kinds])))


def _kinds(
    found: Mapping[str, list[Found]], boxes: Mapping[str, Boxes], names: Mapping[int, str]
) -> Iterator[SuspectKind]:
    """Yield the kinds of suspicious labels that occur, with the worst of all splits."""
    for kind in KINDS:
        mine = {split: one for split, kinds in found.items() for one in kinds if one.kind == kind}
        worst = sorted(
            chain.from_iterable(suspects(one, boxes[split], names, split=split) for split, one in mine.items()),
            key=lambda suspect: -suspect.badness,
        )
        if worst:
            yield SuspectKind(kind, sum(len(one.indexes) for one in mine.values()), tuple(worst[:MOST_LISTED]))


def _copies(evidence: Evidence) -> Iterator[CopyPairs]:
    for group in evidence.copies.groups:
        pairs = group.pairs[:MOST_LISTED]
        yield CopyPairs(group.split, group.other, group.exact, len(group.pairs), group.of, pairs)


def _broken(evidence: Evidence, split: str) -> BrokenFiles:
    unreadable, lines = evidence.unreadable[split], evidence.invalid[split]
    return BrokenFiles(
        len(unreadable), evidence.left_out[split], evidence.repeated[split], unreadable[:MOST_LISTED],
        lines[:MOST_LISTED],
    )  # fmt: skip


def _gaps(splits: Mapping[str, SplitFacts]) -> Iterator[Gap]:
    for split, facts in splits.items():
        for name, count in facts.classes.items():
            if count.boxes < FEW_BOXES:
                yield Gap(split, name, count.boxes)


def _notes(evidence: Evidence, complete: Mapping[str, bool]) -> Iterator[str]:
    copies = evidence.copies
    if copies.compared < copies.images:
        yield f"near copies were searched among {copies.compared} of {copies.images} images"
    for split, whole in complete.items():
        if not whole:
            yield f"{split}: some label files repeat one place so often that not all overlaps were examined"
