"""A study's description: YAML to `StudySpec`. Every mistake a user can make in it is found here, all at once.

Called by the command line before anything is started. What the trainer accepts comes in as `rules`, so that this
module knows no trainer.
"""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Protocol

import yaml
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError
from yaml.resolver import BaseResolver

from automl.errors import SpecError
from automl.records import Gates, ParamValue
from automl.rungs import Cost, cost, ladder
from automl.space import Choice, Integer, Parameter, Real, SearchSpace

FORMAT: Final = 1
SAMPLE: Final = "sample"
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
MESSAGES: Final = {
    "extra_forbidden": "is not a known key",
    "missing": "must be given",
    "string_pattern_mismatch": "must be 1 to 64 letters, digits, '.', '_' or '-', the first a letter or a digit",
}


class Rules(Protocol):
    """What the trainer can take; the module `yolo` satisfies it."""

    MANAGED: Mapping[str, str]

    def settings(self) -> dict[str, Any]:
        """Return every setting with its default."""
        ...

    def setting_mistake(self, name: str, value: object) -> str:
        """Return the law that a value breaks, empty when it is fine."""
        ...

    def packaged_model(self, name: str) -> bool:
        """Tell whether the trainer ships a model description of that name."""
        ...


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)


class RangeSpec(_Part):
    """A number between `low` and `high`."""

    low: float
    high: float
    default: float
    type: Literal["float", "int"] = "float"
    log: bool = False
    when: dict[str, list[ParamValue]] = Field(default_factory=dict)


class ChoiceSpec(_Part):
    """One of `choices`."""

    choices: Annotated[list[ParamValue], Field(min_length=1)]
    default: ParamValue
    when: dict[str, list[ParamValue]] = Field(default_factory=dict)


def _shape(raw: object) -> str:
    """Tell which of the two shapes of a parameter was meant."""
    choice = isinstance(raw, ChoiceSpec) or (isinstance(raw, dict) and "choices" in raw)
    return "ChoiceSpec" if choice else "RangeSpec"


ParameterSpec = Annotated[
    Annotated[RangeSpec, Tag("RangeSpec")] | Annotated[ChoiceSpec, Tag("ChoiceSpec")], Discriminator(_shape)
]


class BudgetSpec(_Part):
    """When a study has had enough; whichever comes first."""

    trials: Annotated[int, Field(ge=1)]
    hours: Annotated[float, Field(gt=0)] | None = None
    """Wall-clock hours of searching, interruptions not counted."""
    gpu_hours: Annotated[float, Field(gt=0)] | None = None
    """Hours of training times the share of a GPU that each trial holds."""


class LadderSpec(_Part):
    """When trials are compared."""

    min_epochs: Annotated[int, Field(ge=1)]
    max_epochs: Annotated[int, Field(ge=1)]
    reduction_factor: Annotated[int, Field(ge=2)] = 3


class ResourcesSpec(_Part):
    """What a trial holds while it runs."""

    gpus: Literal["auto"] | Annotated[float, Field(ge=0)] = "auto"
    """`auto`: one GPU where the cluster has any, else none. Several trials share a GPU at a fraction."""
    cpus: Literal["auto"] | Annotated[float, Field(gt=0)] = "auto"
    """`auto`: the node's cores divided among its GPUs; one core without a GPU."""
    concurrent: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    """Trials at a time; `auto`: as many as the cluster holds."""
    retries: Annotated[int, Field(ge=0)] = 3
    """How often a trial goes on elsewhere after its worker or node was lost."""


class ConfirmSpec(_Part):
    """How the winner is confirmed."""

    seeds: Annotated[int, Field(ge=2)] = 3
    split: Literal["test", "val"] = "test"


class ExportSpec(_Part):
    """What is built from the challenger."""

    engine: Literal["auto", "tensorrt", "tensorrt_rtx", "none"] = "auto"
    """`auto`: `tensorrt` on a CUDA machine, else `tensorrt_rtx` where installed."""


class GatesSpec(_Part):
    """The laws a challenger must pass."""

    min_gain: Annotated[float, Field(ge=0, lt=1)] = 0.0
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.9
    max_export_loss: Annotated[float, Field(ge=0, lt=1)] = 0.005
    require_engine: bool = False


class StudySpec(_Part):
    """The whole description of a study, defaults filled in."""

    name: Name
    champion: Name | None = None
    """The registry's name that a promoted model goes under; the study's own name unless given."""
    model: str
    data: str = SAMPLE
    objective: Literal["map50_95", "map50", "precision", "recall"] = "map50_95"
    budget: BudgetSpec
    ladder: LadderSpec
    space: Annotated[dict[str, ParameterSpec], Field(min_length=1)]
    train: dict[str, Any] = Field(default_factory=dict)
    resources: ResourcesSpec = ResourcesSpec()
    confirm: ConfirmSpec = ConfirmSpec()
    export: ExportSpec = ExportSpec()
    gates: GatesSpec = GatesSpec()
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0

    @cached_property
    def search_space(self) -> SearchSpace:
        """Return the space as parameters."""
        return SearchSpace({name: _parameter(part) for name, part in self.space.items()})

    @cached_property
    def rungs(self) -> tuple[int, ...]:
        """Return the epochs at which trials are compared."""
        return ladder(self.ladder.min_epochs, self.ladder.max_epochs, self.ladder.reduction_factor)

    @property
    def metric(self) -> str:
        """Return the tag that is maximised."""
        return f"val/{self.objective}"

    @property
    def champion_name(self) -> str:
        """Return the name in the registry."""
        return self.champion or self.name

    @property
    def laws(self) -> Gates:
        """Return the gates as a record."""
        return Gates(**self.gates.model_dump())

    def cost(self) -> Cost:
        """Return what the study can cost, in epochs."""
        return cost(
            self.budget.trials,
            self.rungs,
            max_epochs=self.ladder.max_epochs,
            reduction_factor=self.ladder.reduction_factor,
            retrainings=2 * self.confirm.seeds,
        )


def load(path: Path, *, rules: Rules, overrides: Mapping[str, Any] | None = None) -> StudySpec:
    """Read a description; `overrides` maps dotted keys, such as `budget.trials`, to values that win over the file.

    Raises:
        SpecError: one line a mistake, each `file: key: law, but got values`.
    """
    raw = read_yaml(path)
    raw.pop("format", None)
    for key, value in (overrides or {}).items():
        _set(raw, key.split("."), value, where=path)
    try:
        spec = StudySpec.model_validate(raw)
    except ValidationError as error:
        raise SpecError(f"{path}: {line}" for line in _readable(error)) from None
    resolved = _resolve(spec, folder=path.parent)
    if mistakes := [f"{path}: {mistake}" for mistake in _mistakes(resolved, rules)]:
        raise SpecError(mistakes)
    return resolved


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping; a key that stands twice is a mistake, and `1e-4` is a number.

    Raises:
        SpecError: the file is missing, is no YAML, or holds no mapping.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506  (a SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError([f"{path}: must be a readable file, but {_plain(error)}"]) from None
    except yaml.YAMLError as error:
        raise SpecError([f"{path}: must be YAML, but {' '.join(str(error).split())}"]) from None
    if not isinstance(content, dict):
        raise SpecError([f"{path}: must hold `key: value` lines, but holds {type(content).__name__}"])
    return content


def read_value(text: str) -> Any:  # noqa: ANN401
    """Read a value as it would stand in a YAML file.

    Raises:
        SpecError: it is no YAML.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  (a SafeLoader)
    except yaml.YAMLError:
        raise SpecError([f"--set: must be a YAML value, but got {text!r}"]) from None


def dump(spec: StudySpec) -> str:
    """Write a description with every default, for the study's own folder."""
    return yaml.safe_dump({"format": FORMAT} | spec.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def dump_yaml(value: Mapping[str, Any]) -> str:
    """Write a mapping of plain values as YAML."""
    return yaml.safe_dump(dict(value), sort_keys=False, allow_unicode=True)


def differences(one: StudySpec, other: StudySpec) -> list[str]:
    """Return `key: one value, other value` for each key in which two descriptions differ."""
    mine, theirs = _flat(one.model_dump(mode="json")), _flat(other.model_dump(mode="json"))
    absent = "nothing"
    return [
        f"{key}: {theirs.get(key, absent)!r} there, {mine.get(key, absent)!r} here"
        for key in sorted({*mine, *theirs})
        if mine.get(key, absent) != theirs.get(key, absent)
    ]


def stored(path: Path) -> StudySpec:
    """Read the description a study left in its folder, without asking the trainer again.

    Raises:
        SpecError: it was written by a newer version, or was changed into something that is no description.
    """
    raw = read_yaml(path)
    version = raw.pop("format", None)
    if not isinstance(version, int) or version > FORMAT:
        raise SpecError([f"{path}: format: must be at most {FORMAT}, but got {version}: a newer automl wrote it; update"])
    try:
        return StudySpec.model_validate(raw)
    except ValidationError as error:
        raise SpecError(f"{path}: {line}" for line in _readable(error)) from None


def _mistakes(spec: StudySpec, rules: Rules) -> Iterator[str]:
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


def _resolve(spec: StudySpec, *, folder: Path) -> StudySpec:
    """Make relative paths whole: beside the spec first, then in the working folder."""

    def whole(name: str) -> str:
        places = (folder / name, Path(name))
        return next((str(place.resolve()) for place in places if place.is_file()), name)

    space = dict(spec.space)
    chosen = space.get("model")
    if isinstance(chosen, ChoiceSpec):
        choices = [whole(str(choice)) for choice in chosen.choices]
        space["model"] = chosen.model_copy(update={"choices": choices, "default": whole(str(chosen.default))})
    model = whole(spec.model)
    data = spec.data if spec.data == SAMPLE else whole(spec.data)
    return spec.model_copy(update={"model": model, "data": data, "space": space})


def _parameter(part: RangeSpec | ChoiceSpec) -> Parameter:
    when = {parent: tuple(values) for parent, values in part.when.items()}
    if isinstance(part, ChoiceSpec):
        return Choice(tuple(part.choices), part.default, when)
    if part.type == "int":
        return Integer(int(part.low), int(part.high), int(part.default), part.log, when)
    return Real(part.low, part.high, part.default, part.log, when)


def _readable(error: ValidationError) -> Iterator[str]:
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


def _set(raw: dict[str, Any], keys: Sequence[str], value: Any, *, where: Path) -> None:  # noqa: ANN401
    for key in keys[:-1]:
        inner = raw.setdefault(key, {})
        if not isinstance(inner, dict):
            raise SpecError([f"{where}: {'.'.join(keys)}: cannot be set, since {key} holds {inner!r}"])
        raw = inner
    raw[keys[-1]] = value


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:  # noqa: ANN401
    if not isinstance(value, dict):
        return {prefix: value}
    return {key: leaf for name, inner in value.items() for key, leaf in _flat(inner, f"{prefix}.{name}".strip(".")).items()}


def _plain(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


class _Loader(yaml.SafeLoader):
    """Safe YAML with two traps closed: a key that stands twice, and `1e-4` read as text."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [key.value for key, _ in node.value]
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise yaml.constructor.ConstructorError(None, None, f"a key must stand once, but {twice} stands twice", node.start_mark)
    loader.flatten_mapping(node)
    return dict(loader.construct_pairs(node, deep=True))


_Loader.add_constructor(BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)
