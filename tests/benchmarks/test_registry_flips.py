"""A flipped bit anywhere in a registry is found by `verify` and never ends in a traceback."""

from pathlib import Path

import pytest

from benchmarks import registry_flips as counted
from benchmarks.attacks import registry_flips


@pytest.mark.slow
def test_a_flipped_bit_is_found_and_is_no_traceback(tmp_path: Path) -> None:
    assert registry_flips.run(tmp_path, tried=120, seed=7) == {"tried": 120, "held": 120, "tracebacks": 0}


def test_the_last_line_counts_flips_and_those_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["registry_flips.py", "--flips", "4"])
    assert counted.main() == 0
    assert capsys.readouterr().out.splitlines()[-1] == '{"flips": 4, "found": 4}'
    monkeypatch.setattr(registry_flips, "run", lambda *_, tried, seed: {"tried": tried, "held": seed, "tracebacks": 0})
    assert counted.main() == 1
