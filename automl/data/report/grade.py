"""Grade of a data set, A to D, with its reasons: each a sentence with numbers and what to do."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from automl.data.report.records import BrokenFiles, CopyPairs, Gap, Reason, SplitFacts
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


def reasons(facts: Facts) -> tuple[Reason, ...]:
    """Return what keeps a data set from grade A, the worst first."""
    found = [
        *_copies(facts.copies), *_gaps(facts.gaps), *_unusable(facts), *_labels(facts), *_balance(facts.splits),
        *_images(facts.splits), *_shift(facts.splits),
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda reason: reason.grade, reverse=True))


def worst_allowed(value: float, limits: Sequence[float]) -> str:
    """Return the best grade that a value allows, given the limits above which it is B, C and D.

    >>> worst_allowed(0.0, (0.0, 0.01, 0.05)), worst_allowed(0.02, (0.0, 0.01, 0.05))
    ('A', 'C')
    """
    passed = sum(value > limit for limit in limits)
    return GRADES[passed - 1] if passed else "A"


def _judged(finding: str, found: tuple[int, int], what: str, remedy: str) -> Iterator[Reason]:
    """Yield a reason if a count of some total is too large: `3 of 40 images of val (7.5%) are ...; remedy`."""
    count, total = found
    share = count / max(1, total)
    if (grade := worst_allowed(share, SHARES[finding])) != "A":
        yield Reason(grade, finding, f"{count} of {total} {what} ({share:.1%}) {remedy}")


def _copies(copies: Sequence[CopyPairs]) -> Iterator[Reason]:
    groups: dict[tuple[str, str], list[CopyPairs]] = defaultdict(list)
    for group in copies:
        groups[group.split, group.other].append(group)
    for (split, other), parts in groups.items():
        found, what = (sum(part.count for part in parts), parts[0].of), f"images of {split}"
        if split == other:
            text = "are copies or near copies of others in it, which add little; remove them"
            yield from _judged("duplicates", found, what, text)
        else:
            text = (
                f"are copies or near copies of images of {other}, so that metrics on {split} are too high; keep each "
            )
            yield from _judged("leakage", found, what, f"{text}image in one split")


def _gaps(gaps: Sequence[Gap]) -> Iterator[Reason]:
    for split in dict.fromkeys(gap.split for gap in gaps):
        mine = [gap for gap in gaps if gap.split == split]
        absent = [gap.name for gap in mine if not gap.boxes]
        few = [f"{gap.name} ({gap.boxes})" for gap in mine if gap.boxes]
        train = split == "train"
        if absent:
            why = "cannot be learned" if train else "cannot be evaluated"
            text = (
                f"{split} has no box of {len(absent)} classes ({_named(absent)}), which {why}; label images with them"
            )
            yield Reason("D" if train else "C", "coverage", text)
        if few:
            why = "to learn them" if train else "for a reliable score"
            text = f"{split} has fewer than {FEW_BOXES} boxes of {len(few)} classes ({_named(few)}), too few "
            yield Reason("C" if train else "B", "coverage", f"{text}{why}; add some")


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _unusable(facts: Facts) -> Iterator[Reason]:
    for split, broken in facts.broken.items():
        listed = facts.splits[split].listed
        text = (
            f"are not used: {broken.unreadable} are unreadable, {broken.left_out} have invalid label lines; repair or "
        )
        found = (listed - facts.splits[split].images, listed)
        yield from _judged("unusable", found, f"images of {split}", f"{text}remove them")


def _labels(facts: Facts) -> Iterator[Reason]:
    for split, found in facts.suspicious.items():
        boxes, what = facts.splits[split].boxes, f"boxes of {split}"
        text = f"have suspicious labels (side below {TINY_SIDE:g} px, huge, duplicated, cut, outside, or on a box of "
        text += "another class); mend them, `--report FILE.html` shows the worst"
        yield from _judged("suspicious labels", (found, boxes), what, text)
        text = f"are smaller than {SIZES['tiny']:g} px at image size {facts.imgsz}, one cell of the finest grid; raise "
        tiny = facts.splits[split].sizes_trained["tiny"]
        yield from _judged("tiny boxes", (tiny, boxes), what, f"{text}imgsz, or cut the images into tiles")


def _balance(splits: Mapping[str, SplitFacts]) -> Iterator[Reason]:
    counts = {name: count.boxes for name, count in splits["train"].classes.items() if count.boxes}
    if len(counts) < 2:
        return
    most, fewest = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    ratio = counts[most] / counts[fewest]
    if (grade := worst_allowed(ratio, IMBALANCE)) != "A":
        text = f"train has {ratio:.0f} times as many boxes of {most} ({counts[most]}) as of {fewest} ({counts[fewest]})"
        yield Reason(grade, "imbalance", f"{text}; add images with {fewest}")


def _images(splits: Mapping[str, SplitFacts]) -> Iterator[Reason]:
    train = splits["train"].images
    passed = [grade for grade, least in zip(GRADES, FEW_IMAGES, strict=False) if train < least]
    if passed:
        least = FEW_IMAGES[len(passed) - 1]
        yield Reason(passed[-1], "few images", f"train has {train} images, fewer than {least}; add images")
    for split, facts in splits.items():
        what = f"images of {split}"
        text = "have no box; label them, or remove some if no box is missing"
        yield from _judged("backgrounds", (facts.backgrounds, facts.images), what, text)
        if seen := facts.appearance:
            exposed = (len(seen.dark) + len(seen.bright), facts.images)
            yield from _judged("exposure", exposed, what, "are very dark or very bright; check the exposure")
            text = "are much less sharp than the others; check the focus"
            yield from _judged("blur", (len(seen.blurred), facts.images), what, text)


def _shift(splits: Mapping[str, SplitFacts]) -> Iterator[Reason]:
    medians = {split: facts.appearance.brightness.median for split, facts in splits.items() if facts.appearance}
    for one, other in combinations(medians, 2):
        if abs(medians[one] - medians[other]) > SHIFT:
            text = f"the median brightness is {medians[one]:.0f} in {one} and {medians[other]:.0f} in {other}, so that "
            yield Reason("B", "shift", f"{text}the splits look different; draw both from the same images at random")
