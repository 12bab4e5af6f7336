"""What a description must obey beyond the law of each single key: known settings, live parameters, files that exist."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from pydantic import BaseModel, ValidationError

from automl.records import ParamValue
from automl.spec.description import ChoiceSpec, RangeSpec, StudySpec

MESSAGES: Final = {
    "extra_forbidden": "is not a known key",
    "missing": "must be given",
    "string_pattern_mismatch": "must be 1 to 64 letters, digits, '.', '_' or '-', the first a letter or a digit",
}


class Rules(Protocol):
    """What the trainer can take; the module `yolo` satisfies it."""

    MANAGED: dict[str, str]

    def settings(self) -> dict[str, Any]:
        """Return every setting with its default."""
        ...

    def setting_mistake(self, name: str, value: object) -> str:
        """Return the law that a value breaks, empty when it is fine."""
        ...

    def packaged_model(self, name: str) -> bool:
        """Tell whether the trainer ships a model description of that name."""
        ...


def mistakes(spec: StudySpec, rules: Rules) -> Iterator[str]:
    """Yield `key: law, but got values` for each law broken."""
    known = rules.settings()
    if mistake := _model_mistake(spec.model, rules):
        yield f"model: {mistake}"
    if spec.ladder.min_epochs > spec.ladder.max_epochs:
        yield (
            f"ladder: min_epochs <= max_epochs must hold, but got min_epochs={spec.ladder.min_epochs}, "
            f"max_epochs={spec.ladder.max_epochs}"
        )
    gpus = spec.resources.gpus
    if gpus != "auto" and gpus > 1:
        yield f"resources.gpus: must be at most 1 (one GPU or a share of one a trial), but got {gpus:g}"
    for name, part in spec.space.items():
        yield from _parameter_mistakes(f"space.{name}", part)
        yield from _value_mistakes(name, part, rules, known)
    for name, value in spec.train.items():
        yield from _setting_mistakes("train", name, [value], rules, known)
        if name in spec.space:
            yield f"train.{name}: must not be fixed and searched at once, but stands in train and in space"
    yield from spec.search_space.mistakes()
    yield from spec.search_space.dead(known | spec.train, epochs=spec.ladder.max_epochs)


def _parameter_mistakes(where: str, part: RangeSpec | ChoiceSpec) -> Iterator[str]:
    if isinstance(part, ChoiceSpec):
        if len(set(map(str, part.choices))) < len(part.choices):
            yield f"{where}: choices must differ, but got {part.choices}"
        if part.default not in part.choices:
            yield f"{where}: default must be one of the choices {part.choices}, but got {part.default}"
        return
    if not part.low < part.high:
        yield f"{where}: low < high must hold, but got low={part.low:g}, high={part.high:g}"
    elif not part.low <= part.default <= part.high:
        yield (
            f"{where}: low <= default <= high must hold, but got low={part.low:g}, default={part.default:g}, "
            f"high={part.high:g}"
        )
    if part.log and part.low <= 0:
        yield f"{where}: low > 0 must hold on a log scale, but got low={part.low:g}"
    if part.type == "int" and any(not value.is_integer() for value in (part.low, part.high, part.default)):
        yield f"{where}: low, high and default must be whole numbers for type int"


def _value_mistakes(name: str, part: RangeSpec | ChoiceSpec, rules: Rules, known: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(part, ChoiceSpec):
        values: Sequence[ParamValue] = part.choices
    else:
        values = [int(end) if part.type == "int" and end.is_integer() else end for end in (part.low, part.high)]
    if name != "model":
        yield from _setting_mistakes("space", name, values, rules, known)
    else:
        yield from (f"space.model: {mistake}" for value in values if (mistake := _model_mistake(str(value), rules)))


def _setting_mistakes(
    section: str, name: str, values: Sequence[object], rules: Rules, known: Mapping[str, Any]
) -> Iterator[str]:
    if name in rules.MANAGED:
        yield f"{section}.{name}: cannot be set here: {rules.MANAGED[name]}"
    elif name not in known:
        yield f"{section}.{name}: is not a setting of Ultralytics{_nearest(name, known)}"
    else:
        for value in values:
            if mistake := rules.setting_mistake(name, value):
                yield f"{section}.{name}: {mistake}, but got {value!r}"


def _model_mistake(name: str, rules: Rules) -> str:
    if Path(name).is_file() or rules.packaged_model(name):
        return ""
    return (
        f"{name}: must be a file that is there (weights .pt or a model .yaml; nothing is downloaded); "
        "put it beside the spec or give its whole path"
    )


def readable(error: ValidationError) -> Iterator[str]:
    """Turn pydantic's findings into `key: law, but got value`."""
    for finding in error.errors():
        key = ".".join(str(part) for part in finding["loc"] if part not in {"RangeSpec", "ChoiceSpec"})
        law = MESSAGES.get(finding["type"]) or re.sub(r"^(Input|\w+) should", "must", finding["msg"])
        if finding["type"] == "extra_forbidden":
            yield f"{key}: {law}{_nearest(str(finding['loc'][-1]), _keys_at(finding['loc'][:-1]))}"
        elif finding["type"] == "missing":
            yield f"{key}: {law}"
        else:
            yield f"{key}: {law}, but got {finding['input']!r}"


def _keys_at(location: tuple[int | str, ...]) -> list[str]:
    """Return the known keys of the part of the description that a finding points into."""
    parts: dict[str, type[BaseModel]] = {"RangeSpec": RangeSpec, "ChoiceSpec": ChoiceSpec}
    if not location:
        return list(StudySpec.model_fields)
    if str(location[-1]) in parts:
        return list(parts[str(location[-1])].model_fields)
    owner = StudySpec.model_fields.get(str(location[0]))
    kind = owner.annotation if owner else None
    return list(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else []


def _nearest(name: str, known: Mapping[str, Any] | Sequence[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""
