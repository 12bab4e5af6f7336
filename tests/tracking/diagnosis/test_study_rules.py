"""Every rule on a study: it finds its fault, and nothing in a study without one."""

from collections.abc import Sequence

import pytest

from automl.study import Trial
from automl.study.space import Real
from automl.study.spec import LadderSpec
from automl.tracking.diagnosis import study_rules
from automl.tracking.diagnosis.study_rules import StudyRecord
from tests.builders import METRIC, completed, space_of

LADDER = LadderSpec(min_epochs=2, max_epochs=6, reduction_factor=3)
SPACE = space_of(lr0=Real(1e-4, 1e-1, 1e-2, log=True), scale=Real(0.0, 0.9, 0.5))
RATES = [1e-3, 3e-3, 6e-3, 1e-2, 2e-2, 3e-2, 5e-2, 8e-2, 2e-4, 4e-4]


def trials_of(early: Sequence[float], late: Sequence[float], rates: Sequence[float] = RATES) -> list[Trial]:
    """Return completed trials from their values at the first rung and at the end."""
    return [
        completed(number, [0.0, one, one, one, one, other], params={"lr0": rate, "scale": 0.5})
        for number, (one, other, rate) in enumerate(zip(early, late, rates, strict=True))
    ]


RISING = [0.1 + 0.02 * place for place in range(10)]
ENDS = [value + 0.2 for value in RISING]
MIXED = [RATES[place] for place in (0, 7, 1, 8, 2, 6, 9, 3, 5, 4)]
HEALTHY = trials_of(RISING, ENDS, MIXED)
AT_THE_END = trials_of(RISING, ENDS, [*RATES[:7], 0.06, 0.08, 0.095])


def record_of(trials: Sequence[Trial] = HEALTHY, **changes: object) -> StudyRecord:
    given = {"ladder": LADDER, "metric": METRIC, "budget": 10, "shares": {"lr0": 0.7, "scale": 0.3}}
    return StudyRecord(trials, SPACE, **{**given, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("record", "names"),
    [
        (record_of(), []),
        (record_of([]), []),
        (record_of(shares={"lr0": 0.99, "scale": 0.01}), ["parameter without effect"]),
        (record_of(AT_THE_END), ["best value at the edge"]),
        (record_of(budget=2), ["budget too short for the ladder"]),
        (record_of(trials_of([0.0] * 10, ENDS, MIXED)), ["first rung ties"]),
        (record_of(trials_of(RISING[::-1], ENDS, MIXED)), ["first rung does not predict"]),
    ],
)
def test_a_study_has_these_findings(record: StudyRecord, names: list[str]) -> None:
    assert [finding.name for finding in study_rules.findings(record)] == names


def test_an_end_that_cannot_be_moved_is_no_finding() -> None:
    space = space_of(lr0=SPACE.parameters["lr0"], scale=Real(0.0, 1.0, 0.5))
    trials = [completed(t.number, [0.1] * 6, params={"lr0": 1e-2, "scale": 0.0}) for t in HEALTHY]
    record = StudyRecord(trials, space, LADDER, METRIC, 10, {})
    assert "best value at the edge" not in {finding.name for finding in study_rules.findings(record)}


def test_the_record_has_the_importance_of_parameters() -> None:
    record = StudyRecord.of(HEALTHY, SPACE, ladder=LADDER, metric=METRIC, budget=10)
    assert record.shares.keys() <= {"lr0", "scale"}
