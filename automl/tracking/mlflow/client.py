"""Client of MLflow's REST API 2.0: experiments, runs, batches of metrics, artifacts.

Source of the calls: https://mlflow.org/docs/latest/rest-api.html.
"""

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import quote

from automl.tracking.no_redirect import NoRedirect

SECONDS: Final = 10.0
"""Limit of one request."""
LEAST_SERVER_ERROR: Final = 500
BUSY: Final = frozenset({408, 425, 429})
DENIED: Final = frozenset({401, 403})
LARGEST: Final = 64_000_000
"""Bytes of a response that are read."""
LONGEST: Final = 300
PROXIED: Final = "mlflow-artifacts:"
"""Scheme of artifacts that the tracking server stores itself."""


class Unreachable(Exception):  # noqa: N818
    """The server does not answer, or asks to be left alone for now; the same request may succeed later."""


class Refused(Exception):  # noqa: N818
    """The server does not accept a request."""


class Denied(Refused):
    """The server does not accept the credentials."""


@dataclass(frozen=True, slots=True)
class Client:
    """A tracking server; `environment` holds the credentials."""

    uri: str
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    def experiment(self, name: str) -> str:
        """Return the id of an experiment, which is created if there is none."""
        try:
            found = self.call("GET", f"experiments/get-by-name?experiment_name={quote(name, safe='')}")
        except Refused as refused:
            if "RESOURCE_DOES_NOT_EXIST" not in str(refused):
                raise
            return str(self.call("POST", "experiments/create", {"name": name})["experiment_id"])
        if found["experiment"].get("lifecycle_stage") == "deleted":
            raise Refused(f"experiment {name} was deleted there; restore it or set another tracking.mlflow.experiment")
        return str(found["experiment"]["experiment_id"])

    def runs(self, experiment: str, tags: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return the runs with these tags; tag values must not contain quotation marks."""
        wanted = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
        body: dict[str, Any] = {"experiment_ids": [experiment], "filter": wanted, "max_results": 1000}
        found: list[dict[str, Any]] = []
        while True:
            page = self.call("POST", "runs/search", body)
            found += page.get("runs", [])
            if not (token := page.get("next_page_token")):
                return found
            body["page_token"] = token

    def create(self, experiment: str, *, name: str, start: int, tags: Mapping[str, str]) -> dict[str, Any]:
        """Create a run; `start` is in milliseconds."""
        body = {"experiment_id": experiment, "run_name": name, "start_time": start, "tags": _pairs(tags)}
        return dict(self.call("POST", "runs/create", body)["run"])

    def log(self, run: str, batch: Mapping[str, Any]) -> None:
        """Log `metrics`, `params` and `tags` of a run, all or nothing of each."""
        self.call("POST", "runs/log-batch", {"run_id": run, **batch})

    def update(self, run: str, *, status: str, end: int | None) -> None:
        """Set the status of a run."""
        body = {"run_id": run, "status": status}
        self.call("POST", "runs/update", body | ({} if end is None else {"end_time": end}))

    def upload(self, artifact_uri: str, name: str, content: bytes) -> bool:
        """Store an artifact of a run; return False if the server does not store artifacts itself."""
        if not artifact_uri.startswith(PROXIED):
            return False
        path = artifact_uri.removeprefix(PROXIED).strip("/")
        self._send("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{quote(f'{path}/{name}')}", content)
        return True

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401
        """Return the answer of a call; `path` is below `/api/2.0/mlflow/`.

        Raises:
            Unreachable: the server does not answer for now.
            Refused: it does not accept the call.
        """
        content = None if body is None else json.dumps(body).encode()
        answer = self._send(method, f"/api/2.0/mlflow/{path}", content)
        try:
            return json.loads(answer)
        except ValueError:
            raise Refused("the answer is not JSON, so it is no tracking server of MLflow") from None

    def _send(self, method: str, path: str, content: bytes | None) -> bytes:
        request = urllib.request.Request(self.uri.rstrip("/") + path, data=content, method=method)
        request.add_header("Content-Type", "application/json" if "/mlflow/" in path else "application/octet-stream")
        if authorization := _authorization(self.environment):
            request.add_unredirected_header("Authorization", authorization)
        opener = urllib.request.build_opener(NoRedirect())
        try:
            with opener.open(request, timeout=SECONDS) as response:
                return bytes(response.read(LARGEST))
        except urllib.error.HTTPError as error:
            with error:
                raise _error_of(error.code, error.read(LARGEST)) from None
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise Unreachable(str(getattr(reason, "strerror", None) or reason or type(error).__name__)) from None


def _error_of(code: int, content: bytes) -> Exception:
    """Return the error that a status means; its text is that of MLflow, if any.

    >>> _error_of(404, b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no run"}')
    Refused('404 RESOURCE_DOES_NOT_EXIST: no run')
    """
    text = f"HTTP status {code}"
    try:
        plain = json.loads(content)
        text = f"{code} {plain['error_code']}: {plain['message']}"[:LONGEST]
    except (LookupError, TypeError, ValueError):
        pass
    if code in DENIED:
        return Denied(text)
    return Unreachable(text) if code >= LEAST_SERVER_ERROR or code in BUSY else Refused(text)


def _authorization(environment: Mapping[str, str]) -> str:
    """Return the header's value, from the variables that MLflow's own client reads; empty for none.

    >>> _authorization({"MLFLOW_TRACKING_USERNAME": "a", "MLFLOW_TRACKING_PASSWORD": "b"})
    'Basic YTpi'
    """
    if user := environment.get("MLFLOW_TRACKING_USERNAME"):
        pair = f"{user}:{environment.get('MLFLOW_TRACKING_PASSWORD', '')}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"
    token = environment.get("MLFLOW_TRACKING_TOKEN")
    return f"Bearer {token}" if token else ""


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]
