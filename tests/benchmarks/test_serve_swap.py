"""The swap benchmark in a short form: no request is lost or mixed up while the champion changes."""

import argparse
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import serve_swap


@pytest.mark.parametrize(("swaps", "refused"), [(20, 6), (4, 2), (3, 0), (1, 1)])
def test_good_versions_take_turns_with_broken_ones_between_them(swaps: int, refused: int) -> None:
    plan = serve_swap.moves(swaps, refused)
    good = [version for version in plan if version in serve_swap.GOOD]
    assert good == [(2, 1)[at % 2] for at in range(swaps)]
    assert len(plan) - len(good) == refused
    counts = Counter(version for version in plan if version in serve_swap.BROKEN)
    assert not counts or max(counts.values()) - min(counts.values()) <= 1


@pytest.mark.yolo
def test_no_request_is_lost_while_the_champion_changes(tmp_path: Path) -> None:
    asked = argparse.Namespace(requests=300, swaps=3, refused=3, clients=3, size=64)
    found = serve_swap.measured(tmp_path, asked)
    assert (found["requests"], found["failed"], found["wrong"]) == (300, 0, {})
    assert (found["swaps"], found["refused"], found["wrong_moves"]) == (3, 3, 0)
