"""`automl doctor`: the rows of facts that fit, and of each fact that does not."""

import json
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from automl import cluster
from automl.apps import doctor
from automl.apps.cli import app
from automl.cluster import survey
from automl.cluster.survey import Surveyed
from automl.storage import node_ports
from automl.storage.node_facts import NodeFacts, facts, token_digest
from automl.study.text import GB

FINE = NodeFacts(
    name="a", at=0.0, driver="580.65.06", devices=2, torch_cuda="13.0", shm=8 * GB, temp_free=90 * GB,
    packages={"ray": "2.60.0", "torch": "2.15.0", "ultralytics": "8.4.190", "tensorrt-cu13": "11.0"},
    storage_free=900 * GB, storage_problem="", files_soft=65536, files_hard=65536, missing=(),
)  # fmt: skip


def states(*nodes: Surveyed) -> dict[str, str]:
    """Return what is not OK: state by check."""
    rows = doctor.rows_of(nodes, Path("/nfs"))
    assert all(bool(row.remedy) == (row.state != doctor.OK) for row in rows), rows
    return {row.check: row.state for row in rows if row.state != doctor.OK}


def node(**changes: Any) -> Surveyed:
    return Surveyed("a", 2.0, replace(FINE, **changes), 0.0, "")


def test_a_machine_that_fits_has_no_remark() -> None:
    assert states(node()) == {}
    assert states(node(driver="", devices=0)) == {}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"driver": "570.1"}, {"driver and torch": "FAULT"}),
        ({"driver": ""}, {"driver and torch": "FAULT"}),
        ({"torch_cuda": ""}, {"driver and torch": "FAULT"}),
        ({"torch_cuda": "12.8"}, {"TensorRT": "WARNING"}),
        ({"devices": 4}, {"GPUs": "WARNING"}),
        ({"storage_problem": "Read-only file system"}, {"storage": "FAULT"}),
        ({"storage_free": 0}, {"disk of the storage": "FAULT"}),
        ({"temp_free": 5 * GB}, {"temporary disk": "WARNING"}),
        ({"shm": 64 * 2**20}, {"/dev/shm": "FAULT"}),
        ({"files_soft": 1024}, {"file descriptors": "WARNING"}),
        ({"files_soft": 100, "files_hard": 100}, {"file descriptors": "FAULT"}),
        ({"missing": ("/nfs/data.yaml",)}, {"file": "FAULT"}),
        ({"port_problem": "Name or service not known"}, {"ports": "FAULT"}),
        ({"reached": 5, "unreachable": ("10.0.0.2:41235 (timed out)",)}, {"ports": "FAULT"}),
    ],
)
def test_what_does_not_fit_is_named_with_a_remedy(changes: dict[str, Any], expected: dict[str, str]) -> None:
    assert states(node(**changes)) == expected


def test_nodes_are_compared() -> None:
    other = replace(FINE, name="b", packages={**FINE.packages, "torch": "2.14.0"})
    found = states(node(), Surveyed("b", 2.0, other, 90.0, "another folder is mounted at that path"))
    assert found == {"packages": "FAULT", "storage": "FAULT", "clock": "FAULT"}
    assert states(node(), Surveyed("c", 0.0, None, 0.0, "no answer: GetTimeoutError")) == {"node": "FAULT"}


@pytest.mark.parametrize(
    ("there", "state", "found"),
    [("ab12", "OK", "the same as here"), ("cd34", "FAULT", "another than here"), ("", "FAULT", "none there"),
     ("off", "FAULT", "authentication is off there")],
)  # fmt: skip
def test_the_token_of_each_node_is_compared_with_that_of_this_side(there: str, state: str, found: str) -> None:
    (row,) = [row for row in doctor.rows_of([node(token=there)], Path("/nfs"), token="ab12") if row.check == "token"]
    assert (row.state, row.found, bool(row.remedy)) == (state, found, state == "FAULT")


def test_a_closed_port_is_named_and_an_open_one_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert [*node_ports.unreachable([f"127.0.0.1:{port}"])] == []
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # kept, so that nobody else listens there
        port = closed.getsockname()[1]
        assert [*node_ports.unreachable([f"127.0.0.1:{port}"])] == [f"127.0.0.1:{port} (Connection refused)"]
    assert node_ports.own_problem() == ""


def test_the_digest_of_a_token_is_not_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert token_digest() == ""
    monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
    found = token_digest()
    assert found
    assert "secret" not in found
    path = tmp_path / "token"
    path.write_text("secret\n")
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(path))
    assert token_digest() == found
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    assert token_digest() == "off"


def test_the_facts_of_this_machine_are_those_that_can_be_seen(tmp_path: Path) -> None:
    found = facts("here", tmp_path, (str(tmp_path), "/none"))
    assert found.missing == ("/none",)
    assert (found.storage_problem, [*tmp_path.iterdir()]) == ("", [])
    assert abs(found.at - time.time()) < 60
    assert facts("here", tmp_path / "none").storage_problem == "No such file or directory"


def test_a_fault_is_exit_status_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    done = CliRunner().invoke(app, ["doctor", "--json", "--storage", str(tmp_path / "none")])
    assert done.exit_code == 1
    rows = {row["check"]: row for row in json.loads(done.stdout)}
    assert rows["storage"]["state"] == "FAULT"
    assert rows["storage"]["node"] == socket.gethostname()
    (tmp_path / "bad.yaml").write_text("name: x\n")
    refused = CliRunner().invoke(app, ["doctor", str(tmp_path / "bad.yaml"), "--storage", str(tmp_path)])
    assert refused.exit_code == 1
    assert "FAULT    description" in refused.stdout


@pytest.mark.ray
def test_each_node_of_a_cluster_is_asked(tmp_path: Path) -> None:
    with cluster.connected(address=None, log=tmp_path / "ray.log"):
        (found,) = survey.survey(tmp_path)
    assert found.facts is not None
    assert (found.problem, found.facts.storage_problem) == ("", "")
    assert found.skew < doctor.SKEW
    assert (found.facts.reached, found.facts.unreachable, found.facts.port_problem) == (3, (), "")
    assert found.facts.token == token_digest()
    assert [path.name for path in tmp_path.iterdir()] == ["ray.log"]
