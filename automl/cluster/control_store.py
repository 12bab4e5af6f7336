"""Monitor of the head's control store (Ray's GCS): exits with code 75 and a message if the cluster is lost.

Ray's driver waits for an unreachable store and aborts in C++, without a Python exception, if another one answers
or after a minute. So a thread polls the store through a separate connection, and ends the process before Ray aborts.
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

from automl.cluster.exit import exit_with
from automl.storage import local_disk
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
class Timeouts:
    """Intervals and time limits, in seconds."""

    poll: float = 2.0
    """Poll interval while the store answers."""
    retry: float = 0.2
    """Poll interval while it does not."""
    log: float = 10.0
    """Seconds without an answer until a message is logged."""
    lost: float = 45.0
    """Seconds without an answer until the cluster counts as lost. The nodes themselves stop after 60."""


class Watch:
    """Polls whether the store with which the study began still answers."""

    def __init__(
        self,
        poll: Callable[[], str],
        *,
        timeouts: Timeouts,
        clock: Callable[[], float] = time.monotonic,
        died: Callable[[], str] = str,
    ) -> None:
        """Store the function that returns the name of the cluster, empty without an answer.

        `died` returns which needed process of an embedded Ray ended, empty if none did.
        """
        self._poll, self.timeouts, self._clock, self._died = poll, timeouts, clock, died
        self.why = ""
        """Why the cluster is lost: which process of an embedded Ray ended; empty if none did."""
        self._since: float | None = None
        self._logged = False
        self._cluster = poll()
        if not self._cluster:
            self._log(
                f"{STORE} cannot be polled from this process; if it is lost, Ray ends the process without a message"
            )

    @property
    def silence(self) -> float:
        """Return the seconds since the store's last answer."""
        return 0.0 if self._since is None else self._clock() - self._since

    def look(self) -> bool:
        """Poll once and log a change; return False if the cluster is lost."""
        local_disk.SHORTAGE.look()
        if why := self._died():
            self.why = why
            self._log(f"cluster: {why}; this process exits, the study can be resumed")
            return False
        if not self._cluster:
            return True
        began = self._clock()
        answer = self._poll()
        if not answer:
            self._since = began if self._since is None else self._since
            return self._waits()
        if answer != self._cluster:
            self._log(f"{STORE} now belongs to another cluster; this process exits, the study can be resumed")
            return False
        if self._logged:
            self._log(f"{STORE} answers again after {self.silence:.0f} s")
        self._since, self._logged = None, False
        return True

    def pause(self) -> float:
        """Return the seconds until the next poll."""
        return self.timeouts.poll if self._since is None else self.timeouts.retry

    def _log(self, event: str) -> None:
        LOG.warning(event)

    def _waits(self) -> bool:
        silence = self.silence
        if silence >= self.timeouts.lost:
            self._log(f"{STORE} has not answered for {silence:.0f} s; this process exits, the study can be resumed")
            return False
        if silence >= self.timeouts.log and not self._logged:
            self._logged = True
            self._log(f"{STORE} has not answered for {silence:.0f} s; waiting for it")
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
        if watch.silence >= watch.timeouts.log:
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


def end_at(folder: Path, *, to: int, why: Callable[[], str] = str) -> Callable[[], object]:
    """Return a function that ends the process with a message on how to resume; this releases the study's lock.

    `why` returns the cause, empty if it is not known: then a full local folder is told as one.
    """

    def end() -> None:
        cause = why() or local_disk.SHORTAGE.text()
        told = f"the Ray cluster is lost{': ' if cause else ''}{cause}; all results are saved: "
        exit_with(f"{told}{shell_line('automl', 'resume', folder)} (or submit the study again)", GONE, to=to)

    return end
