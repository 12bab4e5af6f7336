"""Files that a description names besides its data."""

from pathlib import Path

import pytest

from automl.study import load as study_load
from automl.study.errors import SpecError
from automl.study.model_files import renamed, source_of
from automl.study.spec import StudySpec
from tests.builders import FakeRules, spec_of, written

TEXT = """
name: small
model: tiny.yaml
budget: {trials: 4}
ladder: {min_epochs: 2, max_epochs: 6}
space: {lr0: {low: 0.001, high: 0.1, default: 0.01}}
train: {optimizer: SGD}
"""


class Rules(FakeRules):
    """The fake rules, knowing the settings that name weights."""

    def settings(self) -> dict[str, object]:
        return {**super().settings(), "pretrained": True, "distill_model": None}

    def setting_mistake(self, name: str, value: object) -> str:
        return "" if name in {"pretrained", "distill_model"} else super().setting_mistake(name, value)


def load(folder: Path, **overrides: object) -> StudySpec:
    return study_load.load(written(folder, "spec.yaml", TEXT), rules=Rules(), overrides=overrides)


def test_a_scale_letter_in_a_name_stands_for_a_file_without_it(tmp_path: Path) -> None:
    plain = tmp_path / "yolo11-mine.yaml"
    plain.write_text("")
    assert source_of(str(plain)) == plain
    assert source_of(str(tmp_path / "yolo11s-mine.yaml")) == plain
    assert source_of(str(tmp_path / "yolo12s-mine.yaml")) is None
    assert source_of(str(tmp_path / "yolo11s-mine.pt")) is None
    assert load(tmp_path, model="yolo11s-mine.yaml").model == str(tmp_path / "yolo11s-mine.yaml")


@pytest.mark.parametrize("name", ["x" * 300, "nul\0l.yaml"])
def test_a_name_that_no_file_can_have_stands_for_none(name: str) -> None:
    assert source_of(name) is None


@pytest.mark.parametrize("setting", ["pretrained", "distill_model"])
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("/nowhere/a.pt", "existing weights (.pt)"), ("yolo11n.yaml", "existing weights (.pt)"),
        ("evil.pt", "must contain layers and numbers only"),
    ],
)  # fmt: skip
def test_weights_that_a_setting_names_are_looked_at_like_the_model(
    tmp_path: Path, setting: str, value: str, said: str
) -> None:
    (tmp_path / "evil.pt").write_bytes(b"")
    with pytest.raises(SpecError, match=rf"train\.{setting}: .*") as found:
        load(tmp_path, **{f"train.{setting}": value})
    assert said in str(found.value)
    choices = {"choices": [value, "true"], "default": value}
    with pytest.raises(SpecError, match=rf"space\.{setting}: .*") as found:
        load(tmp_path, **{f"space.{setting}": choices})
    assert said in str(found.value)


@pytest.mark.parametrize("value", [True, False, None])
def test_a_value_that_names_no_file_holds(tmp_path: Path, value: object) -> None:
    assert load(tmp_path, **{"train.pretrained": value}).train["pretrained"] is value


def test_weights_of_settings_are_found_beside_the_description(tmp_path: Path) -> None:
    (tmp_path / "good.pt").write_bytes(b"")
    assert load(tmp_path, **{"train.pretrained": "good.pt"}).train["pretrained"] == str(tmp_path / "good.pt")


def test_every_name_of_a_file_is_renamed_and_nothing_else() -> None:
    choices = {"choices": ["b.pt", True], "default": True}
    spec = spec_of(train={"distill_model": "c.pt", "optimizer": "SGD"}, space={"pretrained": choices})
    found = renamed(spec, lambda name: f"x/{name}")
    assert found.model == "x/tiny.yaml"
    assert found.train == {"distill_model": "x/c.pt", "optimizer": "SGD"}
    assert found.space["pretrained"].choices == ["x/b.pt", True]  # type: ignore[union-attr]
