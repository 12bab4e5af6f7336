"""Which params of past studies a new study tries, and which it does not."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from automl.data.summary import Summary
from automl.hpo.warm_start import winners
from automl.storage import records
from automl.study import Params
from automl.study.load import dump
from tests.builders import spec_of, written
from tests.damage import refuse
from tests.past_studies import BOLTS, SETTINGS

WINNER: Params = {"lr0": 0.03, "optimizer": "SGD"}
UNLIKE = Summary("c" * 64, 9000, 40, 1.1, (0.3, 0.5, 0.9), (0.9, 1.0, 1.1), 0.2, 1900.0)


def verdict(**facts: Any) -> dict[str, Any]:
    """Return the content of `promotion.json`, as a study leaves it."""
    return {
        "study": "a", "accepted": True, "side": "trial7", "objective": "map50_95", "split": "test", "metrics": {},
        "torch_score": 0.5, "onnx_score": 0.5, "onnx_difference": 0.0, "engine": "", "engine_score": None, "files": {},
        "data": "d", "names": {"0": "bolt"}, "reasons": [], "notes": [], "trial": 7, "params": dict(WINNER),
        "challenger": [0.7, 0.72], "default": [0.5, 0.52], "difference": 0.2, "lower_bound": 0.1, "confidence": 0.95,
        "params_better": True, **facts,
    }  # fmt: skip


def finished(storage: Path, name: str, *, data: Summary | None = BOLTS, facts: Any = None, **changes: Any) -> Path:
    """Write a study that has its verdict."""
    folder = storage / "runs" / name
    written(folder, "study.yaml", dump(spec_of(name=name, **changes)))
    written(folder, "promotion.json", json.dumps(verdict(**(facts or {}))))
    if data:
        written(folder, "dataset.json", records.sealed(data.to_dict()))
    return folder


def found(storage: Path, *known: Params, **changes: Any) -> winners.Found:
    spec = spec_of(**{"name": "new", "budget": {"trials": 24}, **changes})
    return winners.find(spec, storage, data=BOLTS, settings=SETTINGS, known=known)


def names(storage: Path, **changes: Any) -> list[str]:
    return [winner.study for winner in found(storage, **changes).winners]


def rate(value: float, **more: Any) -> dict[str, Any]:
    return {"params": {"lr0": value, "optimizer": "SGD"}, **more}


def test_confirmed_gains_come_first_then_the_most_similar_data(tmp_path: Path) -> None:
    finished(tmp_path, "a", facts=rate(0.01, params_better=False))
    finished(tmp_path, "b", data=UNLIKE, facts=rate(0.02))
    finished(tmp_path, "c", facts=rate(0.03))
    finished(tmp_path, "d", data=None, facts=rate(0.04))
    assert names(tmp_path, past_studies=4, budget={"trials": 99}) == ["c", "d", "b", "a"]
    first = found(tmp_path).winners[0]
    assert (first.params, first.confirmed, first.similarity) == (WINNER, True, 1.0)
    assert first.summary() == "study c (gain confirmed, similarity of data 1.00): lr0=0.03 optimizer=SGD"


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({}, 3), ({"past_studies": 1}, 1), ({"past_studies": 0}, 0), ({"past_studies": 8}, 3),
        ({"budget": {"trials": 23}}, 2), ({"budget": {"trials": 7}}, 0),
        ({"warm_start": ["runs/a"]}, 0),
    ],
)  # fmt: skip
def test_the_number_is_bounded_by_the_trials_and_by_a_named_warm_start(
    tmp_path: Path, changes: dict[str, Any], count: int
) -> None:
    for number in range(4):
        finished(tmp_path, f"s{number}", facts=rate(0.01 + number / 100))
    assert len(found(tmp_path, **changes).winners) == count


@pytest.mark.parametrize(
    ("past", "present", "used"),
    [
        ({"model": "yolo11s.pt"}, {"model": "yolo11n.pt"}, ["a"]),
        ({"model": "models/0a1b/yolo11n-coco.pt"}, {"model": "yolo11n.pt"}, ["a"]),
        ({"model": "yolo11n.yaml"}, {"model": "yolo11n.pt"}, []),
        ({"model": "yolo26n.pt"}, {"model": "yolo11n.pt"}, []),
        ({"objective": "map50"}, {}, []),
        ({"ladder": {"min_epochs": 2, "max_epochs": 24}}, {}, ["a"]),
        ({"ladder": {"min_epochs": 2, "max_epochs": 25}}, {}, []),
        ({"space": {"lr0": {"low": 0.001, "high": 0.1, "default": 0.01}}, "train": {"optimizer": "SGD"}}, {}, ["a"]),
        ({"space": {"lr0": {"low": 0.001, "high": 0.1, "default": 0.01}}, "train": {"optimizer": "Adam"}}, {}, []),
        ({}, {"space": {"lr0": {"low": 0.001, "high": 0.01, "default": 0.005}}}, []),
    ],
)
def test_only_a_study_whose_best_params_this_one_could_have_drawn_is_used(
    tmp_path: Path, past: dict[str, Any], present: dict[str, Any], used: list[str]
) -> None:
    facts = {"params": {"lr0": 0.03}} if "space" in past else {}
    finished(tmp_path, "a", facts=facts, **past)
    assert names(tmp_path, **present) == used


def test_a_family_among_the_models_to_choose_from_is_enough(tmp_path: Path) -> None:
    finished(tmp_path, "a", model="yolo11s.pt")
    searched = {"model": {"choices": ["yolo26n.pt", "yolo11s.pt"], "default": "yolo26n.pt"}}
    space = {**spec_of().model_dump(exclude_unset=True)["space"], **searched}
    (winner,) = found(tmp_path, model="yolo26n.pt", space=space).winners
    assert winner.params == {**WINNER, "model": "yolo11s.pt"}


def test_the_epochs_without_mosaic_follow_the_length_of_the_training(tmp_path: Path) -> None:
    space = {"close_mosaic": {"choices": list(range(21)), "default": 10}}
    finished(tmp_path, "a", facts={"params": {"close_mosaic": 3}}, space=space)
    (winner,) = found(tmp_path, space=space, ladder={"min_epochs": 2, "max_epochs": 12}).winners
    assert winner.params == {"close_mosaic": 6}


def test_params_that_are_tried_anyway_are_not_tried_twice(tmp_path: Path) -> None:
    finished(tmp_path, "a")
    finished(tmp_path, "b")
    assert [winner.study for winner in found(tmp_path).winners] == ["a"]
    assert found(tmp_path, WINNER).winners == ()


@pytest.mark.parametrize(
    ("facts", "used"),
    [
        ({"difference": -0.1, "params_better": False}, []),
        ({"difference": 0.1, "params_better": False}, ["a"]),
        ({"challenger": [], "default": [], "difference": 0.0, "params_better": False}, ["a"]),
    ],
)
def test_params_that_re_trainings_found_worse_than_the_baseline_are_no_winners(
    tmp_path: Path, facts: dict[str, Any], used: list[str]
) -> None:
    finished(tmp_path, "a", facts=facts)
    assert names(tmp_path) == used


def test_a_study_without_a_verdict_and_the_study_itself_are_passed_over(tmp_path: Path) -> None:
    assert found(tmp_path) == winners.Found()
    finished(tmp_path, "new")
    (finished(tmp_path, "running") / "promotion.json").unlink()
    assert found(tmp_path) == winners.Found()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("promotion.json", "{", "must be readable JSON"),
        ("promotion.json", "[]", "must be a study's verdict"),
        ("dataset.json", '{"images": 3}', "must be the summary of a data set"),
        ("study.yaml", "name: a\n", "study.yaml"),
    ],
)
def test_a_damaged_study_is_named_and_the_others_are_used(tmp_path: Path, name: str, content: str, said: str) -> None:
    written(finished(tmp_path, "a"), name, content)
    finished(tmp_path, "b")
    everything = found(tmp_path)
    assert [winner.study for winner in everything.winners] == ["b"]
    (line,) = everything.unreadable
    assert line.startswith("past study a is left out: ")
    assert said in line


def test_a_study_of_another_user_is_named_and_the_others_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, finished(tmp_path, "a"))
    finished(tmp_path, "b")
    everything = found(tmp_path)
    assert [winner.study for winner in everything.winners] == ["b"]
    assert everything.unreadable == ("past study a is left out: Permission denied",)


def test_of_many_studies_the_last_ones_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winners, "MOST_READ", 2)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "note.txt").write_text("no study")
    for when, name in enumerate(("c", "a", "b")):
        finished(tmp_path, name, facts=rate(0.01 + when / 100))
        os.utime(tmp_path / "runs" / name / "promotion.json", (when, when))
    assert names(tmp_path) == ["a", "b"]


def test_a_link_out_of_a_study_is_not_followed(tmp_path: Path) -> None:
    folder = finished(tmp_path, "a")
    (folder / "promotion.json").rename(tmp_path / "elsewhere.json")
    (folder / "promotion.json").symlink_to(tmp_path / "elsewhere.json")
    everything = found(tmp_path)
    assert everything.winners == ()
    assert "but is a link to" in everything.unreadable[0]


def test_what_is_kept_is_read_again() -> None:
    one = winners.Winner("a", WINNER, confirmed=True, similarity=None)
    assert winners.Winner.from_dict(json.loads(json.dumps(one.to_dict()))) == one
