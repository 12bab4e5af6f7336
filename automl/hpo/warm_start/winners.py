"""Best params of past studies of a storage, found without being named: a portfolio that grows with use.

A finished study leaves its verdict in `promotion.json`; its challenger is the best of its trials by re-trainings, and
confirmed where the gain over the baseline was shown. One that was no better than the baseline is no winner. Only three
small files of each study are read, no journal.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, Self

from automl.data.summary import Summary, similarity
from automl.hpo.warm_start.locate import read_json, read_summary
from automl.hpo.warm_start.mapping import Terms, translated
from automl.hpo.warm_start.transfer import UNKNOWN
from automl.storage import records
from automl.storage.layout import DATASET, RUNS, SPEC, VERDICT
from automl.storage.symlinks import file_in, real
from automl.study import Params
from automl.study.errors import AutomlError, StudyError
from automl.study.ladder import WEIGHTS
from automl.study.load import stored
from automl.study.space_spec import ChoiceSpec
from automl.study.spec import StudySpec
from automl.study.text import shown
from automl.study.verdict import Verdict

FAMILY: Final = re.compile(r"yolo[a-z_]*\d+")
"""A family of Ultralytics, which the letter of a size follows."""
LONGER: Final = 4
"""Trainings of a past study are at most this many times longer or shorter: other lengths want other rates."""
SHARE: Final = 8
"""At most one trial in this many has params of past studies."""
MOST_READ: Final = 100
"""Studies that are read, 5 ms each."""
CLOSING: Final = "close_mosaic"
"""A number of epochs that follows the length of the training."""


@dataclass(frozen=True, slots=True)
class Winner:
    """The best params of one past study, in the space of the present one."""

    study: str
    params: Params
    confirmed: bool
    """Whether re-trainings showed their gain over the baseline."""
    similarity: float | None
    """Similarity of the data sets; None if one of them is unknown."""

    def summary(self) -> str:
        """Return the winner as text."""
        how = "gain confirmed" if self.confirmed else "gain not confirmed"
        alike = "unknown" if self.similarity is None else f"{self.similarity:.2f}"
        return f"study {self.study} ({how}, similarity of data {alike}): {shown(self.params)}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for the journal."""
        return {
            "study": self.study, "params": dict(self.params), "confirmed": self.confirmed,
            "similarity": self.similarity,
        }  # fmt: skip

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        return cls(str(plain["study"]), dict(plain["params"]), bool(plain["confirmed"]), plain["similarity"])


@dataclass(frozen=True, slots=True)
class Found:
    """The winners of a storage's past studies."""

    winners: tuple[Winner, ...] = ()
    unreadable: tuple[str, ...] = ()
    """A line on each study that is left out since its files cannot be read."""


def most(spec: StudySpec) -> int:
    """Return how many winners a study tries at most: `past_studies`, and one trial in SHARE.

    It is 0 where `warm_start` names studies: their best trials are among the first already.
    """
    return 0 if spec.warm_start else min(spec.past_studies, spec.budget.trials // SHARE)


def find(
    spec: StudySpec, storage: Path, *, data: Summary | None, settings: Mapping[str, Any], known: Sequence[Params]
) -> Found:
    """Return the winners of the storage's finished studies, at most `most(spec)`: confirmed ones first.

    Among these the most similar data set comes first, then the name. They are of the same objective and of a family of
    models that this study trains, both pretrained or both from scratch, and inside this study's space; `known` params
    are not tried again. `settings` are the trainer's defaults.
    """
    count, winners, unreadable = most(spec), [], []
    here = Terms.of(spec.search_space, spec.train, model=spec.model, settings=settings)
    for folder in _folders(storage, without=spec.name) if count else ():
        try:
            winner = _of(folder, spec, here, data=data, settings=settings)
        except AutomlError as error:
            unreadable.append(f"past study {folder.name} is left out: {error}")
        except OSError as error:
            unreadable.append(f"past study {folder.name} is left out: {error.strerror}")
        else:
            winners += [winner] if winner else []
    winners.sort(
        key=lambda one: (not one.confirmed, -(UNKNOWN if one.similarity is None else one.similarity), one.study)
    )
    return Found(tuple(islice(_new(winners, known), count)), tuple(unreadable))


def family(model: str) -> tuple[str, bool]:
    """Return the family of a model, and whether it starts from weights.

    >>> family("weights/yolo11n.pt"), family("yolo11s-seg.pt"), family("micro.yaml")
    (('yolo11', True), ('yolo11', True), ('micro', False))
    """
    path = Path(model.lower())
    named = FAMILY.match(path.stem)
    return named.group() if named else path.stem, path.suffix == WEIGHTS


def _folders(storage: Path, *, without: str) -> list[Path]:
    """Return the folders of the MOST_READ studies that finished last."""
    try:
        places = [path for path in (storage / RUNS).iterdir() if path.name != without]
    except FileNotFoundError:  # the first study of a storage
        return []
    ended = {path: when for path in places if (when := _ended(path)) is not None}
    return sorted(sorted(ended, key=lambda path: -ended[path])[:MOST_READ])


def _ended(folder: Path) -> float | None:
    """Return when a study's verdict was written, None without one; 0 where that may not be read."""
    try:
        return (folder / VERDICT).stat().st_mtime
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:  # another user's study, say: it is left out by name
        return 0.0


def _of(
    place: Path, spec: StudySpec, here: Terms, *, data: Summary | None, settings: Mapping[str, Any]
) -> Winner | None:
    """Return the winner of a study, None if it does not fit.

    Raises:
        AutomlError: one of its files is damaged, or a link that leads out of the folder.
    """
    folder = real(place)
    verdict_file, about_file = file_in(folder, VERDICT), file_in(folder, DATASET)
    if verdict_file is None or file_in(folder, SPEC) is None:
        raise StudyError(f"{folder}: must contain {VERDICT} and {SPEC} as files, but does not")
    past = stored(folder / SPEC)
    with records.reading(verdict_file, kind="a study's verdict", remedy="restore it from a copy"):
        claim = Verdict.from_dict(read_json(verdict_file)).claim
    if claim.known and claim.difference <= 0:
        return None  # the baseline was at least as good
    params = claim.params
    lengths = sorted((past.ladder.max_epochs, spec.ladder.max_epochs))
    if past.metric != spec.metric or lengths[1] > LONGER * lengths[0]:
        return None
    if family(str(params.get("model", past.model))) not in _models(spec.space, spec.model):
        return None
    there = Terms.of(past.search_space, past.train, model=past.model, settings=settings)
    scaled = _scaled(params, spec.ladder.max_epochs / past.ladder.max_epochs)
    mapped = translated(scaled, there, here)
    if isinstance(mapped, str):
        return None
    about = read_summary(about_file, remedy="restore it from a copy") if about_file else None
    alike = similarity(about, data) if about and data else None
    return Winner(past.name, mapped, claim.better, alike)


def _models(space: Mapping[str, object], fixed: str) -> set[tuple[str, bool]]:
    """Return the families of the models that a study trains, from its space and its key `model`."""
    searched = space.get("model")
    models = searched.choices if isinstance(searched, ChoiceSpec) else [fixed]
    return {family(str(model)) for model in models}


def _scaled(params: Params, ratio: float) -> Params:
    """Return params with the epochs without mosaic in proportion to the length of the training."""
    closing = params.get(CLOSING)
    return params if not isinstance(closing, int) else {**params, CLOSING: round(closing * ratio)}


def _new(found: Sequence[Winner], known: Sequence[Params]) -> Iterator[Winner]:
    taken = [dict(params) for params in known]
    for winner in found:
        if dict(winner.params) not in taken:
            taken.append(dict(winner.params))
            yield winner
