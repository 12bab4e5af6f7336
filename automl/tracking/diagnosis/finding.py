"""Findings of the diagnosis: what was seen, where, by which numbers, and what to change."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding on a training or a study."""

    name: str
    """Name of the rule, such as `class suppressed`; `docs/diagnosis.md` explains each."""
    trial: str
    """`trial 3`, the name of a re-training or of the model that ships; empty where it is about the study."""
    epoch: int
    """Epoch after which it was first seen; 0 where it is about the study or the model that ships."""
    text: str
    """What is seen, with numbers."""
    advice: str
    """What to change."""
    evidence: Mapping[str, float] = field(default_factory=dict)
    """The numbers that the rule compares."""
    subject: str = ""
    """What it is about where a rule can find several: a class, a parameter."""

    @property
    def key(self) -> tuple[str, str]:
        """Return what tells it from other findings on the same training."""
        return self.name, self.subject

    def __str__(self) -> str:
        """Return the finding in one line."""
        place = f"{self.trial}{f', epoch {self.epoch}' if self.epoch else ''}: " if self.trial else ""
        return f"{place}{self.name}: {self.text}; {self.advice}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "name": self.name, "trial": self.trial, "epoch": self.epoch, "text": self.text, "advice": self.advice,
            "evidence": dict(self.evidence), "subject": self.subject,
        }  # fmt: skip

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        return cls(**plain)
