"""The nouns of a description: pydantic models with the law of each key, defaults filled in."""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from automl.study.ladder import Cost, cost, ladder
from automl.study.results import Gates
from automl.study.space import Alternatives, Choice, Integer, Parameter, Real, SearchSpace
from automl.study.trial import ParamValue

SAMPLE: Final = "sample"
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


MOST: Final = 1_000_000
"""Trials and epochs; a slip such as 1e30 is found at once, and confirming seeds stay apart from those of trials."""

LEAST_RETRAININGS: Final = 6
"""Three seeds for the best trial and for the default."""
MOST_RETRAININGS: Final = 20
"""Enough to find a gain of twice the noise nine times in ten (`benchmarks/winners.py`)."""
SEARCHES_WORTH: Final = 2
"""Confirming may cost so many times the expected cost of the search."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


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


ALTERNATIVES: Final = "Alternatives"


def _shape(raw: object) -> str:
    """Return the tag of the shape of a parameter that was meant."""
    if isinstance(raw, list | tuple):
        return ALTERNATIVES
    choice = isinstance(raw, ChoiceSpec) or (isinstance(raw, dict) and "choices" in raw)
    return "ChoiceSpec" if choice else "RangeSpec"


def _numeric(raw: object) -> object:
    if isinstance(raw, ChoiceSpec) or (isinstance(raw, dict) and "choices" in raw):
        raise PydanticCustomError("numeric", "must be a range with low and high: only numbers can have alternatives")
    return raw


AlternativesSpec = Annotated[list[Annotated[RangeSpec, BeforeValidator(_numeric)]], Field(min_length=1)]
"""Ranges of one parameter, each under its own condition, at most one of them live."""
ParameterSpec = Annotated[
    Annotated[RangeSpec, Tag("RangeSpec")]
    | Annotated[ChoiceSpec, Tag("ChoiceSpec")]
    | Annotated[AlternativesSpec, Tag(ALTERNATIVES)],
    Discriminator(_shape),
]


class BudgetSpec(_Part):
    """When a study has had enough; whichever comes first."""

    trials: Annotated[int, Field(ge=1, le=MOST)]
    hours: Annotated[float, Field(gt=0)] | None = None
    """Wall-clock hours of searching, interruptions not counted."""
    gpu_hours: Annotated[float, Field(gt=0)] | None = None
    """Hours of training times the share of a GPU that each trial holds."""


class LadderSpec(_Part):
    """When trials are compared."""

    min_epochs: Annotated[int, Field(ge=1, le=MOST)]
    max_epochs: Annotated[int, Field(ge=1, le=MOST)]
    reduction_factor: Annotated[int, Field(ge=2)] = 3
    scheduler: Literal["promotion", "stopping"] = "promotion"
    """`promotion`: a trial pauses at each rung and the best go on; `stopping`: it goes on or is stopped for good."""
    validate_every: Annotated[int, Field(ge=1, le=MOST)] = 3
    """A trial validates every so many epochs, at its rungs and at the last epoch; re-trainings at every epoch."""


class ResourcesSpec(_Part):
    """What a trial holds while it runs."""

    gpus: Literal["auto"] | Annotated[float, Field(ge=0)] = "auto"
    """`auto`: one GPU where the cluster has any, else none. Several trials share a GPU at a fraction."""
    cpus: Literal["auto"] | Annotated[float, Field(gt=0)] = "auto"
    """`auto`: the node's cores divided among its GPUs; one core without a GPU."""
    concurrent: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    """Trials at a time; `auto`: as many as the cluster holds."""
    retries: Annotated[int, Field(ge=0)] = 5
    """How often in a row, without an epoch finished in between, a trial goes on after its process died or hung; the
    loss of a node does not count."""
    own_retries: Annotated[int, Field(ge=0)] = 1
    """How often a trial goes on after its training failed in a way that may be one of chance."""
    hung_minutes: Annotated[float, Field(gt=0)] = 10.0
    """After so many minutes without a sign of life a trial goes on elsewhere; also the least time an epoch may take."""


class ConfirmSpec(_Part):
    """How the winner is confirmed; `auto`: as the noise measured on the way asks for."""

    seeds: Literal["auto"] | Annotated[int, Field(ge=0, le=1000)] = "auto"
    """A number: the best trial and the baseline on so many seeds each, and one look; 0: no re-training at all."""
    finalists: Literal["auto"] | Annotated[int, Field(ge=1, le=100)] = "auto"
    """The most trials to choose among by re-training; `auto`: those within the noise of the best one."""
    retrainings: Literal["auto"] | Annotated[int, Field(ge=4, le=2000)] = "auto"
    """The most whole trainings to spend; `auto`: twice what the search is expected to cost, 6 to 20. May be raised in a
    finished study, which then trains on and judges again."""
    split: Literal["test", "val"] = "test"


class RetentionSpec(_Part):
    """Which weights are kept; the only part of a description that may change while a study is under way."""

    keep: Annotated[int, Field(ge=1, le=MOST)] = 5
    """Of the trials that ended, so many of the best keep their weights; the others keep curves, params and log."""
    quota_gb: Annotated[float, Field(gt=0)] | None = None
    """The study's folder stays below so many GB (10^9 bytes); near it, the worst paused trials end."""


class ExportSpec(_Part):
    """What is built from the challenger."""

    engine: Literal["auto", "tensorrt", "tensorrt_rtx", "none"] = "auto"
    """`auto`: `tensorrt` on a CUDA machine, else `tensorrt_rtx` where installed."""


class GatesSpec(_Part):
    """The laws that a model must pass before it serves."""

    policy: Literal["proven", "expected"] = "proven"
    """Against a serving champion: `proven`, the lower bound of the difference exceeds `min_gain`; `expected`, the
    difference itself does. Both are measured by what ships, on the same images."""
    min_gain: Annotated[float, Field(ge=0, lt=1)] = 0.0
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.95
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
    warm_start: list[Annotated[str, Field(min_length=1)]] = Field(default_factory=list)
    """Earlier studies to learn from: folders `runs/<study>`, or `models/<name>` for the study of its champion."""
    resources: ResourcesSpec = ResourcesSpec()
    confirm: ConfirmSpec = ConfirmSpec()
    retention: RetentionSpec = RetentionSpec()
    export: ExportSpec = ExportSpec()
    gates: GatesSpec = GatesSpec()
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0

    @cached_property
    def search_space(self) -> SearchSpace:
        """Return the space as parameters."""
        return SearchSpace({name: _parameter(part) for name, part in self.space.items()})

    def parts(self) -> Iterator[tuple[str, str, RangeSpec | ChoiceSpec]]:
        """Yield name, place in the description and shape of each range and choice of the space."""
        for name, shape in self.space.items():
            if isinstance(shape, list):
                yield from ((name, f"space.{name}.{number}", part) for number, part in enumerate(shape))
            else:
                yield name, f"space.{name}", shape

    @cached_property
    def rungs(self) -> tuple[int, ...]:
        """Return the epochs at which trials are compared."""
        return ladder(self.ladder.min_epochs, self.ladder.max_epochs, self.ladder.reduction_factor)

    def with_models(self, change: Callable[[str], str]) -> Self:
        """Return this description with every name of a model changed."""
        space = dict(self.space)
        chosen = space.get("model")
        if isinstance(chosen, ChoiceSpec):
            choices = [change(str(choice)) for choice in chosen.choices]
            space["model"] = chosen.model_copy(update={"choices": choices, "default": change(str(chosen.default))})
        # Built anew: a copy would carry along the space that was worked out from the old names.
        kept = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self)(**{**kept, "model": change(self.model), "space": space})

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
            retrainings=self.retrainings[1],
        )

    @property
    def retrainings(self) -> tuple[int, int]:
        """Return how many whole trainings confirming can take, at best and at worst."""
        given = self.confirm
        if given.seeds != "auto":
            once = 2 * given.seeds
            return once, once if given.retrainings == "auto" else given.retrainings
        if given.retrainings != "auto":
            return min(LEAST_RETRAININGS, given.retrainings // 2 * 2), given.retrainings
        searching = cost(
            self.budget.trials,
            self.rungs,
            max_epochs=self.ladder.max_epochs,
            reduction_factor=self.ladder.reduction_factor,
            retrainings=0,
        )
        most = round(SEARCHES_WORTH * searching.expected / self.ladder.max_epochs)
        return LEAST_RETRAININGS, min(max(most, LEAST_RETRAININGS), MOST_RETRAININGS)


def _parameter(shape: RangeSpec | ChoiceSpec | list[RangeSpec]) -> Parameter:
    if isinstance(shape, list):
        return Alternatives(tuple(_number(part) for part in shape))
    if isinstance(shape, ChoiceSpec):
        return Choice(tuple(shape.choices), shape.default, _when(shape))
    return _number(shape)


def _number(part: RangeSpec) -> Real | Integer:
    if part.type == "int":
        return Integer(int(part.low), int(part.high), int(part.default), part.log, _when(part))
    return Real(part.low, part.high, part.default, part.log, _when(part))


def _when(part: RangeSpec | ChoiceSpec) -> dict[str, tuple[ParamValue, ...]]:
    return {parent: tuple(values) for parent, values in part.when.items()}
