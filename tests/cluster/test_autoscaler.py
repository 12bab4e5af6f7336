"""Nodes that Ray's autoscaler adds for trials that wait: Ray's fake provider, whose nodes are processes."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import ray
from ray.autoscaler._private.fake_multi_node import node_provider

from automl.cluster import capacity
from tests import growing_study, hosted_cluster
from tests.free_port import free_port
from tests.guarded_worker import wait_until
from tests.processes import below, ended, kill_all, named_below
from tests.scripted_source import TRAINABLE

MOST = 2
HEAD = node_provider.FAKE_HEAD_NODE_TYPE
"""The provider's name of the head's type: with another one the autoscaler misses the head, and may add a second."""
LISTS = (
    "cluster_synced_files", "rsync_exclude", "rsync_filter", "initialization_commands", "setup_commands",
    "head_setup_commands", "worker_setup_commands", "head_start_ray_commands", "worker_start_ray_commands",
)  # fmt: skip
"""Keys of a cluster's file that Ray reads without a default."""
RAY = """
from automl.cluster import slow_start
from ray.scripts.scripts import main
with slow_start.allowed():
    main()
"""
"""The command `ray`, with the time that a busy machine needs."""


def description(address: str) -> str:
    """Return the file of a cluster that begins without a node for trials and may get two, of a core each."""
    worker = {"resources": {"CPU": 1}, "node_config": {}, "min_workers": 0, "max_workers": MOST}
    return json.dumps({
        "cluster_name": "fake", "max_workers": MOST, "idle_timeout_minutes": 60, "upscaling_speed": 1.0,
        "provider": {
            "type": "fake_multinode", "gcs_address": address, "head_node_id": node_provider.FAKE_HEAD_NODE_ID,
            "use_node_id_as_ip": True,
        },
        "available_node_types": {
            HEAD: {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0}, "worker": worker,
        },
        "head_node_type": HEAD, "auth": {}, "docker": {}, "file_mounts": {}, "file_mounts_sync_continuously": False,
        **{key: [] for key in LISTS},
    })  # fmt: skip


@contextmanager
def autoscaling(home: Path, environment: dict[str, str]) -> Iterator[tuple[str, psutil.Process]]:
    """Give the address of a cluster with an autoscaler, and the process that its nodes are below."""
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as short:
        address = f"{ray.util.get_node_ip_address()}:{free_port()}"
        file = home / "cluster.json"
        file.write_text(description(address))
        command = [
            sys.executable, "-c", RAY, "start", "--head", "--block", "--port", address.rpartition(":")[2],
            "--num-cpus", "0", "--num-gpus", "0", "--include-dashboard", "false",
            "--temp-dir", short, "--object-store-memory", str(80 * 2**20), "--autoscaling-config", str(file),
        ]  # fmt: skip
        variables = environment | {
            "AUTOSCALER_UPDATE_INTERVAL_S": "1",
            "RAY_FAKE_CLUSTER": "1",
            "RAY_enable_autoscaler_v2": "0",
        }
        with (
            (home / "head.log").open("w") as log,
            ended(subprocess.Popen(command, env=variables, text=True, stdout=log, stderr=log)) as head,
        ):
            whole = psutil.Process(head.pid)
            try:
                assert wait_until(lambda: capacity.shapes_at(address) == [(0.0, 0.0)], seconds=300), (
                    home / "head.log"
                ).read_text()
                yield address, whole
            finally:
                kill_all([*below(head.pid), whole])


@pytest.mark.ray
@pytest.mark.timeout(600)
def test_the_autoscaler_adds_a_node_for_each_waiting_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = hosted_cluster.environment(tmp_path)
    monkeypatch.setattr(os, "environ", environment)
    with autoscaling(tmp_path, environment) as (address, head):
        command = [sys.executable, "-m", growing_study.__name__, str(tmp_path), address]
        with ended(subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE)) as driver:
            assert driver.stdout
            heard = []
            for line in map(str.strip, driver.stdout):
                heard.append(line)
                if line == "epoch 1 2":
                    assert sorted(capacity.shapes_at(address) or ()) == [(0.0, 0.0), *[(1.0, 0.0)] * MOST]
                    busy = raylets(head)
                    assert len(busy) == MOST, "a node for each of the two jobs"
                    busy[0].kill()
    assert driver.returncode == 0, (tmp_path / "head.log").read_text()
    assert heard.index("resized 2") < heard.index("epoch 1 1"), "one job more was started than fitted"
    assert [line for line in heard if line.startswith("lost")] in (["lost 0 node"], ["lost 1 node"])


def raylets(head: psutil.Process) -> list[psutil.Process]:
    """Return the nodes of a cluster that have a job."""
    return [one for one in named_below(head.pid, "raylet") if below(one.pid, command=TRAINABLE)]
