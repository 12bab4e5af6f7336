"""The fork server of a node: started before it is needed, and the one that trainings use."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray

from automl import cluster
from automl.cluster import node_server
from automl.study import Answer, Job, Measurement
from automl.trials import fork_server, heartbeat
from tests import hosted_cluster, tiny_trainer
from tests.conftest import tiny_job_at
from tests.scripted_source import Jobs

pytestmark = pytest.mark.ray
NOBODY = "nobody"
"""No trainer has this name: the server of another test is not met."""


def address() -> str:
    return node_server.owner(NOBODY).address


def answers(name: str) -> bool:
    with socket.socket(socket.AF_UNIX) as other:
        try:
            other.connect(name)
        except ConnectionRefusedError:
            return False
    return True


@pytest.mark.usefixtures("connection")
def test_a_node_that_is_probed_for_trainings_starts_to_import(tmp_path: Path) -> None:
    name = ray.get(ray.remote(num_cpus=0)(address).remote())
    cluster.probe(tmp_path)
    assert not answers(name)
    cluster.probe(tmp_path, trainer=NOBODY)
    assert answers(name)


class Watched(Jobs):
    """Notes the parent of each training, and of which process its server is."""

    def __init__(self, jobs: list[Job]) -> None:
        super().__init__(jobs, concurrent=2)
        self.owners: set[int] = set()

    def measured(self, number: int, measurement: Measurement, *, node: str) -> Answer:
        beat = heartbeat.read(self.all[number].folder)
        server = psutil.Process(beat.process).parent() if beat else None
        assert server
        found: Mapping[str, Any] = json.loads(server.cmdline()[-1])
        self.owners.add(found["process"])
        return super().measured(number, measurement, node=node)


@pytest.mark.slow
def test_trainings_of_an_embedded_ray_use_the_server_of_its_driver(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.cluster.test_node_server", str(tmp_path)]
    done = subprocess.run(
        command, env=hosted_cluster.environment(tmp_path), capture_output=True, check=False, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr
    driver, owners, variable = json.loads(done.stdout.splitlines()[-1])
    assert owners == [driver]
    assert variable is None


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    tiny_trainer.registered()
    source = Watched([replace(tiny_job_at(folder / str(n), folder), number=n) for n in range(2)])
    os.environ["AUTOML_TRAINER"] = "tiny"
    with cluster.connected(address=None, log=folder / "ray.log", trains=True):
        cluster.run(source, cluster.slots(gpus=0, cpus=0.5, concurrent=2))
    sys.stdout.write(f"{json.dumps([os.getpid(), sorted(source.owners), os.environ.get(fork_server.PREPARED)])}\n")
