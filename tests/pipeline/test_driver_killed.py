"""A driver killed while it works and writes, again and again: its journal then holds what it would have held."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from automl.storage.journal import Journal
from automl.study import Trial
from tests.builders import METRIC, spec_of
from tests.processes import ended
from tests.simulated_study import Clock, open_search, saturating, simulate

SPEC = spec_of(budget={"trials": 14}, ladder={"min_epochs": 3, "max_epochs": 9})
KILLS = 12
DRIVER = """
import sys
from pathlib import Path
from tests.pipeline.test_driver_killed import live
print("begins", flush=True)
live(Path(sys.argv[1]))
"""


def live(folder: Path) -> None:
    """Search from where the folder stands to the end."""
    clock = Clock()
    source = open_search(folder, SPEC, clock=clock)
    simulate(source, saturating, clock=clock)
    source.finish()
    source.close()


def known(folder: Path) -> list[tuple[object, ...]]:
    return [facts(trial) for trial in Journal.read(folder, metric=METRIC).trials()]


def facts(trial: Trial) -> tuple[object, ...]:
    return trial.number, json.dumps(dict(trial.params)), trial.seed, trial.measurements, trial.ending


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_a_driver_killed_at_any_moment_loses_nothing_and_goes_on_as_if_it_had_lived(tmp_path: Path, seed: int) -> None:
    live(tmp_path / "whole")
    chance, killed = random.Random(seed), 0
    while True:
        command = [sys.executable, "-c", DRIVER, str(tmp_path / "killed")]
        with ended(subprocess.Popen(command, stdout=subprocess.PIPE, text=True)) as driver:
            assert driver.stdout
            assert driver.stdout.readline() == "begins\n"
            try:
                driver.wait(timeout=chance.uniform(0.0, 0.4) if killed < KILLS else 120)
                break
            except subprocess.TimeoutExpired:
                driver.kill()
                killed += 1

    assert driver.returncode == 0
    assert killed >= 2
    ours, theirs = known(tmp_path / "killed"), known(tmp_path / "whole")
    assert len(ours) == len(theirs)
    for trial, other in zip(ours, theirs, strict=True):
        for fact, wanted in zip(trial, other, strict=True):
            assert fact == wanted, f"trial {trial[0]}"
