"""Hover effects of the report: classes, tooltips and rules of trials, without a script."""

import re
from pathlib import Path

from automl.tracking.report import hover
from automl.tracking.report.language import MISSING, Language, Words
from tests.builders import METRIC, completed, trial_of
from tests.tracking.report.test_page import page_of

NAMES = {"metric": METRIC, "objective": "map50_95"}
TRIALS = [completed(n, [0.1 * n] * 6, params={"lr0": 0.002 * (n + 1), "optimizer": "SGD"}) for n in range(4)]


def test_each_drawn_trial_has_a_rule_a_row_and_a_tooltip_in_every_picture(tmp_path: Path) -> None:
    text, _ = page_of(tmp_path, TRIALS)
    drawn = re.findall(r'class="trial t(\d+)"><title>([^<]*)</title>', text)
    assert {number for number, _ in drawn} == {"0", "1", "2", "3"}
    assert {title for number, title in drawn if number == "2"} == {
        "trial 2, epoch 6, map50_95 0.2000\nlr0 0.006\noptimizer SGD"
    }
    for number in range(4):
        assert f"body:has(.t{number}:hover)" in text
        assert f'<tr class="run t{number}">' in text
    assert 'id="trial-' not in text


def test_a_page_without_a_picture_of_a_trial_has_no_rule(tmp_path: Path) -> None:
    text, words = page_of(tmp_path, [])
    assert "body:has" not in text
    assert "stands out" not in words


def test_names_in_a_tooltip_are_escaped_and_a_trial_without_a_value_has_one() -> None:
    (text,) = hover.titles([trial_of(7, params={"<b>": "a&b"})], ["<b>", "lr0"], Words(Language.EN), **NAMES).values()
    assert text == f"trial 7, epoch 0, map50_95 {MISSING}\n<b> a&b"
    assert hover.titled('<g id="aim-7">', {7: text}).endswith("&lt;b&gt; a&amp;b</title>")
