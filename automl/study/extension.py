"""Extension of a study that has begun: keys of its description that may change, and why the others may not."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from automl.study.load import differences
from automl.study.messages import shown
from automl.study.spec import StudySpec

SECTIONS: Final = ("budget", "resources", "retention", "tracking", "confirm")
"""Parts that are compared key by key; all others are compared as a whole."""
LIVE: Final = ("budget.", "retention.")
"""Keys that may also change while a driver works on the study."""
CHANGEABLE: Final = (*LIVE, "resources.", "tracking.mlflow", "confirm.retrainings", "notify")
"""Keys that may change after a study began."""
NOTE: Final = "changes"
"""Journal key of the changes, oldest first."""
REASONS: Final[tuple[tuple[tuple[str, ...], str], ...]] = (
    (("space",), "the trials so far were drawn from the old space"),
    (("model", "data", "train", "objective", "ladder"), "trials of both would not be comparable"),
    (("seed", "warm_start", "portfolio", "past_studies"), "the trials so far were drawn with the old value"),
    (("confirm", "gates", "contract"), "the rules of the verdict must be set before the results are seen"),
    (("targets", "export"), "they belong to the rules of the verdict, which must be set before the results are seen"),
    (("champion", "name"), "the versions of the study are published under the old name"),
    (("tracking",), "it is part of the jobs of trials that have begun"),
)
"""Why a key must not change, by the first part of its name."""


@dataclass(frozen=True, slots=True)
class Change:
    """Change of a study's description after it began."""

    at: str
    """UTC, ISO 8601."""
    by: str
    """User and host."""
    keys: Mapping[str, tuple[Any, Any]]
    """Maps a key to its values before and after."""

    @property
    def text(self) -> str:
        """Return the change as text.

        >>> Change("2026-01-01T00:00:00Z", "ann@lab", {"budget.trials": (12, 20)}).text
        'budget.trials 12 -> 20'
        """
        return ", ".join(f"{key} {shown(before)} -> {shown(after)}" for key, (before, after) in self.keys.items())

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for the journal."""
        return {"at": self.at, "by": self.by, "keys": {key: list(values) for key, values in self.keys.items()}}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        keys = {str(key): (before, after) for key, (before, after) in plain["keys"].items()}
        return cls(str(plain["at"]), str(plain["by"]), keys)


def history(notes: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return the changes in a journal's notes, oldest first; none in a journal of an earlier version."""
    return tuple(map(Change.from_dict, notes.get(NOTE, ())))


def changes(kept: StudySpec, wanted: StudySpec) -> dict[str, tuple[Any, Any]]:
    """Return the keys in which two descriptions differ, with the values of both.

    `confirm.retrainings: auto` in the wanted one keeps the number that was decided.
    """
    before, after = _fields(kept), _fields(wanted)
    if wanted.confirm.retrainings == "auto":
        after |= {"confirm.retrainings": before["confirm.retrainings"]}
    return {key: (before[key], after[key]) for key in before if before[key] != after[key]}


def may_change(key: str, *, running: bool = False) -> bool:
    """Return True if a key may change after a study began; `running`: while a driver works on it.

    >>> may_change("budget.trials"), may_change("space"), may_change("resources.cpus", running=True)
    (True, False, False)
    """
    return key.startswith(LIVE if running else CHANGEABLE)


def applied(spec: StudySpec, values: Mapping[str, Any]) -> StudySpec:
    """Return a description with some changeable keys set to values of `changes`."""
    plain = spec.model_dump(mode="json")
    for key, value in values.items():
        section, _, name = key.partition(".")
        if name:
            plain[section][name] = value
        else:
            plain[section] = value
    return StudySpec.model_validate(plain)


def latest(past: Sequence[Change]) -> dict[str, Any]:
    """Return the last value of each key that was changed."""
    return {key: after for change in past for key, (_, after) in change.keys.items()}


def outdated(past: Sequence[Change], wanted: StudySpec) -> dict[str, Any]:
    """Return the changed keys that a description has with their first value, and their present value.

    The file of a description still has the value with which the study began, after `--set` has changed it.
    """
    first: dict[str, Any] = {}
    for change in past:
        for key, (before, _) in change.keys.items():
            first.setdefault(key, before)
    now, fields = latest(past), _fields(wanted)
    return {key: now[key] for key, before in first.items() if fields.get(key) == before != now[key]}


def refusals(kept: StudySpec, wanted: StudySpec, keys: Iterable[str]) -> list[str]:
    """Return a line on each difference in keys that must not change, with the reason."""
    firsts = tuple(keys)
    lines = []
    for line in differences(wanted, kept):
        key = line.partition(":")[0]
        if any(key == first or key.startswith(f"{first}.") for first in firsts):
            why = next((text for names, text in REASONS if key.partition(".")[0] in names), "")
            lines.append(f"{line}{f' ({why})' if why else ''}")
    return lines


def _fields(spec: StudySpec) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in spec.model_dump(mode="json").items():
        inner = {f"{name}.{key}": one for key, one in value.items()} if name in SECTIONS else {name: value}
        found |= inner
    return found
