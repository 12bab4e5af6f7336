"""A flipped bit anywhere in a registry is found by `verify` and never ends in a traceback."""

from pathlib import Path

import pytest

from benchmarks.attacks import registry_flips


@pytest.mark.slow
def test_a_flipped_bit_is_found_and_is_no_traceback(tmp_path: Path) -> None:
    assert registry_flips.run(tmp_path, tried=120, seed=7) == {"tried": 120, "held": 120, "tracebacks": 0}
