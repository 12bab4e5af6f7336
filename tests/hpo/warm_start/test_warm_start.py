"""What earlier studies bring to a new one, what is told of it, and that the new one never needs them again."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from automl.data import sample
from automl.hpo import warm_start
from automl.pipeline import inputs, session
from automl.pipeline.session import opened
from automl.storage.layout import WARM_START
from automl.storage.place import Place, study_folder
from automl.study import Trial
from automl.study.errors import AutomlError, StudyError
from automl.study.load import load
from automl.tracking import study_list
from automl.trainers import yolo
from tests.builders import FakeRules, completed, spec_of, written
from tests.damage import refuse
from tests.past_studies import BOLTS, SETTINGS, past, promoted, ten

DATA = {"train": 4, "val": 3, "test": 3}


@pytest.fixture(autouse=True)
def no_trainer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yolo, "settings", lambda: dict(SETTINGS))


def gathered(storage: Path, *names: str, **changes: Any) -> tuple[warm_start.Transfer, ...]:
    spec = spec_of(warm_start=list(names), **changes)
    return warm_start.gather(spec, storage, data=BOLTS, settings=SETTINGS)


def refused(storage: Path, *names: str, **changes: Any) -> str:
    with pytest.raises(StudyError, match="warm_start: ") as caught:
        gathered(storage, *names, **changes)
    return str(caught.value)


def test_each_study_brings_its_trials_with_their_ranks_and_its_similarity(tmp_path: Path) -> None:
    past(tmp_path)
    past(tmp_path, "b", ten("AdamW")[:4])

    one, two = warm_start.evidence(gathered(tmp_path, "runs/a", "runs/b"))

    assert (one.name, one.similarity, len(one.trials)) == ("a", 1.0, 10)
    assert (two.name, len(two.trials)) == ("b", 4)
    best = max(one.trials, key=lambda trial: trial.score)
    assert best.params == {"lr0": 0.03, "optimizer": "SGD"}
    assert best.score == pytest.approx(1.645, abs=1e-3)
    assert sum(trial.score for trial in one.trials) == pytest.approx(0)


def test_every_param_of_the_evidence_lies_in_the_new_space(tmp_path: Path) -> None:
    past(tmp_path)
    narrow = {"lr0": {"low": 0.005, "high": 0.05, "default": 0.01, "log": True}}
    (found,) = gathered(tmp_path, "runs/a", space=narrow, train={"optimizer": "SGD"})
    space = spec_of(space=narrow).search_space
    assert [trial.params["lr0"] for trial in found.trials] == [0.01, 0.02, 0.005, 0.005, 0.006, 0.03]
    assert all(space.contains(trial.params) for trial in found.trials)
    assert found.summary() == (
        "warm start from runs/a (study a): 6 of 10 trials, similarity of data 1.00; outside this space: lr0 4"
    )


def test_ranks_are_those_of_the_whole_earlier_study(tmp_path: Path) -> None:
    past(tmp_path)
    whole = [trial.score for trial in gathered(tmp_path, "runs/a")[0].trials]
    narrow = {"lr0": {"low": 0.005, "high": 0.05, "default": 0.01, "log": True}}
    (part,) = gathered(tmp_path, "runs/a", space=narrow, train={"optimizer": "SGD"})
    assert [trial.score for trial in part.trials] == [whole[number] for number in (0, 3, 4, 5, 6, 7)]


def test_unknown_data_are_said_to_be_unknown_and_taken_for_unlike(tmp_path: Path) -> None:
    (past(tmp_path) / "dataset.json").unlink()
    (found,) = gathered(tmp_path, "runs/a")
    assert "similarity of data unknown" in found.summary()
    assert found.evidence().similarity == 0.3


def test_a_registry_brings_what_its_champions_study_found(tmp_path: Path) -> None:
    folder = past(tmp_path)
    promoted(tmp_path, folder, spec_of(name="a"))
    assert len(gathered(tmp_path, "models/boards")[0].trials) == 10
    shutil.rmtree(folder)
    (found,) = gathered(tmp_path, "models/boards")
    assert [trial.score for trial in found.trials] == [pytest.approx(0.674, abs=1e-3), pytest.approx(-0.674, abs=1e-3)]
    assert "its study a no longer exists" in found.summary()


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    past(tmp_path, "empty", [])
    told = refused(tmp_path, "runs/none", "runs/empty").splitlines()
    assert [line.startswith("warm_start: ") for line in told] == [True, True]
    assert "runs/none: must be the folder of a past study" in told[0]
    assert "runs/empty: must contain a trial that ended" in told[1]


def test_a_study_is_not_its_own_teacher_and_none_teaches_twice(tmp_path: Path) -> None:
    promoted(tmp_path, past(tmp_path), spec_of(name="a"))
    past(tmp_path, "small")
    assert "must be another study, but is this study itself" in refused(tmp_path, "runs/small")
    assert "but is the same study as runs/a" in refused(tmp_path, "runs/a", "models/boards")


def test_a_study_without_a_parameter_in_common_teaches_nothing(tmp_path: Path) -> None:
    past(tmp_path)
    space = {"mixup": {"low": 0.0, "high": 1.0, "default": 0.0}}
    told = refused(tmp_path, "runs/a", space=space)
    assert (
        "must have searched a parameter that this study searches, ['mixup'], but searched ['lr0', 'optimizer']" in told
    )


def test_a_study_whose_trials_all_lie_outside_is_refused_with_the_reason(tmp_path: Path) -> None:
    past(tmp_path)
    space = {"lr0": {"low": 0.5, "high": 1.0, "default": 0.6}}
    assert "but has none; parameters outside: lr0 10" in refused(
        tmp_path, "runs/a", space=space, train={"optimizer": "SGD"}
    )


def test_what_was_brought_is_kept_as_it_was(tmp_path: Path) -> None:
    past(tmp_path)
    found = gathered(tmp_path, "runs/a")
    warm_start.keep(tmp_path, found)
    assert warm_start.kept(tmp_path, spec_of().search_space) == found
    warm_start.keep(tmp_path, ())
    assert not (tmp_path / WARM_START).exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.update(format=2),
        lambda content: content.pop("studies"),
        lambda content: content["studies"][0].update(similarity=2),
        lambda content: content["studies"][0].update(similarity="much"),
        lambda content: content["studies"][0].pop("name"),
        lambda content: content["studies"][0].update(more=1),
        lambda content: content["studies"][0]["trials"][0].update(score="x"),
        lambda content: content["studies"][0]["trials"][0].update(params={"lr0": 9.0, "optimizer": "SGD"}),
        lambda content: content["studies"][0]["trials"][0].update(params=3),
    ],
)
def test_a_kept_file_that_was_changed_is_refused(tmp_path: Path, change: Callable[[Any], object]) -> None:
    past(tmp_path)
    warm_start.keep(tmp_path, gathered(tmp_path, "runs/a"))
    content = json.loads((tmp_path / WARM_START).read_text())
    del content["crc32"]  # as earlier versions wrote it: the content itself is checked
    change(content)
    (tmp_path / WARM_START).write_text(json.dumps(content))
    with pytest.raises(StudyError, match=r"warm_start\.json: must be unchanged since the study began"):
        warm_start.kept(tmp_path, spec_of().search_space)


def begun(storage: Path, data: Path, **changes: Any) -> session.Session:
    spec = spec_of(data=str(data), warm_start=["runs/a"], **changes)
    with opened(spec, Place(storage), console=Console(quiet=True)) as found:
        return found


@pytest.mark.slow
def test_a_study_learns_at_its_first_start_and_never_reads_the_earlier_one_again(tmp_path: Path) -> None:
    data = sample.draw(tmp_path / "data", splits=DATA)
    folder = past(tmp_path)
    first = begun(tmp_path, data)
    assert len(first.earlier[0].trials) == 10
    assert "warm start from runs/a (study a): 10 of 10 trials" in (first.folder / "study.log").read_text()

    shutil.rmtree(folder)

    assert begun(tmp_path, data).earlier == first.earlier
    (first.folder / WARM_START).unlink()
    with pytest.raises(StudyError, match=r"must be unchanged since the study began, but it is missing"):
        begun(tmp_path, data)


def test_a_study_that_has_not_begun_reads_the_earlier_one_anew(tmp_path: Path) -> None:
    data = sample.draw(tmp_path / "data", splits=DATA)
    past(tmp_path, trials=ten()[:4])
    first = begun(tmp_path, data)
    (first.folder / "journal.log").unlink()
    shutil.rmtree(tmp_path / "runs" / "a")
    past(tmp_path)
    assert len(begun(tmp_path, data).earlier[0].trials) == 10


def test_a_mistake_in_warm_start_is_found_before_the_study_begins(tmp_path: Path) -> None:
    data = sample.draw(tmp_path / "data", splits=DATA)
    with pytest.raises(StudyError, match=r"warm_start: .*runs/a: must be the folder of a past study"):
        begun(tmp_path, data)
    assert not (tmp_path / "runs" / "small" / "journal.log").exists()


def test_a_study_leaves_a_note_of_its_data_by_which_later_ones_find_it(tmp_path: Path) -> None:
    data = sample.draw(tmp_path / "data", splits=DATA)
    with opened(spec_of(name="a", data=str(data)), Place(tmp_path), console=Console(quiet=True)) as before:
        assert not (before.folder / WARM_START).exists()
        assert before.earlier == ()
        number = before.journal.suggested({"lr0": 0.01, "optimizer": "SGD"}, spec_of().search_space, seed=0, origin="x")
        trial = completed(number, [0.1] * 6)
        for measurement in trial.measurements:
            before.journal.measured(number, measurement)
        assert trial.ending
        before.journal.ended(number, trial.ending)
    assert begun(tmp_path, data).earlier[0].similarity == 1.0


def test_paths_are_looked_for_beside_the_spec_then_here_then_in_the_storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here" / "runs" / "b").mkdir(parents=True)
    beside = tmp_path / "beside" / "runs" / "a"
    beside.mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    text = "name: x\nmodel: tiny.yaml\nbudget: {trials: 1}\nladder: {min_epochs: 1, max_epochs: 2}\n"
    text += "space: {batch: {choices: [8, 16], default: 8}}\nwarm_start: [runs/a, runs/b, runs/c]\n"
    spec = load(written(tmp_path / "beside", "spec.yaml", text), rules=FakeRules())
    assert spec.warm_start == [str(beside), str(tmp_path / "here" / "runs" / "b"), "runs/c"]
    assert inputs.named_from(tmp_path / "here", spec).warm_start == [str(beside), "runs/b", "runs/c"]


def test_the_same_study_twice_is_a_mistake_of_the_description(tmp_path: Path) -> None:
    text = "name: x\nmodel: tiny.yaml\nbudget: {trials: 1}\nladder: {min_epochs: 1, max_epochs: 2}\n"
    text += "space: {batch: {choices: [8, 16], default: 8}}\nwarm_start: [runs/a, runs/a]\n"
    with pytest.raises(AutomlError, match=r"warm_start: must name each study once, but names \['runs/a'\] again"):
        load(written(tmp_path, "spec.yaml", text), rules=FakeRules())


def rows(storage: Path, **data: Any) -> list[list[str]]:
    return [list(row) for row in study_list.listing(storage, **data)[0].rows]


def test_past_studies_are_listed_by_similarity_the_unknown_last(tmp_path: Path) -> None:
    (past(tmp_path, "a") / "dataset.json").unlink()
    far = past(tmp_path, "far", data="/data/cells/data.yaml")
    (far / "dataset.json").write_text(json.dumps(BOLTS.to_dict() | {"fingerprint": "o", "images": 9000}))
    past(tmp_path, "same", ten()[:1])

    assert [row[0] for row in rows(tmp_path)] == ["a", "far", "same"]
    assert [[name, *rest[2:8], rest[-1]] for name, *rest in rows(tmp_path, data=BOLTS)] == [
        ["same", "sample", "240", "3", "1/4", "map50_95", "0.5000", "1.00"],
        ["far", "cells", "9000", "3", "10/4", "map50_95", "0.7000", "0.51"],
        ["a", "sample", "unknown", "unknown", "10/4", "map50_95", "0.7000", "unknown"],
    ]


def test_a_study_that_cannot_be_read_does_not_hide_the_others(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        past(tmp_path, name)
    (tmp_path / "runs" / "b" / "study.yaml").write_text("name: [")
    (tmp_path / "runs" / "c" / "journal.log").unlink()
    (tmp_path / "runs" / "no study").mkdir()
    (tmp_path / "runs" / "loop").symlink_to("loop")
    view, problems = study_list.listing(tmp_path)
    assert [row[0] for row in view.rows] == ["a"]
    assert ["study.yaml: must be YAML" in problems[0], "has no journal.log" in problems[1]] == [True, True]
    assert rows(tmp_path / "nowhere") == []


def test_a_study_of_another_user_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    past(tmp_path, "a")
    refuse(monkeypatch, past(tmp_path, "b"))
    view, problems = study_list.listing(tmp_path)
    assert [row[0] for row in view.rows] == ["a"]
    assert problems == [f"cannot be listed: {tmp_path / 'runs/b'}: Permission denied"]
    with pytest.raises(StudyError, match="but there are a; pass --storage or the folder"):
        study_folder(Path("c"), tmp_path)


def test_a_trial_more_never_makes_a_study_unreadable(tmp_path: Path) -> None:
    trials: list[Trial] = []
    for count, trial in enumerate(ten(), start=1):
        trials.append(trial)
        found = gathered(tmp_path, str(past(tmp_path / str(count), trials=trials)))
        assert len(found[0].trials) == count
