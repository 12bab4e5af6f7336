"""Checks, fingerprints and stages a data set before a GPU is spent on it. Called by the session of a study."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, Final

from automl.data.images import IMAGES, folder_of, image_problem, images_of, names_of, resolved, yaml_mistakes
from automl.data.labels import label_lines, label_of
from automl.data.record import DataSet
from automl.study.errors import DataError

FEW: Final = 0.01
"""Bad label lines up to this share are warned about and counted; more stop the study."""
SHOWN: Final = 10


@dataclass(slots=True)
class _Findings:
    lines: int = 0
    bad: list[str] = field(default_factory=list)
    boxes: Counter[int] = field(default_factory=Counter)


def check(source: Path, raw: Mapping[str, Any], *, splits: tuple[str, ...]) -> DataSet:
    """Look at every label of the given splits; `raw` is the content of the data set's `data.yaml`.

    Raises:
        DataError: a split is missing or empty, classes are unclear, or too many labels are wrong; all at once.
    """
    mistakes = [*yaml_mistakes(source, raw, splits)]
    if mistakes:
        raise DataError("\n".join(mistakes))
    names = names_of(raw["names"])
    images: dict[str, tuple[Path, ...]] = {}
    found: dict[str, _Findings] = {}
    for split in splits:
        images[split] = tuple(images_of(folder_of(source, raw, split)))
        if not images[split]:
            folder = folder_of(source, raw, split)
            mistakes.append(f"{source}: {split}: must hold images ({', '.join(sorted(IMAGES))}), but {folder} has none")
        found[split] = _read_labels(images[split], len(names))
        if images[split] and not found[split].lines:
            where = label_of(images[split][0]).parent
            mistakes.append(f"{source}: {split}: must have labelled boxes, but no label line was found in {where}")
    warnings: list[str] = []
    for split, findings in found.items():
        if findings.bad:
            told = mistakes if len(findings.bad) > FEW * findings.lines else warnings
            told.append(_summary(source, split, findings))
    mistakes += _shared_images(source, images)
    if mistakes:
        raise DataError("\n".join(mistakes))
    boxes = {split: dict(findings.boxes) for split, findings in found.items()}
    return DataSet(source, names, images, boxes, tuple(warnings), _fingerprint(images))


def _read_labels(images: tuple[Path, ...], classes: int) -> _Findings:
    findings = _Findings()
    for image in images:
        if problem := image_problem(image):
            findings.bad.append(f"{image}: {problem}")
        for line in label_lines(image, classes):
            findings.lines += 1
            if line.mistake:
                findings.bad.append(f"{label_of(image)}:{line.number}: {line.mistake}")
            else:
                findings.boxes[int(float(line.text.split()[0]))] += 1
    return findings


def _summary(source: Path, split: str, findings: _Findings) -> str:
    shown = "\n".join(f"  {line}" for line in findings.bad[:SHOWN])
    more = f"\n  and {len(findings.bad) - SHOWN} more" if len(findings.bad) > SHOWN else ""
    return f"{source}: {split}: {len(findings.bad)} of {findings.lines} label lines are wrong:\n{shown}{more}"


def _shared_images(source: Path, images: Mapping[str, tuple[Path, ...]]) -> list[str]:
    """An image in two splits would judge a model on what it was trained on."""
    files = {split: {resolved(path) for path in paths} for split, paths in images.items()}
    return [
        f"{source}: {one} and {other} must share no image, but share {len(shared)}, such as {min(shared)}"
        for one, other in combinations(files, 2)
        if (shared := files[one] & files[other])
    ]


def _fingerprint(images: Mapping[str, tuple[Path, ...]]) -> str:
    digest = hashlib.sha256()
    for split, paths in images.items():
        for path in paths:
            there = not image_problem(path)
            digest.update(f"{split}/{path.name}:{path.stat().st_size if there else -1}\n".encode(errors="replace"))
            label = label_of(path)
            digest.update(label.read_bytes() if there and label.is_file() else b"")
    return digest.hexdigest()
