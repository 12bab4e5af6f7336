"""A driver killed while it works and writes, again and again: its journal then holds what it would have held."""

import json
import random
import shutil
import signal
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from automl.storage.journal import Journal
from automl.study import Trial
from tests.builders import METRIC, spec_of
from tests.prepared import started
from tests.simulated_study import Clock, open_search, saturating, simulate

SPEC = spec_of(budget={"trials": 14}, ladder={"min_epochs": 3, "max_epochs": 9})
KILLS = 12


def live(folder: Path) -> None:
    """Search from where the folder stands to the end."""
    clock = Clock()
    source = open_search(folder, SPEC, clock=clock)
    simulate(source, saturating, clock=clock)
    source.finish()
    source.close()


def drive(folder: Path, begins: Connection) -> None:
    """Be a driver: say that the work begins, then do it."""
    begins.send(True)
    live(folder)


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
        driver = started(drive, tmp_path / "killed")
        driver.join(chance.uniform(0.0, 0.4) if killed < KILLS else 120)
        driver.kill()
        driver.join()
        if driver.exitcode == -signal.SIGKILL:
            killed += 1
        elif driver.exitcode or killed >= 2:
            break
        else:  # it was done before this process got to kill it
            shutil.rmtree(tmp_path / "killed")
            killed = 0

    assert driver.exitcode == 0
    ours, theirs = known(tmp_path / "killed"), known(tmp_path / "whole")
    assert len(ours) == len(theirs)
    for trial, other in zip(ours, theirs, strict=True):
        for fact, wanted in zip(trial, other, strict=True):
            assert fact == wanted, f"trial {trial[0]}"
