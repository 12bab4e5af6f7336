"""An embedded Ray starts its dashboard unless it is told not to, and no process that nobody listens to."""

import os
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from ray._private.node import Node

from automl import cluster
from automl.cluster import embedded
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
    names = {embedded.LOG_MONITOR, embedded.AUTOSCALER, embedded.API_SERVER}
    before = {name: getattr(Node, name) for name in names}
    with embedded.lean(dashboard=dashboard):
        left_out = {name for name, method in before.items() if getattr(Node, name) is not method}
    assert left_out == ({embedded.LOG_MONITOR} if dashboard else names)
    assert {name: getattr(Node, name) for name in before} == before


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
def test_without_a_dashboard_a_store_a_raylet_and_its_agents_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(embedded.VARIABLE, "0")
    with cluster.connected(address=None, log=tmp_path / "ray.log") as dashboard:
        assert dashboard == ""
        assert below(os.getpid(), command="gcs_server")
        assert below(os.getpid(), command="raylet/raylet")
        for left_out in ("dashboard/dashboard.py", "autoscaler/_private/monitor.py", "log_monitor.py"):
            assert not below(os.getpid(), command=left_out), left_out
