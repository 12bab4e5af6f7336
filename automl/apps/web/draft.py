"""Draft of a study from three answers: the description for the data, its changes, and what it will cost."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from automl.apps import api
from automl.pipeline import first_description
from automl.pipeline.preview import Preview, preview
from automl.storage import scratch
from automl.storage.place import Place
from automl.study import yaml_io
from automl.study.errors import SpecError
from automl.study.spec import SAMPLE
from automl.trainers import trainer_of

LONG: Final = {"quick": (6, 0.5), "evening": (16, 3), "night": (40, 10), "weekend": (100, 48)}
"""Trials and hours of the search."""
MATTERS: Final = {"both": {}, "misses": {"objective": "recall"}, "alarms": {"objective": "precision"}}
DEVICES: Final[Mapping[str, Mapping[str, str]]] = {
    "any": {"export.engine": "none"},
    "nvidia": {"export.engine": "auto"},
    "cpu": {"export.engine": "none", "targets": "{cpu: {format: openvino, precision: fp16}}"},
    "cpu8": {"export.engine": "none", "targets": "{cpu: {format: openvino, precision: int8}}"},
}
NUMBER: Final = r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
SETTING: Final = re.compile(rf"([a-z][a-z0-9_]{{0,40}})\s*=\s*({NUMBER}|[A-Za-z][A-Za-z0-9]{{0,40}})")
"""Key and value of one setting: names of weights, which have a dot before letters, and other paths match nothing."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What a person chose."""

    name: str
    data: str
    """`sample`, or the path of a `data.yaml` that the server offered."""
    long: str
    device: str
    matters: str
    more: Mapping[str, str]
    """Dotted key to value, as typed."""
    train: str = ""
    """Settings of the trainer, as typed: one KEY=VALUE a line."""

    def changes(self) -> dict[str, str]:
        """Return the changes of the description, as for `--set`; what was typed under "more" comes last.

        Raises:
            SpecError: a line of the trainer's settings is none, or could name a file of the server.
        """
        trials, hours = LONG[self.long]
        own = {key: value.strip() for key, value in self.more.items() if value.strip()}
        return {
            "budget.trials": str(trials), "budget.hours": str(hours), **DEVICES[self.device], **MATTERS[self.matters],
            **own, **train_settings(self.train),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Draft:
    """A description that was checked, and the forecast of its study."""

    answers: Answers
    text: str
    preview: Preview
    from_scratch: bool


def drafted(answers: Answers, place: Place) -> Draft:
    """Return the draft; nothing is started.

    Raises:
        AutomlError: all mistakes at once, or the data cannot be used.
    """
    if not answers.name:
        raise SpecError(["name: must be the name of the study, but is empty"])
    traits = first_description.traits_of(answers.data)
    weights = first_description.found_weights(place.storage)
    data = answers.data if answers.data == SAMPLE else str(Path(answers.data).absolute())
    model = str(Path(weights).absolute()) if weights else None
    text = first_description.described(traits, data, model=model, gpu=trainer_of().gpu_count() > 0)
    with scratch.folder() as folder:
        path = folder / "description.yaml"
        path.write_text(text, encoding="utf-8")
        try:
            spec = api.describe(path, {"name": answers.name}, values(answers.changes()))
        except SpecError as error:
            raise SpecError([line.removeprefix(f"{path}: ") for line in str(error).splitlines()]) from None
        found = preview(spec, place)
    return Draft(answers, text, found, from_scratch=weights is None)


def train_settings(text: str) -> dict[str, str]:
    """Return settings of the trainer, one KEY=VALUE a line, as dotted keys; a value is a number or a word, no path.

    >>> train_settings("imgsz=320 ")
    {'train.imgsz': '320'}

    Raises:
        SpecError: a line is something else.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    found = [(line, SETTING.fullmatch(line)) for line in lines]
    if mistakes := [line for line, match in found if match is None]:
        raise SpecError([
            f"train: must be one KEY=VALUE a line, with a number or a word as the value, but got {line[:80]!r}"
            for line in mistakes
        ])  # fmt: skip
    return {f"train.{match[1]}": match[2] for _, match in found if match}


def values(changes: Mapping[str, str]) -> dict[str, Any]:
    """Return changes as values of YAML.

    Raises:
        SpecError: one contains a secret, or is no value.
    """
    for key, value in changes.items():
        yaml_io.refuse_secrets(f"{key}={value}", where=key)
    return {key: yaml_io.read_value(value) for key, value in changes.items()}
