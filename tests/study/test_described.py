"""Random descriptions: each is read and kept as it was, or refused in words."""

from pathlib import Path

import pytest

from benchmarks.attacks import descriptions
from benchmarks.attacks.described import case_of
from tests.builders import FakeRules

QUICK = 25


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_nothing_but_words_comes_out_of_a_description(tmp_path: Path, seed: int) -> None:
    cases = [case for number in range(2 * QUICK) if not (case := case_of(number, seed)).kind.startswith("large")][
        :QUICK
    ]
    problems = []
    for number, case in enumerate(cases):
        (place := tmp_path / str(number)).mkdir()
        problems.append(descriptions.problem_of(case.make(place), case.overrides, FakeRules()))
    assert [problem for problem in problems if problem] == []


@pytest.mark.slow
def test_the_script_counts_what_held(tmp_path: Path) -> None:
    assert descriptions.run(tmp_path, tried=60, seed=7) == {"tried": 60, "held": 60}
