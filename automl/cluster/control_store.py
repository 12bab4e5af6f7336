"""Watches the head's control store (Ray's GCS) and ends the process in words when the cluster is gone.

Ray's driver waits for a store that is away, and aborts in C++, unseen by Python, when another one answers or after a
minute. So the store is asked from a thread through a connection of its own, and the process ends before Ray ends it.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc
from ray._private.gcs_utils import create_gcs_channel
from ray.core.generated.gcs_service_pb2 import GetClusterIdRequest
from ray.core.generated.gcs_service_pb2_grpc import NodeInfoGcsServiceStub

from automl.cluster.exit import leave

GONE: Final = os.EX_TEMPFAIL
"""The exit code, 75: try again."""
LOG: Final = logging.getLogger(__name__)

STORE: Final = "cluster: the head's control store"
ENVIRONMENT: Final = {
    # Ray's own end of patience comes after ours.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "120",
    # Calls that wait for the store are sent again this often. We look more often, and see another store first.
    "RAY_grpc_client_check_connection_status_interval_milliseconds": "5000",
}
"""For a driver that joins a cluster; an embedded Ray's own processes would inherit it."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds."""

    look: float = 2.0
    """Between two questions to a store that answers."""
    hurry: float = 0.2
    """Between two questions to one that does not."""
    tell: float = 10.0
    """Without an answer, until the user is told."""
    end: float = 45.0
    """Without an answer, until the cluster counts as gone. The nodes themselves give up after 60."""


class Watch:
    """Asks again and again whether the store that the study began with still answers."""

    def __init__(
        self,
        ask: Callable[[], str],
        *,
        patience: Patience,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep whom to ask, for the name of the cluster, empty where there is no answer."""
        self._ask, self.patience, self._clock = ask, patience, clock
        self._since: float | None = None
        self._told = False
        self._cluster = ask()
        if not self._cluster:
            self._tell(f"{STORE} cannot be asked from here; should it be lost, Ray ends the study without a word")

    @property
    def away(self) -> float:
        """Return for how many seconds the store has not answered."""
        return 0.0 if self._since is None else self._clock() - self._since

    def look(self) -> bool:
        """Ask once and tell what has changed; False once the cluster is gone."""
        if not self._cluster:
            return True
        began = self._clock()
        answer = self._ask()
        if not answer:
            self._since = began if self._since is None else self._since
            return self._waits()
        if answer != self._cluster:
            self._tell(f"{STORE} came back as another cluster's; the study ends here and can be resumed")
            return False
        if self._told:
            self._tell(f"{STORE} answers again after {self.away:.0f} s")
        self._since, self._told = None, False
        return True

    def pause(self) -> float:
        """Return how long to wait before the next look."""
        return self.patience.look if self._since is None else self.patience.hurry

    def _tell(self, event: str) -> None:
        LOG.warning(event)

    def _waits(self) -> bool:
        away = self.away
        if away >= self.patience.end:
            self._tell(f"{STORE} does not answer since {away:.0f} s; the study ends here and can be resumed")
            return False
        if away >= self.patience.tell and not self._told:
            self._told = True
            self._tell(f"{STORE} does not answer since {away:.0f} s; the study waits")
        return True


@contextmanager
def watched(watch: Watch, end: Callable[[], object]) -> Iterator[None]:
    """Look while a block runs, and call `end` from another thread when the cluster is gone.

    A block that fails while the store is away, for Ray raises this and that then, ends in the same way.
    """
    over = threading.Event()

    def look_on() -> None:
        while not over.wait(watch.pause()):
            if not watch.look():
                end()
                return

    thread = threading.Thread(target=look_on, name="head", daemon=True)
    thread.start()
    try:
        yield
    finally:
        if watch.away >= watch.patience.tell:
            end()
        over.set()
        thread.join()


def name_at(address: str) -> str:
    """Return the name of the cluster whose store answers at an address, empty where none does."""
    # A channel of its own each time: one that is kept waits longer and longer before it connects again.
    channel = create_gcs_channel(address)
    try:
        return str(NodeInfoGcsServiceStub(channel).GetClusterId(GetClusterIdRequest(), timeout=2).cluster_id.hex())
    except grpc.RpcError:
        return ""
    finally:
        channel.close()


def end_at(folder: Path, *, to: int) -> Callable[[], object]:
    """Return what ends the process with a word on how to go on; the lock of the study goes with it."""
    said = f"the Ray cluster is gone; nothing is lost: automl resume {folder} (or submit the study again)"
    return lambda: leave(said, GONE, to=to)
