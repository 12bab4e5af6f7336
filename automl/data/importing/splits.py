"""Splits without leakage: near copies and images of one group stay together; classes are spread evenly.

The draw is iterative stratification (Sechidis, Tsoumakas and Vlahavas, 2011, "On the Stratification of Multi-Label
Data"), over groups in place of single images.
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from automl.data import copies
from automl.data.pictures import Picture
from automl.study.errors import DataError

SPLITS: Final = ("train", "val", "test")
DEFAULT: Final = (70, 15, 15)
ANY: Final = ""
"""Stands for `an image`, beside the classes, in what a split still needs."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How splits are drawn."""

    shares: tuple[int, int, int] = DEFAULT
    """Percent of train, val and test."""
    group: str = ""
    """Regular expression: images whose names match with the same text are kept together."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            DataError: shares do not add up to 100, or the expression is none.
        """
        if sum(self.shares) != 100 or min(self.shares) < 0 or self.shares[0] == 0 or self.shares[1] == 0:
            raise DataError(
                "--split: must be percent of train, val and test that add up to 100, train and val above 0, such as "
                f"70,15,15, but got {','.join(map(str, self.shares))}"
            )
        try:
            re.compile(self.group)
        except re.error as error:
            raise DataError(f"--group: must be a regular expression, but {error}") from None


def groups(images: Sequence[Path], pictures: Mapping[Path, Picture], *, pattern: str = "") -> list[list[Path]]:
    """Return the images in groups: those that are near copies, directly or by others, or share a text of their names.

    The text is the first group of the regular expression `pattern`, else its whole match.
    """
    parent = {image: image for image in images}

    def top(image: Path) -> Path:
        while parent[image] is not image:
            parent[image] = image = parent[parent[image]]
        return image

    for found in copies.find({"all": images}, pictures).groups:
        for copy, first in found.pairs:
            parent[top(copy)] = top(first)
    for alike in _by_name(images, pattern).values():
        for image in alike[1:]:
            parent[top(image)] = top(alike[0])
    members = defaultdict[Path, list[Path]](list)
    for image in images:
        members[top(image)].append(image)
    return list(members.values())


def _by_name(images: Sequence[Path], pattern: str) -> Mapping[str, list[Path]]:
    found = defaultdict[str, list[Path]](list)
    for image in images if pattern else ():
        if match := re.search(pattern, image.name):
            found[match.group(1 if match.re.groups else 0)].append(image)
    return found


def draw(
    members: Sequence[Sequence[Path]], classes: Mapping[Path, Sequence[str]], keys: Mapping[Path, bytes], plan: Plan
) -> dict[Path, str]:
    """Return the split of each image; all images of a group have the same.

    Args:
        members: the groups.
        classes: image to the classes of its boxes.
        keys: image to the digest of its content: the draw depends on contents and seed, not on names.
        plan: shares and seed.
    """
    counted = {number: _counts(group, classes) for number, group in enumerate(members)}
    order = {number: _rank(group, keys, plan.seed) for number, group in enumerate(members)}
    wanted = {split: Counter[str]() for split in SPLITS}
    for counts in counted.values():
        for split, share in zip(SPLITS, plan.shares, strict=True):
            for name, count in counts.items():
                wanted[split][name] += count * share
    found: dict[Path, str] = {}
    left, open_ = set(counted), [split for split, share in zip(SPLITS, plan.shares, strict=True) if share]
    while left:
        remaining = Counter[str]()
        for number in left:
            remaining.update(counted[number])
        rarest = min((name for name in remaining if name != ANY), key=lambda name: (remaining[name], name), default=ANY)
        having = sorted((number for number in left if counted[number][rarest]), key=lambda number: order[number])
        for number in having:
            split = max(open_, key=lambda one: (wanted[one][rarest], wanted[one][ANY], -SPLITS.index(one)))
            for name, count in counted[number].items():
                wanted[split][name] -= 100 * count
            found.update(dict.fromkeys(members[number], split))
            left.discard(number)
    return found


def _counts(group: Sequence[Path], classes: Mapping[Path, Sequence[str]]) -> Counter[str]:
    counts = Counter(name for image in group for name in classes.get(image, ()))
    counts[ANY] = len(group)
    return counts


def _rank(group: Sequence[Path], keys: Mapping[Path, bytes], seed: int) -> bytes:
    return hashlib.blake2b(min(keys[image] for image in group), digest_size=16, salt=str(seed).encode()[:16]).digest()
