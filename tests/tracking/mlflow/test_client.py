"""The client of MLflow's REST API: credentials, redirects, and which errors pass."""

import json

import pytest

from automl.tracking.mlflow.client import Client, Denied, Refused, Unreachable
from tests.mlflow_server import served

ENVIRONMENT = {"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": "secret"}


def test_an_experiment_is_created_once() -> None:
    with served() as server:
        first, again = (Client(server.uri).experiment("a & b/é") for _ in range(2))
    assert first == again
    assert [*server.experiments] == ["a & b/é"]


def test_credentials_come_from_the_environment_and_are_never_shown() -> None:
    with served() as server:
        client = Client(server.uri, ENVIRONMENT)
        client.experiment("a")
        Client(server.uri, {"MLFLOW_TRACKING_TOKEN": "t"}).experiment("a")
    assert server.authorizations[0] == "Basic bWU6c2VjcmV0"
    assert server.authorizations[-1] == "Bearer t"
    assert "secret" not in repr(client)


def test_a_redirect_is_not_followed_with_the_credentials() -> None:
    with served() as server, served() as other:
        server.status, server.location = 302, other.uri
        with pytest.raises(Refused, match="302"):
            Client(server.uri, ENVIRONMENT).experiment("a")
    assert other.calls == 0


@pytest.mark.parametrize(
    ("status", "kind"),
    [(500, Unreachable), (503, Unreachable), (429, Unreachable), (401, Denied), (403, Denied), (400, Refused)],
)
def test_the_status_decides_whether_a_later_try_may_succeed(status: int, kind: type[Exception]) -> None:
    with served() as server:
        server.status, server.content = status, json.dumps({"error_code": "CODE", "message": "why"}).encode()
        with pytest.raises(kind, match=f"{status} CODE: why") as caught:
            Client(server.uri).experiment("a")
    assert type(caught.value) is kind


def test_a_server_that_is_none_is_named_as_such() -> None:
    with served() as server:
        server.status, server.content = 200, b"<html>"
        with pytest.raises(Refused, match="no tracking server of MLflow"):
            Client(server.uri).experiment("a")


def test_a_server_that_is_away_is_unreachable() -> None:
    with served() as server:
        pass
    with pytest.raises(Unreachable, match="Connection refused"):
        Client(server.uri).experiment("a")


def test_only_a_server_that_stores_artifacts_is_sent_some() -> None:
    with served() as server:
        client = Client(server.uri)
        assert client.upload("mlflow-artifacts:/1/run/artifacts", "a b.json", b"1")
        assert not client.upload("s3://bucket/1", "a.json", b"1")
    assert server.files == {"1/run/artifacts/a%20b.json": b"1"} or [*server.files.values()] == [b"1"]
