"""The calls of MLflow's REST API that the exporter uses, in memory; it can be away."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class MlflowServer:
    """The state of the server; `status` other than 0 answers every request with that status."""

    uri: str = ""
    status: int = 0
    content: bytes = b"{}"
    """What it answers then."""
    location: str = ""
    experiments: dict[str, str] = field(default_factory=dict)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    points: list[tuple[str, str, int]] = field(default_factory=list)
    """Run, metric, step of each value, also of repeated ones."""
    files: dict[str, bytes] = field(default_factory=dict)
    authorizations: list[str] = field(default_factory=list)
    calls: int = 0

    def named(self, name: str) -> dict[str, Any]:
        """Return the only run of a name."""
        (found,) = [run for run in self.runs.values() if run["info"]["run_name"] == name]
        return found

    def steps(self, name: str, metric: str) -> list[int]:
        run = self.named(name)["info"]["run_id"]
        return [step for owner, key, step in self.points if (owner, key) == (run, metric)]

    def answer(self, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """Return the answer of a call; None where there is no such experiment."""
        call, _, query = path.removeprefix("/api/2.0/mlflow/").partition("?")
        if call == "experiments/get-by-name":
            name = parse_qs(query)["experiment_name"][0]
            return {"experiment": {"experiment_id": self.experiments[name]}} if name in self.experiments else None
        if call == "experiments/create":
            self.experiments[body["name"]] = str(len(self.experiments) + 1)
            return {"experiment_id": self.experiments[body["name"]]}
        if call == "runs/create":
            return {"run": self._created(body)}
        if call == "runs/search":
            return self._page(body)
        run = self.runs[body["run_id"]]
        if call == "runs/update":
            run["info"] |= {key: value for key, value in body.items() if key != "run_id"}
        else:
            self._log(run, body)
        return {}

    def _created(self, body: dict[str, Any]) -> dict[str, Any]:
        run = f"run{len(self.runs)}"
        info = {
            "run_id": run,
            "run_name": body["run_name"],
            "status": "RUNNING",
            "artifact_uri": f"mlflow-artifacts:/1/{run}",
        }
        self.runs[run] = {"info": info, "data": {"metrics": [], "params": [], "tags": body["tags"]}}
        return self.runs[run]

    def _page(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return one run a page, so that all pages must be asked for."""
        wanted = body["filter"].partition("'")[2].rstrip("'")
        found = [run for run in self.runs.values() if wanted in {tag["value"] for tag in run["data"]["tags"]}]
        first = int(body.get("page_token", 0))
        more = {"next_page_token": str(first + 1)} if first + 1 < len(found) else {}
        return {"runs": found[first : first + 1], **more}

    def _log(self, run: dict[str, Any], body: dict[str, Any]) -> None:
        data = run["data"]
        data["params"] += body.get("params", [])
        for point in body.get("metrics", []):
            self.points.append((run["info"]["run_id"], point["key"], point["step"]))
            data["metrics"] = [kept for kept in data["metrics"] if kept["key"] != point["key"]] + [point]
        for tag in body.get("tags", []):
            data["tags"] = [kept for kept in data["tags"] if kept["key"] != tag["key"]] + [tag]


def handler_of(state: MlflowServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            state.calls += 1
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            state.authorizations.append(self.headers.get("Authorization") or "")
            path = urlsplit(self.path).path
            if state.status:
                self.reply(state.status, state.content)
            elif path.startswith("/api/2.0/mlflow-artifacts/artifacts/"):
                state.files[path.rpartition("/artifacts/")[2]] = content
                self.reply(200, b"{}")
            elif (found := state.answer(self.path, json.loads(content or b"{}"))) is None:
                self.reply(404, b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such experiment"}')
            else:
                self.reply(200, json.dumps(found).encode())

        do_GET = do_POST = do_PUT = handle_any  # noqa: N815

        def reply(self, status: int, content: bytes) -> None:
            self.send_response(status)
            if state.location:
                self.send_header("Location", state.location)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Print nothing."""

    return Handler


@contextmanager
def served() -> Iterator[MlflowServer]:
    """Serve an empty server on a free port."""
    state = MlflowServer()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(state))
    state.uri = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
