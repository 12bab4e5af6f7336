"""Monitor of the head's control store (Ray's GCS): exits with code 75 and a message if the cluster is lost.

Ray's driver waits for an unreachable store and aborts in C++, unseen by Python, if another one answers or after a
minute. So a thread polls the store through a separate connection, and ends the process before Ray aborts.
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
from automl.study.text import shell_line

GONE: Final = os.EX_TEMPFAIL
"""The exit code, 75: try again."""
LOG: Final = logging.getLogger(__name__)

STORE: Final = "cluster: the head's control store"
ENVIRONMENT: Final = {
    # Ray's own timeout must be longer than ours.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "120",
    # Pending calls are resent at this interval. We poll more often, and so detect another store first.
    "RAY_grpc_client_check_connection_status_interval_milliseconds": "5000",
}
"""For a driver that joins a cluster; an embedded Ray's own processes would inherit it."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds."""

    look: float = 2.0
    """Poll interval while the store answers."""
    hurry: float = 0.2
    """Poll interval while it does not."""
    tell: float = 10.0
    """Seconds without an answer until a message is logged."""
    end: float = 45.0
    """Seconds without an answer until the cluster counts as lost. The nodes themselves stop after 60."""


class Watch:
    """Polls whether the store with which the study began still answers."""

    def __init__(
        self,
        ask: Callable[[], str],
        *,
        patience: Patience,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Store the function that returns the name of the cluster, empty without an answer."""
        self._ask, self.patience, self._clock = ask, patience, clock
        self._since: float | None = None
        self._logged = False
        self._cluster = ask()
        if not self._cluster:
            self._tell(f"{STORE} cannot be reached from here; if it is lost, Ray ends the process without a message")

    @property
    def away(self) -> float:
        """Return the seconds since the store's last answer."""
        return 0.0 if self._since is None else self._clock() - self._since

    def look(self) -> bool:
        """Poll once and log a change; return False if the cluster is lost."""
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
        if self._logged:
            self._tell(f"{STORE} answers again after {self.away:.0f} s")
        self._since, self._logged = None, False
        return True

    def pause(self) -> float:
        """Return the seconds until the next poll."""
        return self.patience.look if self._since is None else self.patience.hurry

    def _tell(self, event: str) -> None:
        LOG.warning(event)

    def _waits(self) -> bool:
        away = self.away
        if away >= self.patience.end:
            self._tell(f"{STORE} does not answer since {away:.0f} s; the study ends here and can be resumed")
            return False
        if away >= self.patience.tell and not self._logged:
            self._logged = True
            self._tell(f"{STORE} does not answer since {away:.0f} s; the study waits")
        return True


@contextmanager
def watched(watch: Watch, end: Callable[[], object]) -> Iterator[None]:
    """Poll during a block, and call `end` from another thread if the cluster is lost.

    A block that fails while the store is unreachable, with whatever error Ray raises, ends in the same way.
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
    """Return the name of the cluster whose store answers at an address, empty if none does."""
    # A new channel each time: the reconnect backoff of a kept one grows.
    channel = create_gcs_channel(address)
    try:
        return str(NodeInfoGcsServiceStub(channel).GetClusterId(GetClusterIdRequest(), timeout=2).cluster_id.hex())
    except grpc.RpcError:
        return ""
    finally:
        channel.close()


def end_at(folder: Path, *, to: int) -> Callable[[], object]:
    """Return a function that ends the process with a message on how to resume; this releases the study's lock."""
    line = shell_line("automl", "resume", folder)
    said = f"the Ray cluster is gone; nothing is lost: {line} (or submit the study again)"
    return lambda: leave(said, GONE, to=to)
