"""StudySpec: the pydantic models of a study's description, with the law and the meaning of each key.

`docs/description.md` is made from the field docs here: after a change run `python -m automl.study.reference`.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Any, Final, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from automl.study import objective as objectives
from automl.study.ladder import FINE_TUNED_RUNG, Cost, cost, first_rung, ladder
from automl.study.objective import Constraint
from automl.study.results import Contract, Gates, Target
from automl.study.space import SearchSpace
from automl.study.space_spec import ChoiceSpec, ParameterSpec, RangeSpec, parameter_of
from automl.study.spec_parts import (
    MOST,
    ConfirmSpec,
    ContractSpec,
    ExportSpec,
    GatesSpec,
    Metric,
    NotifySpec,
    ObjectiveSpec,
    Part,
    ResourcesSpec,
    RetentionSpec,
    TargetSpec,
    TrackingSpec,
)

SAMPLE: Final = "sample"
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
TargetName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
MAX_LOSS: Final = {"fp32": 0.005, "fp16": 0.005, "int8": 0.010}
"""Loss of mAP50-95 that a precision may cost where a target does not say."""

LEAST_RETRAININGS: Final = 6
"""Three seeds each of the best trial and of the baseline."""
MOST_RETRAININGS: Final = 48
"""Enough to find a gain of 1.5 times the noise nine times in ten (`benchmarks/winners.py`)."""
SEARCHES_WORTH: Final = 3
"""Limit of the confirmation, as a multiple of the expected cost of the search; a third of it is spent on average."""
FORMER_LIMITS: Final = (2, 20)
"""The same two in versions before decision 80, whose confirmations look less often."""
EXPECTED_SHARE: Final = 0.35
"""Part of what is allowed beyond the fewest re-trainings that is spent on average: 0.2 to 0.5 for gains of 0 to 2 times
the noise and limits of 9 to 48 (`benchmarks/winners.py`, one or two at a time; more of them at a time spend more)."""


NAMED: Final = "Metric"


def _kind(raw: object) -> str:
    """Return the tag of the model that validates an objective."""
    return "ObjectiveSpec" if isinstance(raw, ObjectiveSpec | dict) else NAMED


Objective = Annotated[Annotated[Metric, Tag(NAMED)] | Annotated[ObjectiveSpec, Tag("ObjectiveSpec")],
                      Discriminator(_kind)]  # fmt: skip


class BudgetSpec(Part):
    """Limits of a study; the search ends at the first one reached. May be changed after the study began."""

    trials: Annotated[int, Field(ge=1, le=MOST)]
    """Number of trials, the baseline included."""
    hours: Annotated[float, Field(gt=0)] | None = None
    """Wall-clock time of the search, without interruptions; null: no limit. Unit: hours."""
    gpu_hours: Annotated[float, Field(gt=0)] | None = None
    """Sum over all trials of training time times GPUs per trial, or times 1 without a GPU; null: no limit. Unit: GPU
    hours."""
    total_hours: Annotated[float, Field(gt=0)] | None = None
    """Wall-clock time of the whole study, without interruptions. The search ends early enough that the fewest
    re-trainings fit in, and 5% for export; null: no limit. Unit: hours."""
    min_gain_per_hour: Annotated[float, Field(gt=0, lt=1)] | None = None
    """The search also ends when another hour is expected to gain less than this over the best value so far, which
    `automl status` shows; null: it does not. Unit: of the objective, 0 to 1."""


class LadderSpec(Part):
    """Epochs at which trials are compared (rungs), and the scheduler that decides there."""

    min_epochs: Annotated[int, Field(ge=1, le=MOST)] = FINE_TUNED_RUNG
    """First rung; at most `max_epochs`. Without it 3 where the model starts from weights (`.pt`), else 6. From random
    weights it should be at least twice the longest warm-up. Unit: epochs."""
    max_epochs: Annotated[int, Field(ge=1, le=MOST)]
    """Length of a full training. Unit: epochs."""
    reduction_factor: Annotated[int, Field(ge=2)] = 3
    """One trial in this many advances; each rung is this many times the one before. No rung but the first is in the
    second half of the training."""
    scheduler: Literal["promotion", "stopping"] = "promotion"
    """`promotion`: trials pause at each rung, and the best ones resume; `stopping`: a trial continues or ends."""
    validate_every: Annotated[int, Field(ge=1, le=MOST)] = 3
    """Trials validate at every multiple of this, at rungs and at the last epoch; re-trainings validate at every epoch.
    Unit: epochs."""

    @property
    def rungs(self) -> tuple[int, ...]:
        """Return the epochs at which trials are compared."""
        return ladder(self.min_epochs, self.max_epochs, self.reduction_factor)

    @property
    def first_rung(self) -> int:
        """Return the first epoch at which trials are compared, the last of a training if there is none."""
        return next(iter(self.rungs), self.max_epochs)


class StudySpec(Part):
    """Complete description of a study, with defaults."""

    name: Name
    """Name of the study, and of its folder `runs/<name>`."""
    champion: Name | None = None
    """Name in the registry, `models/<champion>`; null: the name of the study."""
    model: str
    """Weights (`.pt`) or model (`.yaml`) to train: a path relative to the description, an absolute path, or the name of
    a model `.yaml` of Ultralytics. Nothing is downloaded."""
    data: str = SAMPLE
    """Path of a data set's `data.yaml`, or `sample` for the generated sample data set."""
    objective: Objective = "map50_95"
    """Metric that is maximised; it also selects the best epoch's weights. A mapping adds constraints, such as
    `{metric: map50_95, constraints: ["latency_ms <= 8 on cpu"]}`."""
    budget: BudgetSpec
    ladder: LadderSpec
    space: Annotated[dict[str, ParameterSpec], Field(min_length=1)]
    """Search space: maps an Ultralytics setting (or `model` and `imgsz`, as choices) to a range, to choices, or to a
    list of ranges of which at most one is active, according to its `when`."""
    train: dict[str, Any] = Field(default_factory=dict)
    """Fixed Ultralytics settings, such as `{imgsz: 640, batch: 16}`; a setting is either fixed or searched."""
    warm_start: list[Annotated[str, Field(min_length=1)]] = Field(default_factory=list)
    """Past studies whose trials inform the sampler, each once: `runs/<study>`, or `models/<name>` for the study of its
    champion."""
    portfolio: Annotated[int, Field(ge=0, le=16)] = 0
    """Number of params that were good on other data sets (`search_spaces/portfolio.yaml`) and are tried right after the
    default, as far as the space allows them; 0: none."""
    past_studies: Annotated[int, Field(ge=0, le=8)] = 3
    """Number of finished studies of this storage whose best params are tried right after the default, as far as the
    space allows them, and at most one trial in eight: confirmed gains first, then the most similar data set. 0: none,
    as where `warm_start` names studies."""
    resources: ResourcesSpec = ResourcesSpec()
    confirm: ConfirmSpec = ConfirmSpec()
    retention: RetentionSpec = RetentionSpec()
    export: ExportSpec = ExportSpec()
    targets: dict[TargetName, TargetSpec] = Field(default_factory=dict)
    """Devices that the shipped model is built for: name to format and precision, such as
    `{cpu: {format: openvino, precision: int8}}`."""
    tracking: TrackingSpec = TrackingSpec()
    gates: GatesSpec = GatesSpec()
    notify: NotifySpec | None = None
    """Messages by a webhook or a command; null: none."""
    contract: ContractSpec | None = None
    """Miss rate and over-kill rate that the shipped model must hold on the judged split; null: none."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Seed of the search and of the trials."""

    @model_validator(mode="before")
    @classmethod
    def _first_rung(cls, raw: Any) -> Any:  # noqa: ANN401
        """Fill in the first rung by the start weights where it is left open."""
        ladder = raw.get("ladder") if isinstance(raw, dict) else None
        if not isinstance(ladder, dict) or "min_epochs" in ladder:
            return raw
        return {**raw, "ladder": {"min_epochs": first_rung(raw.get("model"), ladder.get("max_epochs")), **ladder}}

    @cached_property
    def search_space(self) -> SearchSpace:
        """Return the space as parameters."""
        return SearchSpace({name: parameter_of(part) for name, part in self.space.items()})

    def parts(self) -> Iterator[tuple[str, str, RangeSpec | ChoiceSpec]]:
        """Yield name, place in the description and shape of each range and choice of the space."""
        for name, shape in self.space.items():
            if isinstance(shape, list):
                yield from ((name, f"space.{name}.{number}", part) for number, part in enumerate(shape))
            else:
                yield name, f"space.{name}", shape

    @property
    def goal(self) -> ObjectiveSpec:
        """Return the objective with its constraints."""
        return self.objective if isinstance(self.objective, ObjectiveSpec) else ObjectiveSpec(metric=self.objective)

    @property
    def objective_name(self) -> str:
        """Return the name of the metric that is maximised."""
        return self.rate.name if self.rate else self.goal.metric

    @property
    def rate(self) -> objectives.RateGoal | None:
        """Return the over-kill rate at which the detection rate is maximised; None for another metric."""
        at = self.goal.at
        return objectives.RateGoal(at.over_kill, at.per) if at and self.goal.metric == "miss_rate" else None

    @property
    def metric(self) -> str:
        """Return the tag that is maximised."""
        return f"val/{self.objective_name}"

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        """Return the constraints as records."""
        return tuple(Constraint.of(text) for text in self.goal.constraints)

    @property
    def second(self) -> objectives.Cost | None:
        """Return the cost that is minimised beside the metric."""
        return objectives.Cost.of(self.goal.second) if self.goal.second else None

    @property
    def costs(self) -> tuple[objectives.Cost, ...]:
        """Return what is measured of each structure: the second objective, then the constraints' costs, each once."""
        first = (self.second,) if self.second else ()
        return tuple(dict.fromkeys((*first, *(one.cost for one in self.constraints))))

    @property
    def champion_name(self) -> str:
        """Return the name in the registry."""
        return self.champion or self.name

    @property
    def laws(self) -> Gates:
        """Return the gates as a record."""
        return Gates(**self.gates.model_dump())

    @property
    def agreed(self) -> Contract | None:
        """Return the contract as a record."""
        return Contract(**self.contract.model_dump()) if self.contract else None

    @property
    def built_for(self) -> tuple[Target, ...]:
        """Return the targets as records."""
        return tuple(
            Target(
                name,
                one.format,
                one.precision,
                max_loss=MAX_LOSS[one.precision] if one.max_loss == "auto" else one.max_loss,
                required=one.required,
                max_latency_ms=one.max_latency_ms,
                max_mb=one.max_mb,
                max_end_to_end_ms=one.max_end_to_end_ms,
                resource=one.resource or "",
                compatible=tuple(dict.fromkeys(one.compatible)),
            )
            for name, one in self.targets.items()
        )

    def cost(self) -> Cost:
        """Return what the study can cost, in epochs."""
        return self._cost(self.retrainings[1])

    def _cost(self, retrainings: int) -> Cost:
        rungs, most, factor = self.ladder.rungs, self.ladder.max_epochs, self.ladder.reduction_factor
        return cost(self.budget.trials, rungs, max_epochs=most, reduction_factor=factor, retrainings=retrainings)

    @property
    def retrainings(self) -> tuple[int, int]:
        """Return the fewest and the most full trainings of the confirmation."""
        given = self.confirm
        if given.seeds != "auto":
            once = 2 * given.seeds
            return once, once if given.retrainings == "auto" else given.retrainings
        if given.retrainings != "auto":
            return min(LEAST_RETRAININGS, given.retrainings // 2 * 2), given.retrainings
        return LEAST_RETRAININGS, self._limit(SEARCHES_WORTH, MOST_RETRAININGS)

    @property
    def former_retrainings(self) -> int:
        """Return the most full trainings of a confirmation that a version before decision 80 began."""
        by_search = self.confirm.seeds == self.confirm.retrainings == "auto"
        return self._limit(*FORMER_LIMITS) if by_search else self.retrainings[1]

    @property
    def expected_retrainings(self) -> int:
        """Return about how many full trainings a confirmation spends on average."""
        fewest, most = self.retrainings
        return fewest + round(EXPECTED_SHARE * (most - fewest))

    def _limit(self, searches: int, most: int) -> int:
        worth = round(searches * self._cost(0).expected / self.ladder.max_epochs)
        return min(max(worth, LEAST_RETRAININGS), most)
