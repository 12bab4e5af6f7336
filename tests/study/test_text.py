"""Params, times and trials are put into the same words everywhere."""

import os
import subprocess
from pathlib import Path

import pytest

from automl.study import Params, ParamValue
from automl.study.text import duration, label, one_line, shell_line, short, shown, trial_name
from tests.builders import trial_of


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0123456, "0.01235"), (1e-9, "1e-09"), (3, "3"), (True, "True"), ("SGD", "SGD"), ("", ""),
        ("/w/yolo11n.pt", "yolo11n.pt"), ("w/yolo11n.pt", "yolo11n.pt"), (123456.0, "1.235e+05"),
    ],
)  # fmt: skip
def test_a_value_is_short(value: ParamValue, text: str) -> None:
    assert short(value) == text


@pytest.mark.parametrize("value", [0.1, 3, True, "SGD"])
def test_a_label_keeps_the_kind_of_a_value(value: ParamValue) -> None:
    assert label(value) is value


def test_params_stand_in_one_line_in_their_order() -> None:
    assert shown({"b": 1, "a": 0.5, "model": "/x/y.pt"}) == "b=1 a=0.5 model=y.pt"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"), (59.4, "59s"), (59.6, "1m00s"), (61, "1m01s"), (3599.4, "59m59s"), (3599.6, "1h00m"),
        (7260, "2h01m"), (360_000, "100h00m"),
    ],
)  # fmt: skip
def test_a_duration_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "params", "name"),
    [
        (7, {"optimizer": "AdamW", "lr0": 0.003}, "0007_yolo11n_adamw_lr3e-3"),
        (0, {}, "0000_yolo11n"),
        (12345, {"lr0": 0.1}, "12345_yolo11n_lr1e-1"),
        (1, {"lr0": 1.0}, "0001_yolo11n_lr1e0"),
        (1, {"lr0": 2e-12}, "0001_yolo11n_lr2e-12"),
        (1, {"lr0": 1}, "0001_yolo11n_lr1e0"),
        (1, {"model": "/w/big.yaml", "imgsz": 64}, "0001_big"),
    ],
)
def test_a_trial_s_folder_tells_what_was_tried(number: int, params: Params, name: str) -> None:
    assert trial_name(trial_of(number, params=params), "yolo11n.pt") == name


@pytest.mark.parametrize(
    "text", ["\x1b]52;c;eA==\x07", "a\nb", "\r", "\x9b31m", "\u2028", "\u202egpj.exe", "\x7f", "\udcfc"]
)
def test_a_name_cannot_move_the_cursor_forge_a_line_or_show_another_name(text: str) -> None:
    found = one_line(text)
    assert found.isprintable()
    assert "\\" in found


@pytest.mark.parametrize("text", ["Schraube größe", "缺陷", "hole 😀", "שלום", ""])
def test_a_name_in_any_script_stays_as_it_is(text: str) -> None:
    assert one_line(text) == text


@pytest.mark.parametrize(
    "word",
    ["a b", "it's", '"', "$(touch x)", "#", "a\nb", "\x1b[31m", "\\", "\\n\t'", "~", "*", "", "größe", "b\udcfcro"],
)
def test_a_line_to_type_gives_the_word_that_was_meant(word: str, tmp_path: Path) -> None:
    line = shell_line("printf", "%s", word)
    assert line.isprintable()
    given = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, check=True).stdout
    assert given == os.fsencode(word)
    assert list(tmp_path.iterdir()) == []
