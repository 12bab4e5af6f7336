"""An embedded Ray starts its dashboard unless it is told not to, and no process that nobody listens to."""

import os
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest
import ray
from ray._private import services
from ray._private.node import Node

from automl import cluster
from automl.cluster import embedded, idle_agent, slow_start
from automl.study.errors import StudyError
from tests.processes import below


@pytest.mark.parametrize(("given", "wanted"), [(None, True), ("", True), ("1", True), ("0", False)])
def test_the_dashboard_is_started_unless_the_variable_is_0(
    monkeypatch: pytest.MonkeyPatch, given: str | None, *, wanted: bool
) -> None:
    monkeypatch.delenv(embedded.VARIABLE, raising=False)
    if given is not None:
        monkeypatch.setenv(embedded.VARIABLE, given)
    assert embedded.has_dashboard() is wanted


def test_another_value_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(embedded.VARIABLE, "no")
    with pytest.raises(StudyError, match=r"AUTOML_DASHBOARD: must be 0 .* or 1, but is 'no'"):
        embedded.has_dashboard()


@pytest.mark.parametrize("dashboard", [True, False])
def test_after_the_block_ray_starts_all_its_processes_again(*, dashboard: bool) -> None:
    names = {embedded.LOG_MONITOR, embedded.AUTOSCALER, embedded.API_SERVER, embedded.STARTER}
    before = {name: _starting(name) for name in names}
    with embedded.lean(dashboard=dashboard):
        left_out = {name for name, method in before.items() if _starting(name) is not method}
    assert left_out == ({embedded.LOG_MONITOR} if dashboard else names)
    assert {name: _starting(name) for name in before} == before


def _starting(name: str) -> object:
    """Return Ray's function of a name that starts a process."""
    return getattr(services if name == embedded.STARTER else Node, name)


RAYLET = ["raylet", "--head", "--node_id=n1", "--session_dir=/a b/s", "--dashboard_agent_command=x --node_id=n2",
          "--runtime_env_agent_command=y", "--num_prestart_python_workers=2"]  # fmt: skip


def test_an_agent_is_replaced_in_the_command_of_a_raylet() -> None:
    agents = {embedded.DASHBOARD_AGENT: ("one_port", "two_port")}
    changed = embedded.idle_commands(RAYLET, agents)
    option, command = changed[4].split("=", 1)
    assert option == embedded.DASHBOARD_AGENT
    assert shlex.split(command) == [
        sys.executable, "-I", "-S", idle_agent.__file__, "/a b/s/one_port_n1", "/a b/s/two_port_n1",
    ]  # fmt: skip
    assert [*changed[:4], *changed[5:]] == [*RAYLET[:4], *RAYLET[5:]]


def test_a_raylet_of_another_ray_without_these_options_is_refused() -> None:
    with pytest.raises(StudyError, match=r"lacks --dashboard_agent_command, --session_dir; set AUTOML_DASHBOARD=1"):
        embedded.idle_commands(["raylet", "--node_id=n1", "--runtime_env_agent_command=y"], embedded.AGENTS)


def test_an_idle_agent_says_that_it_has_no_ports_and_ends_with_its_raylet(tmp_path: Path) -> None:
    files = [tmp_path / "one", tmp_path / "two"]
    with subprocess.Popen(
        [sys.executable, "-I", "-S", idle_agent.__file__, *map(str, files)], stdin=subprocess.PIPE
    ) as agent:
        while not files[-1].exists():
            assert agent.poll() is None
            time.sleep(0.01)
        assert [file.read_text() for file in files] == ["-1", "-1"]
        assert agent.poll() is None  # the end of an agent ends its raylet
        assert agent.stdin
        agent.stdin.close()
        assert agent.wait(300) == 0


@pytest.mark.ray
@pytest.mark.timeout(900)
def test_a_started_dashboard_answers_and_no_log_monitor_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(embedded.VARIABLE, "1")
    with cluster.connected(address=None, log=tmp_path / "ray.log") as dashboard:
        with pytest.raises(urllib.error.HTTPError, match="401"):  # it answers, to those who have the token
            urllib.request.urlopen(f"{dashboard}/api/version", timeout=300)
        assert below(os.getpid(), command="autoscaler/_private/monitor.py")
        assert not below(os.getpid(), command="log_monitor.py")


@pytest.mark.ray
@pytest.mark.timeout(900)
def test_without_a_dashboard_a_store_and_a_raylet_run_whose_agents_are_idle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(embedded.VARIABLE, "0")
    with cluster.connected(address=None, log=tmp_path / "ray.log") as dashboard:
        assert dashboard == ""
        assert below(os.getpid(), command="gcs_server")
        (pid,) = slow_start.raylets()
        raylet = psutil.Process(pid)
        assert ray.get(ray.remote(_parent).remote(), timeout=300) == raylet.pid
        for left_out in ("dashboard/dashboard.py", "autoscaler/_private/monitor.py", "log_monitor.py"):
            assert not below(os.getpid(), command=left_out), left_out
        assert not below(raylet.pid, command="ray::DashboardAgent")
        assert not below(raylet.pid, command="ray::RuntimeEnvAgent")
        assert len(below(raylet.pid, command=Path(idle_agent.__file__).name)) == len(embedded.AGENTS)


def _parent() -> int:
    return os.getppid()
