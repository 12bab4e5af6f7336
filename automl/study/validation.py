"""Validation of a description beyond single keys: known settings, live parameters, existing files."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, Protocol

from automl.study import server_address, webhook
from automl.study.messages import elsewhere, named, nearest, shown
from automl.study.model_files import WEIGHTS_SETTINGS, is_file, source_of
from automl.study.objective_laws import objective_mistakes, rate_mistakes, second_mistakes
from automl.study.parameter_laws import parameter_mistakes, size_mistakes
from automl.study.resource_laws import resource_mistakes
from automl.study.space import SearchSpace
from automl.study.space_spec import ChoiceSpec, RangeSpec
from automl.study.spec import StudySpec
from automl.study.spec_parts import ConfirmSpec, MlflowSpec, NotifySpec
from automl.study.target_laws import target_mistakes
from automl.study.trial import ParamValue

MOST: Final = 1000
"""Mistakes of a kind that are looked for."""
PACKAGED: Final = re.compile(r"(?:\w[\w.-]*/)*\w[\w.-]*\.yaml")


class Rules(Protocol):
    """Rules of the trainer for its settings; the module `yolo` satisfies it."""

    MANAGED: dict[str, str]

    def settings(self) -> dict[str, Any]:
        """Return every setting with its default."""
        ...

    def setting_mistake(self, name: str, value: object) -> str:
        """Return the law that a value breaks, empty when it is fine."""
        ...

    def packaged_mistake(self, name: str) -> str | None:
        """Return the law that a description shipped with the trainer breaks, empty for none; None if there is none."""
        ...

    def model_mistake(self, path: Path) -> str:
        """Return the law that a model file breaks, empty when a training can start from it."""
        ...

    def dead_parameters(self, space: SearchSpace, settings: Mapping[str, ParamValue], *, epochs: int) -> Iterator[str]:
        """Yield `space.name: why` for each parameter that cannot change a training under these settings."""
        ...


def mistakes(spec: StudySpec, rules: Rules, *, dead: bool = True) -> Iterator[str]:
    """Yield `key: law, but got values` for each law broken; one that several keys break alike is reported once.

    With `dead`, parameters without effect are among them.
    """
    known = rules.settings()
    theirs = _trainer_mistakes(spec.model, spec.parts(), train=spec.train, rules=rules, known=known)
    found = [*islice(own_mistakes(spec), MOST), *islice(theirs, MOST)]
    if dead and not found:  # the values are sound, so laws between them can be checked
        found = [*dead_mistakes(spec, rules)]
    yield from once(found)


def dead_mistakes(spec: StudySpec, rules: Rules) -> Iterator[str]:
    """Yield `space.name: why` for each parameter that cannot change a training, by the rules of the trainer."""
    yield from rules.dead_parameters(spec.search_space, rules.settings() | spec.train, epochs=spec.ladder.max_epochs)


def once(found: Iterable[str]) -> Iterator[str]:
    """Join the keys that break one law with the same values, in the order of the first.

    >>> [*once(["a: must be 1", "b: must be 2", "c: must be 1"])]
    ['a, c: must be 1', 'b: must be 2']
    """
    keys: dict[str, list[str]] = {}
    for line in found:
        key, _, law = line.partition(": ")
        keys.setdefault(law, []).append(key)
    yield from (f"{', '.join(dict.fromkeys(names))}: {law}" for law, names in keys.items())


def setting_hints(rules: Rules) -> dict[str, str]:
    """Return a hint for each setting of the trainer that is in the wrong section."""
    places = {name: f"; did you mean space.{name} or train.{name}?" for name in rules.settings()}
    return places | {name: f": {law}" for name, law in rules.MANAGED.items()}


def own_mistakes(spec: StudySpec) -> Iterator[str]:
    """Yield the broken laws that can be checked without the trainer."""
    if spec.ladder.min_epochs > spec.ladder.max_epochs:
        yield (
            f"ladder: min_epochs <= max_epochs must hold, but got min_epochs={spec.ladder.min_epochs}, "
            f"max_epochs={spec.ladder.max_epochs}; --set ladder.min_epochs={spec.ladder.max_epochs} or "
            f"--set ladder.max_epochs={spec.ladder.min_epochs}"
        )
    yield from _confirm_mistakes(spec.confirm)
    yield from objective_mistakes(spec.goal, spec.targets)
    yield from target_mistakes(spec.targets)
    yield from second_mistakes(spec.goal, spec.space)
    yield from rate_mistakes(spec.goal, spec.contract)
    yield from _server_mistakes(spec.tracking.mlflow)
    yield from _notify_mistakes(spec.notify)
    yield from resource_mistakes(spec.resources, spec.space)
    large = [*size_mistakes(spec.space)]
    yield from large or parameter_mistakes(spec.space, spec.parts())
    for name, value in spec.train.items():
        if not _plain(value):
            law = "must be a finite number, text, true, false, null or a list"
            yield f"train.{named(name)}: {law}, but got {shown(value)}"
        if name in spec.space:
            yield (
                f"train.{name}: must not be fixed and searched at once, but is in train and in space; "
                "remove one of them"
            )
    if twice := sorted(path for path, count in Counter(spec.warm_start).items() if count > 1):
        yield f"warm_start: must name each study once, but names {shown(twice)} again"
    if not large:
        yield from spec.search_space.mistakes()


def _server_mistakes(given: MlflowSpec | None) -> Iterator[str]:
    if given and (mistake := server_address.mistake(given.uri)):
        yield f"tracking.mlflow.uri: {mistake}"


def _notify_mistakes(given: NotifySpec | None) -> Iterator[str]:
    if given is None:
        return
    if given.webhook is None and given.command is None:
        yield "notify: must have a webhook or a command, but has none; remove it, or set one of them"
    if given.webhook is not None and (mistake := webhook.mistake(given.webhook)):
        yield f"notify.webhook: {mistake}"
    if given.command is not None and (mistake := webhook.command_mistake(given.command)):
        yield f"notify.command: {mistake}"


def _confirm_mistakes(given: ConfirmSpec) -> Iterator[str]:
    if given.seeds == "auto":
        return
    if given.seeds == 1:
        yield (
            "confirm.seeds: must be auto, 0 (no re-training) or at least 2, but got 1: one seed shows no spread; "
            "--set confirm.seeds=2"
        )
    if given.finalists != "auto":
        yield (
            "confirm: finalists can be given where seeds is auto, but got "
            f"seeds={given.seeds}, finalists={given.finalists}; --set confirm.seeds=auto"
        )
    if given.retrainings != "auto" and not 0 < 2 * given.seeds <= given.retrainings:
        yield (
            "confirm: retrainings >= 2 x seeds > 0 must hold, but got "
            f"seeds={given.seeds}, retrainings={given.retrainings}; {_retrainings_remedy(given.seeds)}"
        )


def _retrainings_remedy(seeds: int) -> str:
    return f"--set confirm.retrainings={2 * seeds if seeds else 'auto'}"


def is_folder(path: Path) -> bool:
    """Return True if a folder exists; False for an invalid folder name."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _trainer_mistakes(
    model: str,
    parts: Iterable[tuple[str, str, RangeSpec | ChoiceSpec]],
    *,
    train: Mapping[str, Any],
    rules: Rules,
    known: Mapping[str, Any],
) -> Iterator[str]:
    if mistake := _model_mistake(model, rules):
        yield f"model: {mistake}"
    for name, _, part in parts:
        yield from _value_mistakes(name, part, rules, known)
    for name, value in train.items():
        yield from _setting_mistakes("train", name, [value], rules, known)


def _value_mistakes(name: str, part: RangeSpec | ChoiceSpec, rules: Rules, known: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(part, ChoiceSpec):
        values: Sequence[ParamValue] = part.choices
    else:
        values = [int(end) if part.type == "int" and end.is_integer() else end for end in (part.low, part.high)]
    if name == "imgsz" and isinstance(part, RangeSpec):
        yield "space.imgsz: must be choices, such as {choices: [480, 640], default: 640}: not every size is possible"
    elif name != "model":
        yield from _setting_mistakes("space", name, values, rules, known)
    else:
        yield from (f"space.model: {mistake}" for value in values if (mistake := _model_mistake(str(value), rules)))


def _setting_mistakes(
    section: str, name: str, values: Sequence[object], rules: Rules, known: Mapping[str, Any]
) -> Iterator[str]:
    if name in rules.MANAGED:
        yield f"{section}.{name}: cannot be set here: {rules.MANAGED[name]}"
    elif name not in known:
        yield f"{section}.{named(name)}: is not a setting of Ultralytics{elsewhere(name) or nearest(name, known)}"
    else:
        for value in values:
            if name in WEIGHTS_SETTINGS and isinstance(value, str):
                if mistake := _weights_mistake(value, rules):
                    yield f"{section}.{name}: {mistake}"
            elif mistake := rules.setting_mistake(name, value):
                yield f"{section}.{name}: {mistake}, but got {shown(value)}"


def _model_mistake(name: str, rules: Rules) -> str:
    if path := source_of(name):
        return rules.model_mistake(path)
    if PACKAGED.fullmatch(name) and (mistake := rules.packaged_mistake(name)) is not None:
        return mistake
    return (
        "must be an existing file (weights .pt or a model .yaml; nothing is downloaded), relative to the description "
        f"or as an absolute path, but got {shown(name)}"
    )


def _weights_mistake(name: str, rules: Rules) -> str:
    """Return the law that weights named by a setting break, empty when they can be loaded."""
    if Path(name).suffix.lower() == ".pt" and is_file(Path(name)):
        return rules.model_mistake(Path(name))
    return (
        "must be true, false, or existing weights (.pt), relative to the description or as an absolute path; nothing "
        f"is downloaded, but got {shown(name)}"
    )


def _plain(value: object) -> bool:
    """Return True if a train setting is a value that YAML, JSON and Ultralytics read alike."""
    if isinstance(value, list):
        return all(map(_plain, value))
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, int | str)
