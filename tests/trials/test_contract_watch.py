"""A study whose contract holds on val ends: no new trials, a typed reason, the same after a resume."""

from pathlib import Path

import pytest

from automl.study import EndReason, Job, Measurement, State
from automl.trials.contract_watch import TAGS
from automl.trials.manager import TrialManager
from tests import simulated_study
from tests.builders import spec_of
from tests.simulated_study import Clock, open_search, saturating

RATE = {"metric": "miss_rate", "at": {"over_kill": 0.02}}
CONTRACT = {"max_miss_rate": 0.4, "max_overkill_rate": 0.05, "stop": True}
SPEC = spec_of(budget={"trials": 12}, objective=RATE, contract=CONTRACT)


@pytest.fixture(autouse=True)
def _counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add the counts behind the rate to each measurement: of 200 defects and 300 good parts, two of them stopped."""
    plain = getattr(simulated_study, "_measured")  # noqa: B009

    def counted(curve: simulated_study.Curve, job: Job, epoch: int, seconds: float) -> Measurement:
        found: Measurement = plain(curve, job, epoch, seconds)
        missed = 200 - round(200 * found.metrics.get(job.metric, 0.0))
        counts = dict(zip(TAGS, (missed, 200.0, 2.0, 300.0), strict=True))
        return Measurement(epoch, {**found.metrics, **counts}, seconds)

    monkeypatch.setattr(simulated_study, "_measured", counted)


def reasons(source: TrialManager) -> list[EndReason]:
    return [trial.ending.reason for trial in source.trials if trial.ending]


def test_a_search_ends_once_a_completed_trial_holds_the_contract(tmp_path: Path) -> None:
    clock = Clock()
    source = open_search(tmp_path, SPEC, workers=2, clock=clock)
    simulated_study.simulate(source, saturating, clock=clock)
    assert source.finished
    assert len(source.trials) < 12
    holder = next(trial for trial in source.trials if trial.state is State.COMPLETED)
    log = (tmp_path / "study.log").read_text(encoding="utf-8")
    assert f"search ends: the contract holds on val with trial {holder.number}: missed" in log
    assert EndReason.CONTRACT in reasons(source)
    assert set(reasons(source)) <= {EndReason.EPOCHS, EndReason.CONTRACT, EndReason.RUNG}
    source.close()
    again = open_search(tmp_path, SPEC, workers=2, clock=clock)
    assert again.over
    assert again.next_job() is None


def test_a_contract_that_does_not_stop_leaves_the_search_alone(tmp_path: Path) -> None:
    calm = spec_of(budget={"trials": 6}, objective=RATE, contract={**CONTRACT, "stop": False})
    clock = Clock()
    source = open_search(tmp_path, calm, clock=clock)
    simulated_study.simulate(source, saturating, clock=clock)
    assert len(source.trials) == 6
    assert EndReason.CONTRACT not in reasons(source)
