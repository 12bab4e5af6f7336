"""When no node is left that can run a trial: said at once, then each minute, and again when one is there."""

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from automl.cluster import capacity
from automl.cluster.capacity import AGAIN_SECONDS, Shape, Watch
from automl.cluster.exit import STOPPED
from automl.cluster.resources import Slots
from tests import growing_study, hosted_cluster, quick_study
from tests.guarded_worker import wait_until
from tests.processes import ended
from tests.simulated_study import Clock

WANTED = Slots(gpus=0.5, cpus=2, concurrent=1, most=9)
FITS: Shape = (4.0, 1.0)


def test_a_lost_cluster_is_told_once_a_minute_and_when_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="automl")
    clock, nodes = Clock(), list[list[Shape] | None]([[FITS]])
    watch = Watch(lambda: nodes[0], WANTED, clock)

    def told(shapes: list[Shape] | None, *, seconds: float = 10) -> list[str]:
        nodes[0], clock.now = shapes, clock.now + seconds
        caplog.clear()
        watch.look()
        return list(caplog.messages)

    assert told([FITS]) == []
    (first,) = told([(0.0, 0.0), (8.0, 0.0)])
    assert first.startswith(
        "cluster: no node can run a trial (2 CPU cores, 0.5 GPUs): 2 nodes are there, since 0s; wait"
    )
    assert [told([(0.0, 0.0)]) for _ in range(5)] == [[]] * 5
    assert told(None) == []
    (again,) = told([], seconds=AGAIN_SECONDS)
    assert "0 nodes are there, since 2m00s; waiting for one" in again
    assert told([FITS, (0.0, 0.0)]) == ["cluster: a node can run a trial again, after 2m10s"]
    assert told([FITS]) == []


def test_a_node_that_joins_gives_places_and_one_that_leaves_takes_them() -> None:
    nodes = list[list[Shape] | None]([[FITS]])
    watch = Watch(lambda: nodes[0], WANTED, Clock())
    seen = []
    for shapes in ([FITS], [FITS, FITS], None, [FITS], []):
        nodes[0] = shapes
        watch.look()
        seen.append(watch.places)
    assert seen == [2, 4, 4, 2, 1]  # one may wait for a node: it makes an autoscaler add one


def test_a_store_that_does_not_answer_says_nothing_of_nodes() -> None:
    assert capacity.shapes_at("127.0.0.1:9") is None


@pytest.mark.ray
def test_a_study_whose_nodes_are_lost_says_so_and_stops_in_an_orderly_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, environment = tmp_path / "study", hosted_cluster.environment(tmp_path)
    monkeypatch.setattr(os, "environ", environment)
    with hosted_cluster.host(tmp_path, health_check_period_ms="500", health_check_failure_threshold="2") as cluster:
        assert sorted(capacity.shapes_at(cluster.address) or []) == [(0.0, 0.0), (1.0, 0.0)]
        command = [sys.executable, "-m", quick_study.__name__, str(study), cluster.address, "10", "45"]
        with ended(
            subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        ) as driver:
            assert wait_until(lambda: any(study.glob("trials/*/epochs")), seconds=300)
            cluster.do("kill-raylet")
            log = study / "study.log"
            assert wait_until(lambda: "cluster: no node can run a trial (1 CPU" in log.read_text(), seconds=300)
            driver.send_signal(signal.SIGTERM)
            out, error = driver.communicate(timeout=300)
    assert driver.returncode in {0, STOPPED}, out + error
    assert "study stops: SIGTERM" in log.read_text()
    assert "state-dump" not in out + error


@pytest.mark.ray
@pytest.mark.timeout(600)
def test_a_node_that_joins_is_used_and_one_that_leaves_loses_only_its_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = hosted_cluster.environment(tmp_path)
    monkeypatch.setattr(os, "environ", environment)
    with hosted_cluster.host(tmp_path, health_check_period_ms="500", health_check_failure_threshold="2") as cluster:
        command = [sys.executable, "-m", growing_study.__name__, str(tmp_path), cluster.address]
        with subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE) as driver:
            assert driver.stdout
            heard = []
            for line in map(str.strip, driver.stdout):
                heard.append(line)
                if line == "epoch 0 2":
                    assert not any(one.startswith("epoch 1 ") for one in heard)
                    cluster.do("add-node")
                elif line == "epoch 1 2":
                    cluster.do("remove-node")
    assert driver.returncode == 0
    assert [line for line in heard if line.startswith("lost")] == ["lost 1 node"]
    assert "resized 2" in heard
