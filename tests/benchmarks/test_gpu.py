"""The checks of `make gpu`, with stand-in commands: each within its limit, and figures kept whatever fails."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks import gpu
from benchmarks.gpu import Part

PYTHON = sys.executable


@pytest.mark.slow
def test_each_part_runs_within_its_limit_and_its_figures_are_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = [
        Part("figures", [PYTHON, "-c", "print('text'); print('{\"images\": 3}')"], 1),
        Part("said", [PYTHON, "-c", "print('2 passed')"], 1),
        Part("fails", [PYTHON, "-c", "import sys; sys.exit('no such weights')"], 1),
        Part("slow", [PYTHON, "-c", "import time; time.sleep(60)"], 0.01),
        Part("late", [PYTHON, "-c", "pass"], 0.0),
    ]
    found = gpu.played(iter(parts), tmp_path / "figures.jsonl")
    assert [(one["part"], one["ok"]) for one in found] == [
        ("figures", True), ("said", True), ("fails", False), ("slow", False), ("late", False),
    ]  # fmt: skip
    assert found[0]["figures"] == {"images": 3}
    assert found[1]["said"] == "2 passed"
    assert [one["problem"] for one in found[2:]] == ["no such weights", "took over 1 s", "no time was left"]
    kept = [json.loads(line) for line in (tmp_path / "figures.jsonl").read_text().splitlines()]
    assert [one["part"] for one in kept] == [part.name for part in parts]
    assert all(one["at"] and one["code"] for one in kept)
    assert capsys.readouterr().out.count("\n") == len(parts)


def test_all_parts_fit_into_the_time_of_the_whole(tmp_path: Path) -> None:
    wanted = [*gpu.parts(tmp_path, [tmp_path], tmp_path / "w.pt")]
    assert sum(part.minutes for part in wanted) <= gpu.MINUTES
    for part in wanted:
        scripts = [word for word in part.command if word.endswith(".py")]
        assert all((gpu.ROOT / script).is_file() for script in scripts)
