"""What a study tells its sampler beyond the description."""

from pathlib import Path

import pytest

from automl.study.space import Real
from automl.trainers import registration
from automl.trials.jobs import RunContext, strategy_settings
from tests.builders import spec_of


def known(folder: Path) -> dict[str, float]:
    spec = spec_of(space={"lr0": {"low": 1e-4, "high": 1e-2, "log": True, "default": 1e-3}})
    assert spec.search_space.parameters == {"lr0": Real(1e-4, 1e-2, 1e-3, log=True)}
    return dict(strategy_settings(RunContext(folder, spec, folder, gpus=0, threads=1, concurrent=1), ()).lengths)


def test_the_sampler_knows_the_length_scales_of_yolo_and_of_no_other_trainer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(registration.CHOSEN, raising=False)
    assert known(tmp_path) == pytest.approx({"lr0": 0.28}, rel=0.01)
    monkeypatch.setenv(registration.CHOSEN, "another")
    assert known(tmp_path) == {}
