"""Which of its processes an embedded Ray starts: none whose output nobody reads.

Ray 2.60 starts a log monitor on each node, which sends the lines of workers to drivers, and a monitor of the autoscaler
on the head, whose report the dashboard shows. `ray.init` has a parameter for neither. With `include_dashboard=False` it
starts the dashboard's process all the same, for statistics of usage. Together they take 5 of the 6 CPU-seconds of a
start and stop.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from ray._private.node import Node

from automl.study.errors import StudyError

VARIABLE: Final = "AUTOML_DASHBOARD"
ANSWERS: Final = {"": True, "1": True, "0": False}
LOG_MONITOR: Final = "start_log_monitor"
AUTOSCALER: Final = "start_monitor"
API_SERVER: Final = "start_api_server"


def has_dashboard() -> bool:
    """Return whether an embedded Ray starts its dashboard: unless AUTOML_DASHBOARD is 0.

    Raises:
        StudyError: the variable has another value than 0, 1 or none.
    """
    given = os.environ.get(VARIABLE, "")
    if given not in ANSWERS:
        raise StudyError(f"{VARIABLE}: must be 0 (no dashboard of an embedded Ray) or 1, but is {given!r}")
    return ANSWERS[given]


@contextmanager
def lean(*, dashboard: bool) -> Iterator[None]:
    """Start no process of an embedded Ray that serves nothing, during a block.

    The log monitor is never started, since workers' lines are not sent to our drivers (`log_to_driver`); the
    autoscaler's monitor only with a dashboard, since one node has nothing to scale; the dashboard's process only if it
    serves pages.
    """
    nothing: dict[str, Callable[..., None]] = {LOG_MONITOR: _nothing}
    if not dashboard:
        nothing |= {AUTOSCALER: _nothing, API_SERVER: _no_dashboard}
    kept = {name: getattr(Node, name) for name in nothing}
    for name, method in nothing.items():
        setattr(Node, name, method)
    try:
        yield
    finally:
        for name, method in kept.items():
            setattr(Node, name, method)


def _nothing(_node: Node) -> None:
    """Start no process."""


def _no_dashboard(node: Node, *, include_dashboard: bool | None, raise_on_failure: bool) -> None:  # noqa: ARG001
    """Start no process; the node has no URL of a dashboard."""
    node._webui_url = None
