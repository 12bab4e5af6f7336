"""Push to a real MLflow server: files, card, the same aliases; again and after a promotion."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import automl
from automl.apps.cli import app
from automl.tracking.mlflow.client import Client, Refused
from tests.builders import written
from tests.free_port import free_port
from tests.mlflow_server import served
from tests.pipeline.test_mlflow_study import MLFLOW, start_server, stop_server, wait_for
from tests.registries import filled


def push(registry: Path, version: str, uri: str, *more: str) -> Result:
    return CliRunner().invoke(app, ["push", f"{registry}@{version}", "--to", uri, *more])


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve MLflow on a free port."""
    if MLFLOW is None:
        pytest.skip("no server of MLflow is installed: make mlflow, or set AUTOML_MLFLOW")
    folder = tmp_path_factory.mktemp("mlflow")
    port = free_port()
    process = start_server(folder, port)
    try:
        wait_for(Client(f"http://127.0.0.1:{port}"))
        yield f"http://127.0.0.1:{port}"
    finally:
        stop_server(process)


@pytest.mark.slow
def test_versions_arrive_with_files_card_and_aliases(tmp_path: Path, uri: str) -> None:
    registry = filled(tmp_path)
    card = "# boards\n"
    held = {"best.pt": written(tmp_path, "5.pt", "weights 5")}
    registry.publish(held, {"promotion.json": {}}, texts=lambda _number: {"CARD.md": card})
    first = json.loads(push(registry.folder, "champion", uri, "--json").stdout)
    assert first == {"name": "boards", "number": 2, "version": "1", "sent": True, "aliases": {"champion": "1"},
                     "left_out": ["challenger", "previous"]}  # fmt: skip
    assert push(registry.folder, "5", uri).stdout.splitlines() == [
        "boards version 5 is version 2 there", "aliases there: challenger 2, champion 1",
        "note: previous is not set there, since its version was not pushed",
    ]  # fmt: skip
    assert json.loads(push(registry.folder, "1", uri, "--json").stdout)["aliases"]["previous"] == "3"
    client = Client(uri)
    model = client.call("GET", "registered-models/get?name=boards")["registered_model"]
    assert {one["alias"]: one["version"] for one in model["aliases"]} == {
        "challenger": "2", "champion": "1", "previous": "3",
    }  # fmt: skip
    found = client.call("GET", "model-versions/get?name=boards&version=2")["model_version"]
    assert (found["description"], found["status"]) == (card, "READY")
    listed = client.call("GET", f"artifacts/list?run_id={found['run_id']}&path=version")["files"]
    assert {Path(one["path"]).name: one["file_size"] for one in listed} == {
        path.name: path.stat().st_size for path in registry.path(5).iterdir()
    }
    _again(registry.folder, uri, client)


def _again(folder: Path, uri: str, client: Client) -> None:
    """Push again after moves of the aliases: nothing is sent twice, and the aliases follow."""
    registry = automl.Registry(folder)
    registry.promote(5, why="better")
    found = json.loads(push(folder, "5", uri, "--json").stdout)
    assert (found["sent"], found["aliases"]) == (False, {"challenger": "2", "champion": "2", "previous": "1"})
    registry.rollback(why="it was not")
    registry.rollback(why="nor was that")
    assert push(folder, "1", uri).exit_code == 0
    model = client.call("GET", "registered-models/get?name=boards")["registered_model"]
    assert {one["alias"]: one["version"] for one in model["aliases"]} == {"challenger": "2", "champion": "3"}
    with pytest.raises(Refused, match="RESOURCE_DOES_NOT_EXIST"):
        client.call("GET", "model-versions/get?name=boards&version=4")


@pytest.mark.parametrize(
    ("status", "said"), [(503, "must be an MLflow server, but"), (400, "must accept version 2 of")]
)
def test_a_server_that_does_not_take_it_is_one_message(tmp_path: Path, status: int, said: str) -> None:
    registry = filled(tmp_path)
    with served() as server:
        server.status = status
        result = push(registry.folder, "champion", server.uri)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_a_server_of_another_kind_and_a_bad_address_are_one_message(tmp_path: Path) -> None:
    registry = filled(tmp_path)
    with served() as server:
        server.status, server.content = 200, b'{"registered_model": 3}'
        result = push(registry.folder, "champion", server.uri)
    assert (result.exit_code, "must answer as MLflow does, but" in result.stderr) == (2, True), result.output
    result = push(registry.folder, "champion", "http://me:secret@host")
    assert (result.exit_code, "--to: must not contain a user or a password" in result.stderr) == (2, True)
    assert "secret" not in result.output


def test_a_damaged_version_is_not_pushed(tmp_path: Path) -> None:
    registry = filled(tmp_path)
    (registry.path("champion") / "added.txt").write_text("x")
    with served() as server:
        result = push(registry.folder, "champion", server.uri)
    assert (result.exit_code, "added.txt: was added later" in result.stderr, server.calls) == (2, True, 0)
