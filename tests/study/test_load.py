"""The way of a description: from YAML to `StudySpec`, to the study's folder and back."""

from pathlib import Path
from typing import Any

import pytest

from automl.study import Gates, yaml_io
from automl.study import load as study_load
from automl.study import spec as study_spec
from automl.study.errors import SpecError
from automl.study.model_files import renamed
from automl.study.space import Alternatives, Choice, Integer, Real
from tests.builders import RATES, FakeRules, spec_of, written

TEXT = """
name: small
model: tiny.yaml
budget: {trials: 4}
ladder: {min_epochs: 2, max_epochs: 6}
space:
  lr0: {low: 1e-4, high: 0.1, log: true, default: 0.01}
  optimizer: {choices: [SGD, AdamW], default: SGD}
"""


NEWER = "a newer automl wrote it; update this one, or use the newer one"


def unsealed(spec: study_spec.StudySpec) -> str:
    """Return a description as a person edits it, or as a study of before the checksums has it."""
    return study_load.dump(spec).partition("\n")[2]


def load(folder: Path, text: str = TEXT, **overrides: Any) -> study_spec.StudySpec:
    return study_load.load(written(folder, "spec.yaml", text), rules=FakeRules(), overrides=overrides)


def test_a_number_such_as_1e_4_is_a_number(tmp_path: Path) -> None:
    lr0 = load(tmp_path).search_space.parameters["lr0"]
    assert lr0 == Real(1e-4, 0.1, 0.01, log=True)


def test_what_is_not_given_gets_its_default(tmp_path: Path) -> None:
    found = load(tmp_path)
    assert (found.data, found.seed, found.confirm.split, found.resources.gpus) == ("sample", 0, "test", "auto")
    assert found.laws == Gates()


def test_a_promoted_model_goes_under_the_study_s_name_unless_another_is_given() -> None:
    assert spec_of().champion_name == "small"
    assert spec_of(champion="boards").champion_name == "boards"


def test_an_override_wins_over_the_file_at_any_depth(tmp_path: Path) -> None:
    path = written(tmp_path, "spec.yaml", TEXT)
    changes = {"budget.trials": 9, "gates.min_gain": 0.5, "train.imgsz": 320, "space.lr0.high": 0.2}
    found = study_load.load(path, rules=FakeRules(), overrides=changes)
    assert (found.budget.trials, found.gates.min_gain, found.train) == (9, 0.5, {"imgsz": 320})
    assert found.search_space.parameters["lr0"].high == 0.2  # type: ignore[union-attr]


def test_an_override_below_a_value_names_what_stands_there(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"spec.yaml: budget.trials.x: cannot be set, since trials is 4"):
        study_load.load(written(tmp_path, "spec.yaml", TEXT), rules=FakeRules(), overrides={"budget.trials.x": 1})


@pytest.mark.parametrize("place", ["specs", "."], ids=["beside the spec", "in the working folder"])
def test_a_relative_path_is_found_beside_the_spec_then_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    weights = written(tmp_path / place, "w.pt", "")
    choices = "{choices: [w.pt, tiny.yaml], default: w.pt}"
    text = TEXT.replace("model: tiny.yaml", "model: w.pt") + "data: w.pt\n"
    found = load(tmp_path / "specs", text.replace("space:", f"space:\n  model: {choices}"))
    assert found.model == found.data == str(weights.resolve())
    model = found.search_space.parameters["model"]
    assert model == Choice((str(weights.resolve()), "tiny.yaml"), str(weights.resolve()))


def test_a_whole_number_parameter_holds_whole_numbers() -> None:
    found = spec_of(space={"batch": {"low": 4, "high": 16, "default": 8, "type": "int", "log": True}})
    assert found.search_space.parameters["batch"] == Integer(4, 16, 8, log=True)


def test_a_list_is_a_parameter_with_several_ranges() -> None:
    sgd, adamw = {"optimizer": ("SGD",)}, {"optimizer": ("AdamW",)}
    assert spec_of(space=RATES).search_space.parameters["lr0"] == Alternatives(
        (Real(1e-3, 0.05, 0.01, log=True, when=sgd), Real(1e-4, 5e-3, 0.001, log=True, when=adamw))
    )
    sizes = [{"low": 1, "high": 4, "default": 2, "type": "int", "when": {"optimizer": ["SGD"]}}]
    found = spec_of(space={**RATES, "batch": sizes}).search_space.parameters["batch"]
    assert found == Alternatives((Integer(1, 4, 2, when=sgd),))


def test_models_are_named_anew_beside_a_list_of_ranges() -> None:
    found = spec_of(space={**RATES, "model": {"choices": ["a.pt", "b.pt"], "default": "a.pt"}})
    changed = renamed(found, lambda name: f"x/{name}")
    assert changed.search_space.parameters["model"] == Choice(("x/a.pt", "x/b.pt"), "x/a.pt")
    assert changed.space["lr0"] == found.space["lr0"]


def test_the_ladder_and_the_cost_follow_the_description() -> None:
    found = spec_of(budget={"trials": 9}, ladder={"min_epochs": 4, "max_epochs": 12}, confirm={"seeds": 2})
    assert found.ladder.rungs == (4,)
    assert (found.cost().most, found.cost().confirming, found.metric) == (108, 48, "val/map50_95")


@pytest.mark.parametrize(
    ("trials", "confirm", "retrainings"),
    [
        (4, {}, (6, 8)),
        (12, {}, (6, 20)),
        (60, {}, (6, 48)),
        (60, {"retrainings": 31}, (6, 31)),
        (60, {"retrainings": 5}, (4, 5)),
        (60, {"seeds": 7}, (14, 14)),
    ],
)
def test_confirming_costs_what_its_description_and_the_search_allow(
    trials: int, confirm: dict[str, int], retrainings: tuple[int, int]
) -> None:
    found = spec_of(budget={"trials": trials}, ladder={"min_epochs": 4, "max_epochs": 12}, confirm=confirm)
    assert found.retrainings == retrainings
    assert found.cost().confirming == retrainings[1] * 12


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"name": "1e5"},
        {"name": "0x1F"},
        {"name": "null"},
        {"name": "007"},
        {"model": "1_000.pt", "data": "2020-01-01"},
        {"train": {"cache": "1e5", "freeze": [0, "1.5", None, True], "imgsz": 64}},
        {"train": {"cache": "schön: #1 \n 'x' \"y\""}},
        {"budget": {"trials": 1, "hours": 1e-5, "gpu_hours": 1e5}},
        {"space": {"lr0": {"choices": [1, 2.5, "a", False], "default": False}}},
        {"space": RATES},
    ],
)
def test_a_description_read_back_from_its_study_is_the_same(tmp_path: Path, changes: dict[str, Any]) -> None:
    one = spec_of(**changes)
    other = study_load.stored(written(tmp_path, "study.yaml", study_load.dump(one)))
    assert other == one
    assert study_load.differences(one, other) == []


def test_two_descriptions_differ_by_the_keys_that_differ() -> None:
    other = spec_of(seed=1, train={"imgsz": 64}, space={"lr0": {"low": 0.001, "high": 0.2, "default": 0.01}})
    told = study_load.differences(spec_of(), other)
    assert "seed: 1 there, 0 here" in told
    assert "train.imgsz: 64 there, 'nothing' here" in told
    assert "space.lr0.high: 0.2 there, 0.1 here" in told
    assert not any(line.startswith(("name", "model", "budget")) for line in told)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ("format: 2", f"format: must be 1 to 1, but got 2: {NEWER}"),
        ("format: 99\nkeys: [we, know, nothing, of]", f"format: must be 1 to 1, but got 99: {NEWER}"),
        ("format: 0", "format: must be 1 to 1, but got 0"),
        ("format: true", "format: must be 1 to 1, but got True"),
        ("format: one", "format: must be 1 to 1, but got 'one'"),
        ("format: 1\nnew_key: 3", "new_key: is not a known key"),
    ],
)
def test_a_study_s_description_that_cannot_be_understood_is_refused(tmp_path: Path, found: str, told: str) -> None:
    path = written(tmp_path, "study.yaml", unsealed(spec_of()).replace("format: 1", found))
    with pytest.raises(SpecError, match=r"study.yaml: ") as caught:
        study_load.stored(path)
    assert caught.value.mistakes == (f"{path}: {told}",)


def test_a_study_s_description_that_was_made_senseless_by_hand_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "study.yaml", unsealed(spec_of()).replace("high: 0.1", "high: 0.0001"))
    with pytest.raises(SpecError, match=r"space.lr0: low < high must hold, but got low=0.001, high=0.0001"):
        study_load.stored(path)


@pytest.mark.parametrize(("text", "value"), [("6", 6), ("1e-4", 1e-4), ("[a, 1]", ["a", 1]), ("yes", True), ("", None)])
def test_a_value_on_the_command_line_reads_as_in_the_file(text: str, value: object) -> None:
    assert yaml_io.read_value(text) == value


def test_a_description_of_before_the_format_had_a_number_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, "study.yaml", unsealed(spec_of()).replace("format: 1\n", ""))
    assert study_load.stored(path) == spec_of()


def test_a_user_s_description_may_name_the_present_format_and_no_other(tmp_path: Path) -> None:
    assert load(tmp_path, TEXT + "format: 1\n") == load(tmp_path)
    with pytest.raises(SpecError, match=rf"spec.yaml: format: must be 1 to 1, but got 2: {NEWER}"):
        load(tmp_path, TEXT + "format: 2\n")


@pytest.mark.parametrize("position", range(0, 700, 9))
def test_a_byte_that_was_damaged_in_a_study_s_description_is_one_message(tmp_path: Path, position: int) -> None:
    content = bytearray(study_load.dump(spec_of()).encode())
    content[position] ^= 5
    path = tmp_path / "study.yaml"
    path.write_bytes(content)
    if 0 < position < len("# crc32 "):  # the mark of the checksum itself: what stands below it is as it was
        assert study_load.stored(path) == spec_of()
        return
    with pytest.raises(SpecError, match=r"study.yaml") as caught:
        study_load.stored(path)
    assert len(caught.value.mistakes) == 1


def test_a_study_s_description_with_a_broken_checksum_says_what_to_do(tmp_path: Path) -> None:
    path = written(tmp_path, "study.yaml", study_load.dump(spec_of()).replace("trials: 4", "trials: 5"))
    with pytest.raises(SpecError, match=r"study.yaml:1: the checksum must match.*restore it from a copy.*on purpose"):
        study_load.stored(path)


SECRET = "postgresql://user:hunter2@host/db"


@pytest.mark.parametrize(
    "text",
    [
        TEXT + f"data: {SECRET}\n",
        TEXT + f"storage: {SECRET}\n",
        TEXT + f"train: {{project: '{SECRET}'}}\n",
        TEXT + f"? [{SECRET}]\n: 1\n",
        f"name: [unclosed {SECRET}",
        f"# {SECRET}\n{TEXT}",
    ],
)
def test_an_address_with_a_password_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    with pytest.raises(SpecError, match=r"spec.yaml:\d+: must not contain a URL with a password") as caught:
        load(tmp_path, text)
    assert "hunter2" not in str(caught.value)


def test_an_address_with_a_password_in_an_override_is_refused_and_not_repeated(tmp_path: Path) -> None:
    for call in (
        lambda: load(tmp_path, data=SECRET),
        lambda: yaml_io.read_value(SECRET),
        lambda: load(tmp_path, **{SECRET: "1"}),
    ):
        with pytest.raises(SpecError, match="must not contain a URL with a password") as caught:
            call()
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("address", ["s3://bucket/a@b", "http://host:8080/x", "user:pass@host", "http://user@host/"])
def test_an_address_without_a_password_is_none_of_that(tmp_path: Path, address: str) -> None:
    assert load(tmp_path, data=address).data == address


def test_a_value_on_the_command_line_that_is_no_yaml_is_named() -> None:
    with pytest.raises(SpecError, match=r"--set: must be a YAML value, but got '\[1'"):
        yaml_io.read_value("[1")


def test_a_merged_mapping_gives_way_to_its_own_keys(tmp_path: Path) -> None:
    path = written(tmp_path, "a.yaml", "base: &b {x: 1, y: 2}\nown: {<<: *b, y: 3}\n")
    assert yaml_io.read_yaml(path)["own"] == {"x": 1, "y": 3}


@pytest.mark.parametrize(
    ("overrides", "fixed", "searched"),
    [
        ({"train.mosaic": 0.5}, {"mosaic": 0.5}, set()),
        ({"space.mosaic": {"low": 0.0, "high": 0.5, "default": 0.1}}, {}, {"mosaic"}),
    ],
)
def test_an_override_wins_over_the_file_whichever_section_has_the_setting(
    tmp_path: Path, overrides: dict[str, Any], fixed: dict[str, Any], searched: set[str]
) -> None:
    text = "name: a\nmodel: tiny.yaml\nbudget: {trials: 1}\nladder: {min_epochs: 20, max_epochs: 20}\n"
    space = "space: {momentum: {low: 0.5, high: 0.9, default: 0.9}%s}\ntrain: {optimizer: SGD%s}\n"
    parts = ("", ", mosaic: 0.9") if searched else (", mosaic: {low: 0.1, high: 1.0, default: 1.0}", "")
    path = written(tmp_path, "spec.yaml", text + space % parts)
    found = study_load.load(path, rules=FakeRules(), overrides=overrides)
    assert {name: value for name, value in found.train.items() if name != "optimizer"} == fixed
    assert found.space.keys() - {"momentum"} == searched


def test_two_overrides_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    both = {"train.lr0": 0.01, "space.lr0": {"low": 0.001, "high": 0.1, "default": 0.01}}
    with pytest.raises(SpecError, match=r"train\.lr0: must not be fixed and searched at once"):
        study_load.load(written(tmp_path, "spec.yaml", TEXT), rules=FakeRules(), overrides=both)
