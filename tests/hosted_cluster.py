"""A cluster of a head and one worker node in a process of its own, which does at a word what a disaster would do.

As a script it hosts the cluster; `host` starts that and talks to it. It has its own ports, folder and home, and no
authentication: no other cluster on the machine is met. Its nodes have the variables of the trainer, so that drivers set
none in their workers (`join_as_started`) and the nodes need no agent for that.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from automl.trainers import registration
from tests import tiny_trainer
from tests.free_port import free_port
from tests.processes import ended

MEMORY = 80 * 2**20
WORDS = ("kill-store", "start-store", "kill-raylet", "add-node", "remove-node")


class Host:
    """What talks to a hosted cluster."""

    def __init__(self, process: subprocess.Popen[str], errors: Path) -> None:
        self.process = process
        self.errors = errors
        self.address = self._answer()

    def do(self, word: str) -> None:
        """Have one of WORDS done and wait for it."""
        assert word in WORDS
        assert self.process.stdin
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        assert self._answer() == word

    def _answer(self) -> str:
        assert self.process.stdout
        for line in self.process.stdout:
            if line.startswith("host: "):
                return line.removeprefix("host: ").strip()
        raise AssertionError(
            f"the cluster's process ended with {self.process.wait()}: {self.errors.read_text()[-4000:]}"
        )


def environment(home: Path) -> dict[str, str]:
    """Return what host and driver must agree on."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return ours | {
        "HOME": str(home),
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
        registration.CHOSEN: tiny_trainer.registered(),  # the other one imports torch on each node
        "RAY_prestart_worker_first_driver": "0",  # an idle worker for each CPU, which drivers with variables cannot use
    }


def join_as_started() -> None:
    """Let this driver set no variables in its workers: they have those of their node, which are the same."""
    from automl.cluster import connection  # noqa: PLC0415  (drivers alone need it)

    vars(connection)["FORWARDED"] = ()


@contextmanager
def host(home: Path, **settings: str) -> Iterator[Host]:
    """Give a cluster for the length of a block; Ray's own settings by name."""
    # Not below tmp_path, whose name is too long for the sockets.
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as short:
        variables = environment(home) | {f"RAY_{name}": value for name, value in settings.items()}
        command = [sys.executable, "-m", __spec__.name, short]
        errors = home / f"{Path(short).name}.err"
        with (
            errors.open("w") as stderr,
            ended(
                subprocess.Popen(
                    command,
                    env=variables,
                    text=True,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                )
            ) as process,
        ):
            try:
                yield Host(process, errors)
            finally:
                process.communicate(timeout=300)


def main(folder: str) -> None:
    """Host a cluster until standard input ends."""
    from ray.cluster_utils import Cluster  # noqa: PLC0415  (few tests need it, and it takes seconds to import)

    from automl.cluster import embedded, slow_start  # noqa: PLC0415

    head = {"num_cpus": 0, "include_dashboard": False, "temp_dir": folder, "gcs_server_port": free_port()}
    with slow_start.allowed(), embedded.lean(dashboard=False):
        _host(Cluster(initialize_head=True, head_node_args=head | {"object_store_memory": MEMORY}))


def _host(cluster: Any) -> None:
    worker = cluster.add_node(num_cpus=1, object_store_memory=MEMORY)
    _say(cluster.address)
    joined: list[Any] = []
    deeds: dict[str, Callable[[], object]] = {
        "kill-store": cluster.head_node.kill_gcs_server,
        "start-store": cluster.head_node.start_gcs_server,
        "kill-raylet": worker.kill_raylet,
        "add-node": lambda: joined.append(cluster.add_node(num_cpus=1, object_store_memory=MEMORY)),
        "remove-node": lambda: joined.pop().kill_raylet(),
    }
    for line in sys.stdin:
        deeds[line.strip()]()
        _say(line.strip())
    cluster.shutdown()


def _say(word: str) -> None:
    sys.stdout.write(f"host: {word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
