"""Which of its processes an embedded Ray starts: none whose output nobody reads.

Ray 2.60 starts a log monitor on each node, which sends the lines of workers to drivers, and a monitor of the autoscaler
on the head, whose report the dashboard shows. `ray.init` has a parameter for neither. With `include_dashboard=False` it
starts the dashboard's process all the same, for statistics of usage, and beside each raylet two agents: the
dashboard's, and one that makes the environments of workers (`runtime_env`). The idle workers that a raylet starts when
a driver joins stay: `failures` asks one of them at once why a worker died, on a machine that may be busy.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from ray._private import ray_constants, services
from ray._private.node import Node

from automl.cluster import idle_agent
from automl.study.errors import StudyError

VARIABLE: Final = "AUTOML_DASHBOARD"
ANSWERS: Final = {"": True, "1": True, "0": False}
LOG_MONITOR: Final = "start_log_monitor"
AUTOSCALER: Final = "start_monitor"
API_SERVER: Final = "start_api_server"
STARTER: Final = "start_ray_process"
NODE: Final = "--node_id"
SESSION: Final = "--session_dir"
DASHBOARD_AGENT: Final = "--dashboard_agent_command"
AGENTS: Final[Mapping[str, Sequence[str]]] = {
    DASHBOARD_AGENT: ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port"),
    "--runtime_env_agent_command": ("runtime_env_agent_port",),
}
"""Options of a raylet that start its agents, and the files in the session's folder that it reads their ports from."""


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
def lean(*, dashboard: bool, environments: bool = False) -> Iterator[None]:
    """Start no process of an embedded Ray that serves nothing, during a block.

    The log monitor is never started, since workers' lines are not sent to our drivers (`log_to_driver`); the
    autoscaler's monitor only with a dashboard, since one node has nothing to scale; the dashboard's process only if it
    serves pages. Without a dashboard, idle processes (`idle_agent`) stand in for the dashboard's agent of a raylet and
    for the agent of `runtime_env`, unless drivers with `environments` join.
    """
    replaced: list[tuple[type | ModuleType, str, Callable[..., object]]] = [(Node, LOG_MONITOR, _nothing)]
    if not dashboard:
        agents = AGENTS if not environments else {DASHBOARD_AGENT: AGENTS[DASHBOARD_AGENT]}
        replaced += [
            (Node, AUTOSCALER, _nothing),
            (Node, API_SERVER, _no_dashboard),
            (services, STARTER, _with_idle(agents)),
        ]
    kept = [(owner, name, getattr(owner, name)) for owner, name, _method in replaced]
    for owner, name, method in replaced:
        setattr(owner, name, method)
    try:
        yield
    finally:
        for owner, name, method in kept:
            setattr(owner, name, method)


def _with_idle(agents: Mapping[str, Sequence[str]]) -> Callable[..., Any]:
    """Return Ray's function that starts a process, which has a raylet start idle processes in place of some agents."""
    original = getattr(services, STARTER)

    def start(command: list[str], process_type: str, *rest: Any, **named: Any) -> Any:  # noqa: ANN401
        if process_type == ray_constants.PROCESS_TYPE_RAYLET:
            command = idle_commands(command, agents)
        return original(command, process_type, *rest, **named)

    return start


def idle_commands(command: Sequence[str], agents: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a raylet's command with other commands of its agents.

    Raises:
        StudyError: the command lacks an option that is needed or replaced, as that of another version of Ray would.
    """
    given = dict(option.split("=", 1) for option in command if option.startswith("--") and "=" in option)
    if lacking := {NODE, SESSION, *agents} - given.keys():
        raise StudyError(f"Ray's command of a raylet lacks {', '.join(sorted(lacking))}; set {VARIABLE}=1")
    replaced = dict(given)
    for option, ports in agents.items():
        files = [str(Path(given[SESSION]) / f"{port}_{given[NODE]}") for port in ports]
        replaced[option] = subprocess.list2cmdline([sys.executable, "-I", "-S", idle_agent.__file__, *files])
    return [f"{name}={replaced[name]}" if (name := option.split("=", 1)[0]) in agents else option for option in command]


def _nothing(_node: Node) -> None:
    """Start no process."""


def _no_dashboard(node: Node, *, include_dashboard: bool | None, raise_on_failure: bool) -> None:  # noqa: ARG001
    """Start no process; the node has no URL of a dashboard."""
    node._webui_url = None
