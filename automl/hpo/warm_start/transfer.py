"""What one earlier study brings to a new one, and the file in which the new one keeps it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Final, Self

from automl.hpo.warm_start.locate import read_json
from automl.storage import files
from automl.storage.layout import WARM_START
from automl.study import EarlierEvidence, Evidence
from automl.study.errors import StudyError
from automl.study.spec import StudySpec

FORMAT: Final = 1
UNKNOWN: Final = 0.3
"""The similarity taken where none is known: that of unlike data sets (measured: 0.19 to 0.46)."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """What an earlier study brings, and what of it does not fit."""

    name: str
    source: str
    """The path as the description has it."""
    similarity: float | None
    """Of the data sets; None where the earlier one is not known any more."""
    trials: tuple[Evidence, ...]
    left_out: Mapping[str, int]
    """Parameter to the number of trials that do not lie in this study's space because of it."""
    note: str = ""

    def evidence(self) -> EarlierEvidence:
        """Return what the sampler is told."""
        return EarlierEvidence(self.name, UNKNOWN if self.similarity is None else self.similarity, self.trials)

    def told(self) -> str:
        """Return it in one line."""
        out = sum(self.left_out.values())
        share = f"{len(self.trials)} of {len(self.trials) + out} trials"
        alike = "unknown" if self.similarity is None else f"{self.similarity:.2f}"
        why = ", ".join(f"{name} {count}" for name, count in self.left_out.items())
        lost = f"; outside this space: {why}" if out else ""
        note = f"; {self.note}" if self.note else ""
        return f"warm start from {self.source} (study {self.name}): {share}, similarity of data {alike}{lost}{note}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        trials = [{"params": dict(trial.params), "score": trial.score} for trial in self.trials]
        return asdict(self) | {"trials": trials, "left_out": dict(self.left_out)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any], spec: StudySpec) -> Self:
        """Read what `to_dict` wrote.

        Raises:
            ValueError: a trial does not lie in the study's space, or a number is none.
        """
        trials = tuple(Evidence(dict(trial["params"]), float(trial["score"])) for trial in plain["trials"])
        for trial in trials:
            if not isfinite(trial.score) or not spec.search_space.contains(trial.params):
                raise ValueError(f"params {dict(trial.params)} with score {trial.score} are not of this study")
        alike = plain["similarity"]
        if alike is not None and not 0 <= alike <= 1:
            raise ValueError(f"a similarity must be 0 to 1, but got {alike}")
        return cls(**{**plain, "trials": trials})


def keep(folder: Path, transfers: Sequence[Transfer]) -> None:
    """Write what the earlier studies bring into a study's folder; where there is nothing, leave no file."""
    if transfers:
        files.write_json(
            folder / WARM_START, {"format": FORMAT, "studies": [transfer.to_dict() for transfer in transfers]}
        )
    else:
        (folder / WARM_START).unlink(missing_ok=True)


def kept(folder: Path, spec: StudySpec) -> tuple[Transfer, ...]:
    """Return what the earlier studies brought when the study began.

    Raises:
        StudyError: the file is gone or damaged.
    """
    if not spec.warm_start:
        return ()
    path = folder / WARM_START
    content = read_json(path)
    try:
        if content["format"] != FORMAT:
            raise ValueError(f"format must be {FORMAT}, but is {content['format']!r}")
        return tuple(Transfer.from_dict(plain, spec) for plain in content["studies"])
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise StudyError(
            f"{path}: must be what the study began with, but {type(error).__name__}: {error}; bring it back from a copy"
        ) from None
