"""Grade of a data set, A to D, with its reasons: each a sentence with numbers and what to do."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from automl.data.report.reason_texts import ENGLISH
from automl.data.report.records import BrokenFiles, CopyPairs, DataReport, Gap, Reason, SplitFacts
from automl.data.report.thresholds import FEW_BOXES, FEW_IMAGES, IMBALANCE, SHARES, SHIFT, SIZES, TINY_SIDE

GRADES: Final = "BCD"
NAMED: Final = 5
"""Maximum number of classes named in a reason."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the grade depends on."""

    splits: Mapping[str, SplitFacts]
    broken: Mapping[str, BrokenFiles]
    copies: Sequence[CopyPairs]
    suspicious: Mapping[str, int]
    gaps: Sequence[Gap]
    imgsz: int


def reasons(facts: Facts, texts: Mapping[str, str] = ENGLISH) -> tuple[Reason, ...]:
    """Return what keeps a data set from grade A, the worst first; `texts` are those of a language (`reason_texts`)."""
    found = [
        *_copies(facts.copies, texts), *_gaps(facts.gaps, texts), *_unusable(facts, texts), *_labels(facts, texts),
        *_balance(facts.splits, texts), *_images(facts.splits, texts), *_shift(facts.splits, texts),
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda reason: reason.grade, reverse=True))


def facts_of(report: DataReport) -> Facts:
    """Return what the grade of a report depends on, to say its reasons in another language."""
    return Facts(report.splits, report.broken, report.copies, report.suspicious, report.gaps, report.imgsz)


def worst_allowed(value: float, limits: Sequence[float]) -> str:
    """Return the best grade that a value allows, given the limits above which it is B, C and D.

    >>> worst_allowed(0.0, (0.0, 0.01, 0.05)), worst_allowed(0.02, (0.0, 0.01, 0.05))
    ('A', 'C')
    """
    passed = sum(value > limit for limit in limits)
    return GRADES[passed - 1] if passed else "A"


@dataclass(frozen=True, slots=True)
class _Share:
    """A count of some images or boxes of a split."""

    of: str
    """`images` or `boxes`."""
    split: str
    count: int
    total: int

    def judged(self, finding: str, texts: Mapping[str, str], **values: object) -> Iterator[Reason]:
        """Yield a reason if the share is too large: `3 of 40 images of val (7.5%) are ...; remedy`."""
        share = self.count / max(1, self.total)
        if (grade := worst_allowed(share, SHARES[finding])) != "A":
            text = texts[finding].format(split=self.split, **values)
            whole = texts[self.of].format(count=self.count, total=self.total, split=self.split, share=share, text=text)
            yield Reason(grade, finding, whole)


def _copies(copies: Sequence[CopyPairs], texts: Mapping[str, str]) -> Iterator[Reason]:
    groups: dict[tuple[str, str], list[CopyPairs]] = defaultdict(list)
    for group in copies:
        groups[group.split, group.other].append(group)
    for (split, other), parts in groups.items():
        share = _Share("images", split, sum(part.count for part in parts), parts[0].of)
        yield from share.judged("duplicates" if split == other else "leakage", texts, other=other)


def _gaps(gaps: Sequence[Gap], texts: Mapping[str, str]) -> Iterator[Reason]:
    for split in dict.fromkeys(gap.split for gap in gaps):
        mine = [gap for gap in gaps if gap.split == split]
        absent = [gap.name for gap in mine if not gap.boxes]
        few = [f"{gap.name} ({gap.boxes})" for gap in mine if gap.boxes]
        train = split == "train"
        for names, key, grade in ((absent, "absent", "D" if train else "C"), (few, "few", "C" if train else "B")):
            if names:
                values = {"split": split, "count": len(names), "names": _named(names, texts), "least": FEW_BOXES}
                yield Reason(grade, "coverage", texts[f"{key} train" if train else key].format(**values))


def _named(names: Sequence[str], texts: Mapping[str, str]) -> str:
    shown = ", ".join(names[:NAMED])
    return texts["named"].format(names=shown, more=len(names) - NAMED) if len(names) > NAMED else shown


def _unusable(facts: Facts, texts: Mapping[str, str]) -> Iterator[Reason]:
    for split, broken in facts.broken.items():
        listed = facts.splits[split].listed
        share = _Share("images", split, listed - facts.splits[split].images, listed)
        yield from share.judged("unusable", texts, unreadable=broken.unreadable, left_out=broken.left_out)


def _labels(facts: Facts, texts: Mapping[str, str]) -> Iterator[Reason]:
    for split, found in facts.suspicious.items():
        boxes, tiny = facts.splits[split].boxes, facts.splits[split].sizes_trained["tiny"]
        yield from _Share("boxes", split, found, boxes).judged("suspicious labels", texts, side=TINY_SIDE)
        share = _Share("boxes", split, tiny, boxes)
        yield from share.judged("tiny boxes", texts, tiny=SIZES["tiny"], imgsz=facts.imgsz)


def _balance(splits: Mapping[str, SplitFacts], texts: Mapping[str, str]) -> Iterator[Reason]:
    counts = {name: count.boxes for name, count in splits["train"].classes.items() if count.boxes}
    if len(counts) < 2:
        return
    most, fewest = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    ratio = counts[most] / counts[fewest]
    if (grade := worst_allowed(ratio, IMBALANCE)) != "A":
        values = {"ratio": ratio, "most": most, "boxes": counts[most], "fewest": fewest, "fewest_boxes": counts[fewest]}
        yield Reason(grade, "imbalance", texts["imbalance"].format(**values))


def _images(splits: Mapping[str, SplitFacts], texts: Mapping[str, str]) -> Iterator[Reason]:
    train = splits["train"].images
    passed = [grade for grade, least in zip(GRADES, FEW_IMAGES, strict=False) if train < least]
    if passed:
        least = FEW_IMAGES[len(passed) - 1]
        yield Reason(passed[-1], "few images", texts["few images"].format(count=train, least=least))
    for split, facts in splits.items():
        counts = {"backgrounds": facts.backgrounds}
        if seen := facts.appearance:
            counts |= {"exposure": len(seen.dark) + len(seen.bright), "blur": len(seen.blurred)}
        for finding, count in counts.items():
            yield from _Share("images", split, count, facts.images).judged(finding, texts)


def _shift(splits: Mapping[str, SplitFacts], texts: Mapping[str, str]) -> Iterator[Reason]:
    medians = {split: facts.appearance.brightness.median for split, facts in splits.items() if facts.appearance}
    for one, other in combinations(medians, 2):
        if abs(medians[one] - medians[other]) > SHIFT:
            values = {"one": one, "one_median": medians[one], "other": other, "other_median": medians[other]}
            yield Reason("B", "shift", texts["shift"].format(**values))
