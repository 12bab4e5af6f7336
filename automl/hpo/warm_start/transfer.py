"""Transfer: trials of one past study mapped for a new one, and the file in which the new one stores them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Final, Self

from automl.hpo.warm_start.locate import read_json
from automl.storage import files
from automl.storage.layout import WARM_START
from automl.study import Evidence, PastEvidence
from automl.study.errors import StudyError
from automl.study.space import SearchSpace

FORMAT: Final = 1
UNKNOWN: Final = 0.3
"""The similarity assumed if unknown: that of unlike data sets (measured: 0.19 to 0.46)."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """Trials of a past study that fit the new space, and counts of those that do not."""

    name: str
    source: str
    """The path as given in the description."""
    similarity: float | None
    """Similarity of the data sets; None if that of the past study is unknown."""
    trials: tuple[Evidence, ...]
    left_out: Mapping[str, int]
    """Maps a parameter to the number of trials outside this study's space because of it."""
    note: str = ""

    def evidence(self) -> PastEvidence:
        """Return the trials for the sampler."""
        return PastEvidence(self.name, UNKNOWN if self.similarity is None else self.similarity, self.trials)

    def summary(self) -> str:
        """Return a summary in one line."""
        out = sum(self.left_out.values())
        share = f"{len(self.trials)} of {len(self.trials) + out} trials"
        alike = "unknown" if self.similarity is None else f"{self.similarity:.2f}"
        why = ", ".join(f"{name} {count}" for name, count in self.left_out.items())
        lost = f"; outside this space: {why}" if out else ""
        note = f"; {self.note}" if self.note else ""
        return f"warm start from {self.source} (study {self.name}): {share}, similarity of data {alike}{lost}{note}"

    def to_dict(self) -> dict[str, Any]:
        """Return the transfer as JSON-serialisable values."""
        trials = [{"params": dict(trial.params), "score": trial.score} for trial in self.trials]
        return asdict(self) | {"trials": trials, "left_out": dict(self.left_out)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any], space: SearchSpace) -> Self:
        """Build a transfer from the output of `to_dict`.

        Raises:
            ValueError: a trial is outside the study's space, or a number is invalid.
        """
        trials = tuple(Evidence(dict(trial["params"]), float(trial["score"])) for trial in plain["trials"])
        for trial in trials:
            if not isfinite(trial.score) or not space.contains(trial.params):
                raise ValueError(f"params {dict(trial.params)} with score {trial.score} do not fit this study's space")
        alike = plain["similarity"]
        if alike is not None and not 0 <= alike <= 1:
            raise ValueError(f"a similarity must be 0 to 1, but got {alike}")
        return cls(**{**plain, "trials": trials})


def keep(folder: Path, transfers: Sequence[Transfer]) -> None:
    """Write the transfers into a study's folder; no file if there are none."""
    if transfers:
        files.write_json(
            folder / WARM_START, {"format": FORMAT, "studies": [transfer.to_dict() for transfer in transfers]}
        )
    else:
        (folder / WARM_START).unlink(missing_ok=True)


def kept(folder: Path, space: SearchSpace) -> tuple[Transfer, ...]:
    """Return the transfers stored when the study began.

    Raises:
        StudyError: the file is gone or damaged.
    """
    path = folder / WARM_START
    content = read_json(path)
    try:
        if content["format"] != FORMAT:
            raise ValueError(f"format must be {FORMAT}, but is {content['format']!r}")
        return tuple(Transfer.from_dict(plain, space) for plain in content["studies"])
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise StudyError(
            f"{path}: must be unchanged since the study began, but {type(error).__name__}: {error}; "
            "restore it from a copy"
        ) from None
