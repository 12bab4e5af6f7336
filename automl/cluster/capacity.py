"""Watch of the nodes: says, once a minute, that none can run a trial. Ray itself waits for ever, without a word."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import grpc
import ray
from ray._private.gcs_utils import create_gcs_channel
from ray.core.generated.gcs_pb2 import GcsNodeInfo
from ray.core.generated.gcs_service_pb2 import GetAllNodeInfoRequest
from ray.core.generated.gcs_service_pb2_grpc import NodeInfoGcsServiceStub

from automl.cluster.resources import Slots, fit
from automl.storage import local_disk
from automl.study.text import duration

LOG: Final = logging.getLogger(__name__)
LOOK_SECONDS: Final = 10.0
AGAIN_SECONDS: Final = 60.0
TIMEOUT: Final = 5.0
Shape = tuple[float, float]
"""CPU cores and GPUs of a node."""


class Watch:
    """Polls whether a node is left that can hold a trial."""

    def __init__(
        self, ask: Callable[[], Sequence[Shape] | None], wanted: Slots, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Store the function that returns the shapes of the living nodes, None without an answer."""
        self._ask, self._wanted, self._clock = ask, wanted, clock
        self.places: int | None = None
        """How many trials fit at a time, None before the first answer."""
        self.shapes: Sequence[Shape] | None = None
        """The living nodes, None before the first answer."""
        self._since: float | None = None
        self._said = 0.0

    def look(self) -> None:
        """Poll once, and log that no node can run a trial, again each minute, and that one can again."""
        shapes, now = self._ask(), self._clock()
        if shapes is None:  # the watch of the control store tells that
            return
        self.shapes, self.places = shapes, self._wanted.places(shapes)
        if any(fit(cpu, gpu, one.cpus, one.gpus) for cpu, gpu in shapes for one in self._wanted.demands):
            if self._since is not None:
                LOG.info(f"cluster: a node can run a trial again, after {duration(now - self._since)}")
            self._since = None
        elif self._since is None or now - self._said >= AGAIN_SECONDS:
            self._since, self._said = now if self._since is None else self._since, now
            text = (
                f"cluster: no node can run a trial ({self._wanted.cpus:g} CPU cores, {self._wanted.gpus:g} GPUs): "
                f"{len(shapes)} nodes are there, since {duration(now - self._since)}; waiting for one"
            )
            LOG.warning(local_disk.with_cause(text))


@contextmanager
def watched(wanted: Slots) -> Iterator[Watch]:
    """Watch the nodes from another thread during a block; the record has how many trials fit."""
    address = ray.get_runtime_context().gcs_address
    watch, over = Watch(lambda: shapes_at(address), wanted), threading.Event()

    def look_on() -> None:
        while not over.wait(LOOK_SECONDS):
            watch.look()

    thread = threading.Thread(target=look_on, name="nodes", daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join()


def shapes_at(address: str) -> list[Shape] | None:
    """Return CPU cores and GPUs of the living nodes of a cluster, None if its control store does not answer.

    By a connection of our own with a time limit: `ray.nodes` waits as long as the store is away.
    """
    channel = create_gcs_channel(address)
    try:
        found = NodeInfoGcsServiceStub(channel).GetAllNodeInfo(GetAllNodeInfoRequest(), timeout=TIMEOUT)
    except grpc.RpcError:
        return None
    finally:
        channel.close()
    living = [node for node in found.node_info_list if node.state == GcsNodeInfo.ALIVE]
    return [(node.resources_total.get("CPU", 0.0), node.resources_total.get("GPU", 0.0)) for node in living]
