"""The baseline: what a plain `yolo train` trains with, inside the space where the space has it."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automl.data.record import DataSet
from automl.hpo.sampler.sampler import starts_of
from automl.hpo.strategy import Strategy, StrategySettings
from automl.pipeline import plain_training
from automl.storage import curves_file
from automl.storage.journal import Journal
from automl.study import Params
from automl.study.baseline import Baseline, baseline_of
from automl.study.space import Choice, Real
from automl.study.spec import StudySpec
from automl.study.yaml_io import read_yaml
from automl.trainers import yolo
from automl.trials import worker
from tests.builders import METRIC, completed, rates_space, space_of, spec_of
from tests.conftest import job_at

ROOT = Path(__file__).parents[2]
PLAIN = {"optimizer": "auto", "lr0": 0.01, "momentum": 0.937, "warmup_bias_lr": 0.1, "mosaic": 1.0}
AUTO = {"optimizer": "AdamW", "lr0": 0.0014, "momentum": 0.9, "warmup_bias_lr": 0.0}
ONLY_SGD = space_of(optimizer=Choice(("SGD", "AdamW"), "SGD"), lr0=Real(1e-3, 0.1, 0.01))


def found(space: Any, fixed: Params) -> Baseline:
    return baseline_of(space, fixed, plain=PLAIN, resolved=AUTO)


def test_a_space_with_auto_as_a_choice_holds_the_baseline() -> None:
    baseline = found(rates_space(), {})
    assert (baseline.inside, baseline.params) == (True, {"optimizer": "auto"})
    assert baseline.settings == PLAIN | AUTO


def test_what_auto_sets_itself_makes_no_difference_where_it_is_fixed() -> None:
    assert found(rates_space(), {"momentum": 0.5, "warmup_bias_lr": 0.3}).inside


def test_a_space_that_holds_what_auto_stands_for_holds_the_baseline() -> None:
    baseline = found(ONLY_SGD, {"momentum": 0.9, "warmup_bias_lr": 0.0})
    assert (baseline.inside, baseline.params) == (True, {"optimizer": "AdamW", "lr0": 0.0014})


@pytest.mark.parametrize(
    ("fixed", "more"),
    [
        ({}, {"momentum": 0.9, "warmup_bias_lr": 0.0}),
        ({"momentum": 0.9, "warmup_bias_lr": 0.0, "mosaic": 0.0}, {"mosaic": 1.0}),
    ],
)
def test_outside_the_space_every_setting_in_which_the_baseline_differs_is_named(fixed: Params, more: Params) -> None:
    baseline = found(ONLY_SGD, fixed)
    assert not baseline.inside
    assert baseline.params == {"optimizer": "AdamW", "lr0": 0.0014, **more}


def test_conditions_of_the_study_hold_for_the_baseline_too() -> None:
    space = space_of(imgsz=Choice((320, 640), 320), **dict(ONLY_SGD.parameters))
    assert found(space, {}).params["imgsz"] == 320


def test_a_baseline_survives_the_journal() -> None:
    baseline = found(ONLY_SGD, {})
    assert Baseline.from_dict(baseline.to_dict()) == baseline


@pytest.mark.parametrize("name", ["smoke", "yolo_small", "yolo_family", "yolo26_small"])
def test_the_shipped_spaces_start_from_the_baseline(name: str) -> None:
    spec = StudySpec.model_validate(read_yaml(ROOT / "search_spaces" / f"{name}.yaml"))
    baseline = baseline_of(
        spec.search_space,
        spec.train,
        plain=yolo.plain_hyperparameters(),
        resolved=yolo.resolve_auto(images=200, classes=3, epochs=12, batch=8),
    )
    assert baseline.inside
    assert dict(baseline.params) == spec.search_space.defaults()


def test_a_long_training_is_resolved_to_another_optimizer() -> None:
    short = yolo.resolve_auto(images=240, classes=3, epochs=12, batch=16)
    assert short == {"optimizer": "AdamW", "lr0": 0.001429, "momentum": 0.9, "warmup_bias_lr": 0.0}
    assert yolo.resolve_auto(images=120_000, classes=80, epochs=100, batch=16)["optimizer"] == "MuSGD"


RESOLVED = """
import sys
from automl.trainers import yolo
from torch.optim import Optimizer
chosen = [yolo.resolve_auto(images=images, classes=3, epochs=12, batch=16) for images in (240, 120_000)]
changed = vars(Optimizer.add_param_group.__wrapped__)
print(*(one["optimizer"] for one in chosen), "torch._dynamo" in sys.modules, changed)
"""


@pytest.mark.slow
def test_auto_is_resolved_without_torch_s_compiler_which_is_as_it_was_afterwards() -> None:
    done = subprocess.run([sys.executable, "-c", RESOLVED], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "AdamW MuSGD False {}"


def test_the_first_trials_are_the_baseline_and_where_it_differs_the_default() -> None:
    space = rates_space("SGD")
    default = space.defaults()
    assert starts_of(space, None) == [(default, "default")]
    assert starts_of(space, default) == [(default, "baseline")]
    assert starts_of(space, {"optimizer": "auto"}) == [({"optimizer": "auto"}, "baseline"), (default, "default")]


def test_a_baseline_outside_the_space_is_recorded_and_not_sampled_from(tmp_path: Path) -> None:
    baseline = found(ONLY_SGD, {})
    settings = StrategySettings(ONLY_SGD, METRIC, 6, (2,), 3, baseline=baseline)
    strategy = Strategy(settings)
    params, origin = strategy.draw()
    journal = Journal.create(tmp_path, name="s", metric=METRIC)
    journal.suggested(params, ONLY_SGD, seed=0, origin=origin, outside=True)

    again = Journal.read(tmp_path, metric=METRIC).trials()[0]

    assert (origin, again.outside, dict(again.params)) == ("baseline", True, dict(baseline.params))
    strategy.add(again)
    assert strategy.draw() == (ONLY_SGD.defaults(), "default")
    seen = strategy._sampler._seen[0]
    seen.best = 0.9
    assert not seen.has_value
    assert not seen.pending


def test_a_study_keeps_the_baseline_that_it_began_with(tmp_path: Path) -> None:
    images = {"train": tuple(Path(f"{n}.jpg") for n in range(100))}
    data = DataSet(tmp_path / "data.yaml", {0: "a"}, images, {}, (), "f" * 64)
    spec = spec_of()
    journal = Journal.create(tmp_path, name="s", metric=METRIC)

    first = plain_training.recorded(journal, data, space=spec.search_space, train=spec.train, epochs=6)

    assert first is not None
    assert first.settings["lr0"] == pytest.approx(0.002)
    more = DataSet(data.source, {0: "a", 1: "b"}, images, {}, (), "f" * 64)
    again = Journal.create(tmp_path, name="s", metric=METRIC)
    assert plain_training.recorded(again, more, space=spec.search_space, train=spec.train, epochs=6) == first
    assert "outside the space, trained with optimizer=AdamW" in plain_training.summary(first)


def test_a_study_that_an_earlier_version_began_has_none(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, name="s", metric=METRIC)
    journal.suggested(completed(0, [0.1]).params, spec_of().search_space, seed=0, origin="default")
    data = DataSet(tmp_path / "data.yaml", {0: "a"}, {"train": ()}, {}, (), "f" * 64)
    assert plain_training.recorded(journal, data, space=spec_of().search_space, train={}, epochs=6) is None


@pytest.mark.yolo
def test_explicit_settings_train_like_auto_to_the_last_bit(tmp_path: Path, data: Path) -> None:
    resolved = yolo.resolve_auto(images=24, classes=3, epochs=2, batch=8)
    curves = []
    for name, params in (("auto", {"optimizer": "auto"}), ("explicit", resolved)):
        job = job_at(tmp_path / name, data, epochs=2)
        made = worker.run(replace(job, params=params), lambda _measurement: None)
        assert made.final, made.cause
        measured = curves_file.read_curves(job.folder)
        curves.append([dict(m.metrics) for m in measured])
    assert curves[0] == curves[1]
    assert np.isfinite([value for metrics in curves[0] for value in metrics.values()]).all()
