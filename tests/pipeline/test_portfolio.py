"""Params of past studies in a new study: chosen once, recorded, said, and the same when it resumes."""

import logging
import shutil
from pathlib import Path
from typing import Any

import pytest

from automl.pipeline import inputs, portfolio
from automl.storage.journal import Journal
from automl.storage.place import Place
from automl.study import Params
from automl.study.baseline import Baseline
from automl.study.shipped_spaces import folder
from automl.study.spec import StudySpec
from automl.study.yaml_io import read_yaml
from automl.trainers import yolo
from tests.builders import METRIC, spec_of
from tests.hpo.warm_start.test_winners import WINNER, finished
from tests.past_studies import BOLTS, SETTINGS


@pytest.fixture(autouse=True)
def no_trainer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yolo, "settings", lambda: dict(SETTINGS))


def recorded(storage: Path, journal: Journal, baseline: Baseline | None = None, **changes: Any) -> tuple[Params, ...]:
    spec = spec_of(**{"budget": {"trials": 24}, **changes})
    return portfolio.recorded(journal, spec, baseline, storage=storage, data=BOLTS)


def begun(storage: Path) -> Journal:
    (storage / "runs" / "small").mkdir(parents=True, exist_ok=True)
    return Journal.create(storage / "runs" / "small", name="small", metric=METRIC)


def test_a_resumed_study_tries_the_same_params_whatever_was_deleted_meanwhile(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    past = finished(tmp_path, "a")
    with caplog.at_level(logging.INFO, logger="automl"):
        assert recorded(tmp_path, begun(tmp_path)) == (WINNER,)
    assert "after the default: best params of study a (gain confirmed, similarity of data 1.00)" in caplog.text
    shutil.rmtree(past)
    finished(tmp_path, "b", facts={"params": {"lr0": 0.05, "optimizer": "SGD"}})
    again = begun(tmp_path)
    assert recorded(tmp_path, again) == (WINNER,)
    assert [entry["study"] for entry in again.notes()[portfolio.PAST]] == ["a"]


def test_the_data_of_a_past_study_are_read_as_that_study_wrote_them(tmp_path: Path, data: Path) -> None:
    place, past = Place(tmp_path), spec_of(name="a", data=str(data), confirm={"split": "val"})
    found = inputs.check_data(data, unpacked=tmp_path / "unpacked", split="val", searched=())
    inputs.warm_start(past, place, found)
    finished(tmp_path, "a", data=None)
    chosen = portfolio.chosen(spec_of(budget={"trials": 24}), None, storage=tmp_path, data=inputs.summary_of(found))
    (line,) = chosen.past_lines()
    assert "best params of study a (gain confirmed, similarity of data 1.00)" in line


def test_a_study_whose_first_trial_was_drawn_gets_no_params_later(tmp_path: Path) -> None:
    journal = begun(tmp_path)
    assert recorded(tmp_path, journal) == ()
    journal.suggested({"lr0": 0.01, "optimizer": "SGD"}, spec_of().search_space, seed=0, origin="default")
    finished(tmp_path, "a")
    assert recorded(tmp_path, begun(tmp_path)) == ()


def test_the_baseline_is_not_tried_again(tmp_path: Path) -> None:
    finished(tmp_path, "a")
    baseline = Baseline(dict(WINNER), inside=True, settings={})
    assert recorded(tmp_path, begun(tmp_path), baseline) == ()


def test_past_studies_come_before_the_shipped_portfolio_and_nothing_is_tried_twice(tmp_path: Path) -> None:
    plain = read_yaml(folder() / "yolo_small.yaml") | {"portfolio": 2, "budget": {"trials": 40}, "model": "yolo11n.pt"}
    spec = StudySpec.model_validate(plain)
    (shipped,) = portfolio.chosen(spec, None, storage=tmp_path, data=BOLTS).params
    same, other = dict(shipped), {**shipped, "lr0": 0.004}
    for name, params in {"a": same, "b": other}.items():
        facts = {"params": params}
        finished(tmp_path, name, facts=facts, model="yolo11s.pt", space=plain["space"], ladder=plain["ladder"])
    assert portfolio.chosen(spec, None, storage=tmp_path, data=BOLTS).params == (same, other)
    (tmp_path / "runs" / "a" / "promotion.json").unlink()
    assert portfolio.chosen(spec, None, storage=tmp_path, data=BOLTS).params == (other, same)
