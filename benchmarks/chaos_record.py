"""The kills and audits of `chaos.py` in a file of JSON lines, which several sessions add to."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.chaos_audit import Audit


@dataclass(slots=True)
class Record:
    """What was done and found so far, in this session and in earlier ones."""

    path: Path | None = None
    """None: nothing is kept."""
    lines: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Read what earlier sessions have written; the kills of a study that was not audited do not count."""
        if self.path and self.path.exists():
            known = [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]
            ended = {line["study"] for line in known if "audit" in line}
            self.lines = [line for line in known if line["study"] in ended]

    @property
    def kills(self) -> int:
        """Return how many kills there were."""
        return sum("kind" in line for line in self.lines)

    @property
    def studies(self) -> int:
        """Return how many studies have ended."""
        return sum("audit" in line for line in self.lines)

    def add(self, study: str, **facts: object) -> None:
        """Add a line."""
        self.lines.append({"study": study, **facts})
        if self.path:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(self.lines[-1]) + "\n")

    def audited(self, study: str, found: Audit, *, same_champion: bool | None) -> None:
        """Add the audit of a study that has ended."""
        facts = {name: getattr(found, name) for name in Audit.__dataclass_fields__}
        self.add(study, audit=facts, same_champion=same_champion)

    def figures(self) -> dict[str, Any]:
        """Return the totals."""
        kills = [line for line in self.lines if "kind" in line]
        audits: list[Mapping[str, Any]] = [line["audit"] for line in self.lines if "audit" in line]
        same = [line["same_champion"] for line in self.lines if line.get("same_champion") is not None]
        seconds = [line["seconds"] for line in kills if line["seconds"] is not None]
        repeated = [count for found in audits for count in found["epochs_repeated"]]
        return {
            "kills": len(kills),
            "kinds": dict(Counter(line["kind"] for line in kills)),
            "stages": dict(Counter(line["stage"] for line in kills)),
            "studies": len(audits),
            "trials": sum(found["trials"] for found in audits),
            "trials_lost": sum(found["trials_lost"] for found in audits),
            "epochs_repeated_max": max(repeated, default=0),
            "epochs_repeated": sum(repeated),
            "measurements_lost": sum(found["measurements_lost"] for found in audits),
            "same_champion": f"{sum(same)} of {len(same)}",
            "not_mended": sum(line["given_up"] for line in kills),
            "seconds_to_resume_median": round(median(seconds), 1) if seconds else None,
            "seconds_to_resume_max": round(max(seconds), 1) if seconds else None,
        }
