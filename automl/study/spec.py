"""StudySpec: the pydantic models of a study's description, with the law and the meaning of each key.

`docs/description.md` is made from the field docs here: after a change run `python -m automl.study.reference`.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Any, Final, Literal

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
    """A number between `low` and `high`: `low < high`, and `low <= default <= high`."""

    low: float
    """Least value."""
    high: float
    """Greatest value."""
    default: float
    """Value of the default params; a further start of the search where it differs from the baseline."""
    type: Literal["float", "int"] = "float"
    """`int` draws whole numbers; `low`, `high` and `default` must then be whole."""
    log: bool = False
    """Draw on a logarithmic scale; `low` must be above 0."""
    when: dict[str, list[ParamValue]] = Field(default_factory=dict)
    """Exists only where each named choice has one of the listed values, such as `{optimizer: [SGD]}`."""


class ChoiceSpec(_Part):
    """One of a list of values."""

    choices: Annotated[list[ParamValue], Field(min_length=1)]
    """The values, all different."""
    default: ParamValue
    """One of `choices`; a further start of the search where it differs from the baseline."""
    when: dict[str, list[ParamValue]] = Field(default_factory=dict)
    """As for a range."""


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
    """When the search ends: at the first of these limits."""

    trials: Annotated[int, Field(ge=1, le=MOST)]
    """Number of trials, the baseline included."""
    hours: Annotated[float, Field(gt=0)] | None = None
    """Wall-clock time of searching, interruptions not counted; null: no limit. Unit: hours."""
    gpu_hours: Annotated[float, Field(gt=0)] | None = None
    """Training time times the share of a GPU that each trial holds; null: no limit. Unit: GPU hours."""


class LadderSpec(_Part):
    """At which epochs trials are compared (the rungs), and what happens there."""

    min_epochs: Annotated[int, Field(ge=1, le=MOST)]
    """First rung; at most `max_epochs`. Should be at least twice the longest warm-up. Unit: epochs."""
    max_epochs: Annotated[int, Field(ge=1, le=MOST)]
    """Length of a whole training. Unit: epochs."""
    reduction_factor: Annotated[int, Field(ge=2)] = 3
    """One trial in so many advances; each rung is so many times the one before, none but the first past half way."""
    scheduler: Literal["promotion", "stopping"] = "promotion"
    """`promotion`: a trial pauses at each rung and the best resume; `stopping`: it continues or ends for good."""
    validate_every: Annotated[int, Field(ge=1, le=MOST)] = 3
    """Trials validate every so many epochs, at rungs and at the end; re-trainings validate all. Unit: epochs."""

    @property
    def rungs(self) -> tuple[int, ...]:
        """Return the epochs at which trials are compared."""
        return ladder(self.min_epochs, self.max_epochs, self.reduction_factor)

    @property
    def first_rung(self) -> int:
        """Return the first epoch at which trials are compared, the last of a training if there is none."""
        return next(iter(self.rungs), self.max_epochs)


class ResourcesSpec(_Part):
    """What a trial holds while it runs, and how often it is retried."""

    gpus: Literal["auto"] | Annotated[float, Field(ge=0)] = "auto"
    """At most 1; below 1 several trials share a GPU. `auto`: one where the cluster has any, else none. Unit: GPUs."""
    cpus: Literal["auto"] | Annotated[float, Field(gt=0)] = "auto"
    """`auto`: the node's cores divided among its GPUs; one core without a GPU. Unit: CPU cores."""
    concurrent: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    """Trials at a time; `auto`: as many as the cluster holds."""
    retries: Annotated[int, Field(ge=0)] = 5
    """How often in a row, at one epoch, a trial resumes after its process died or hung; lost nodes do not count."""
    own_retries: Annotated[int, Field(ge=0)] = 1
    """How often a trial resumes after its training raised an error that may not come again."""
    hung_minutes: Annotated[float, Field(gt=0)] = 10.0
    """Without a heartbeat for so long a trial resumes elsewhere; least time limit of an epoch. Unit: minutes."""


class ConfirmSpec(_Part):
    """How the winner is confirmed on fresh seeds; `auto`: as much as the measured noise between seeds asks for."""

    seeds: Literal["auto"] | Annotated[int, Field(ge=0, le=1000)] = "auto"
    """A number: so many seeds each of the best trial and of the baseline, compared once; 0: no re-training; never 1."""
    finalists: Literal["auto"] | Annotated[int, Field(ge=1, le=100)] = "auto"
    """Most trials to choose among; `auto`: within the noise of the best, 4 at most. A number needs `seeds: auto`."""
    retrainings: Literal["auto"] | Annotated[int, Field(ge=4, le=2000)] = "auto"
    """The most whole trainings to spend, at least twice `seeds`; `auto`: twice the expected cost of the search, 6 to
    20. May be raised in a finished study, which then continues its confirmation. Unit: trainings."""
    split: Literal["test", "val"] = "test"
    """The images on which finalists, baseline and the shipped model are judged; `val` for data without a test split."""


class RetentionSpec(_Part):
    """Which weights are kept. May change while a study is under way, as `confirm.retrainings` may; nothing else may."""

    keep: Annotated[int, Field(ge=1, le=MOST)] = 5
    """So many of the best ended trials keep their weights; the others keep curves, params and log. Unit: trials."""
    quota_gb: Annotated[float, Field(gt=0)] | None = None
    """Limit of the study's folder; near it, the worst paused trials end. null: no limit. Unit: GB (10^9 bytes)."""


class ExportSpec(_Part):
    """What is built from the model that ships, beside ONNX."""

    engine: Literal["auto", "tensorrt", "tensorrt_rtx", "none"] = "auto"
    """Builder of the engine; `auto`: `tensorrt` on a CUDA machine, else `tensorrt_rtx`, where installed."""


class GatesSpec(_Part):
    """What a model must pass before it becomes champion."""

    policy: Literal["proven", "expected"] = "proven"
    """Against a serving champion: `proven`, the lower bound of the difference must exceed `min_gain`; `expected`, the
    difference itself. Both models are measured by their ONNX files on the same images."""
    min_gain: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Must be exceeded against a champion, and for params to count as better. Unit: of the objective, 0 to 1."""
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.95
    """Probability with which lower bounds hold."""
    max_export_loss: Annotated[float, Field(ge=0, lt=1)] = 0.005
    """The most that ONNX or engine may score below the weights. Unit: of the objective, 0 to 1."""
    require_engine: bool = False
    """Refuse a model whose engine was not built and measured on this machine."""


class StudySpec(_Part):
    """The whole description of a study, defaults filled in."""

    name: Name
    """Name of the study, and of its folder `runs/<name>`."""
    champion: Name | None = None
    """Name in the registry, `models/<champion>`; null: the name of the study."""
    model: str
    """Weights (`.pt`) or model (`.yaml`) to train, beside the description or by its absolute path, or a model `.yaml`
    of Ultralytics. Nothing is downloaded."""
    data: str = SAMPLE
    """Path of a data set's `data.yaml`, or `sample` for the drawn sample data set."""
    objective: Literal["map50_95", "map50", "precision", "recall"] = "map50_95"
    """Metric that is maximised; the best epoch's weights are chosen by it too."""
    budget: BudgetSpec
    ladder: LadderSpec
    space: Annotated[dict[str, ParameterSpec], Field(min_length=1)]
    """What is searched: name of an Ultralytics setting (or `model`, `imgsz`, as choices) to a range, to choices, or to
    a list of ranges of which at most one is live by its `when`."""
    train: dict[str, Any] = Field(default_factory=dict)
    """Fixed Ultralytics settings, such as `{imgsz: 640, batch: 16}`; no setting may be fixed and searched at once."""
    warm_start: list[Annotated[str, Field(min_length=1)]] = Field(default_factory=list)
    """Past studies to learn from, each once: `runs/<study>`, or `models/<name>` for the study of its champion."""
    resources: ResourcesSpec = ResourcesSpec()
    confirm: ConfirmSpec = ConfirmSpec()
    retention: RetentionSpec = RetentionSpec()
    export: ExportSpec = ExportSpec()
    gates: GatesSpec = GatesSpec()
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Seed of the search and of the trials."""

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
            self.ladder.rungs,
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
            self.ladder.rungs,
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
