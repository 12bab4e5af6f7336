"""Who may open the page: one-time tokens, passwords, sessions; other sites, names and paths are refused."""

import asyncio
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from automl.apps.serve.hosts import Hosts
from automl.apps.web.context import Context
from automl.apps.web.jobs import Jobs
from automl.apps.web.live import LiveStudies
from automl.apps.web.pages import data, language, model, study
from automl.apps.web.security import ATTEMPTS, SESSION_SECONDS, Access, Guard
from automl.storage.place import Place
from automl.study.errors import StudyError
from automl.tracking.report import Language
from tests.registries import filled

BASE = "http://127.0.0.1:8090"
PASSWORD = "correct horse battery"


async def _socket(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("open")
    await socket.close()


APP = Starlette(routes=[
    Route("/", lambda _request: PlainTextResponse("inside"), methods=["GET", "POST"]), WebSocketRoute("/ws", _socket),
])  # fmt: skip


def client_of(access: Access) -> TestClient:
    return TestClient(Guard(APP, access=access, hosts=Hosts(), port=8090), base_url=BASE)


def signed_in(access: Access) -> TestClient:
    client = client_of(access)
    assert client.get("/", params={"token": access.token}).status_code == 200
    return client


def test_without_a_session_no_page_answers() -> None:
    client = client_of(Access())
    assert client.get("/").status_code == 401
    assert client.post("/").status_code == 401
    assert "inside" not in client.get("/").text


def test_a_token_opens_one_session_and_the_next_one_is_announced() -> None:
    announced: list[str] = []
    access = Access(announce=announced.append)
    token = access.token
    first, second = client_of(access), client_of(access)
    answer = first.get("/", params={"token": token})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert token not in answer.text
    assert first.get("/").text == "inside"
    assert second.get("/", params={"token": token}).status_code == 401
    assert announced == [access.token]
    assert second.get("/", params={"token": access.token}).status_code == 200


def test_a_session_expires() -> None:
    now = [0.0]
    access = Access(clock=lambda: now[0])
    client = signed_in(access)
    now[0] = SESSION_SECONDS + 1
    assert client.get("/").status_code == 401


def test_a_password_signs_in_and_guesses_are_limited() -> None:
    now = [0.0]
    client = client_of(Access(PASSWORD, clock=lambda: now[0]))
    for guess in range(ATTEMPTS):
        assert client.post("/login", data={"password": f"guess {guess}"}).status_code == 401
    assert client.post("/login", data={"password": PASSWORD}).status_code == 401
    now[0] = 61
    assert client.post("/login", data={"password": PASSWORD}).status_code == 200
    assert client.get("/").text == "inside"


def test_wrong_links_that_another_site_sends_do_not_keep_the_user_out() -> None:
    access = Access()
    client = client_of(access)
    for _ in range(ATTEMPTS + 1):
        assert client.get("/", params={"token": "wrong"}).status_code == 401
    assert client.get("/", params={"token": access.token}).status_code == 200


def test_without_a_password_an_empty_one_does_not_sign_in() -> None:
    assert client_of(Access()).post("/login", data={"password": ""}).status_code == 401


@pytest.mark.parametrize("secret", [PASSWORD, Access().token], ids=["password", "token"])
def test_secrets_are_not_shown(secret: str) -> None:
    assert secret not in repr(Access(PASSWORD, token=secret))


def test_a_page_of_another_site_cannot_post_or_open_a_websocket() -> None:
    client = signed_in(Access())
    evil = {"origin": "http://evil.example"}
    assert client.post("/", headers=evil).status_code == 403
    for headers in (evil, {}):
        with (
            pytest.raises(WebSocketDisconnect, match=r"^$|no session"),
            client.websocket_connect("ws://127.0.0.1:8090/ws", headers=headers),
        ):
            pass
    with client.websocket_connect("ws://127.0.0.1:8090/ws", headers={"origin": BASE}) as socket:
        assert socket.receive_text() == "open"


def test_a_websocket_needs_a_session() -> None:
    with pytest.raises(WebSocketDisconnect, match=r"^$|no session"), client_of(Access()).websocket_connect(
        "ws://127.0.0.1:8090/ws", headers={"origin": BASE}
    ):  # fmt: skip
        pass


def test_another_name_in_host_is_refused_before_the_token_is_looked_at() -> None:
    access = Access()
    token = access.token
    client = client_of(access)
    assert client.get("/", params={"token": token}, headers={"host": "rebound.example"}).status_code == 421
    assert access.token == token


def test_the_way_on_from_the_link_stays_on_this_server() -> None:
    sent: list[Message] = []
    access = Access()
    guard = Guard(APP, access=access, hosts=Hosts(), port=8090)

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    scope = {"type": "http", "method": "GET", "path": "//evil.example/", "headers": [],
             "query_string": f"token={access.token}&x=%22%3E".encode()}  # fmt: skip
    asyncio.run(guard(scope, receive, send))
    text = sent[1]["body"].decode()
    assert "url=/evil.example/?x=%22%3E" in text


def test_each_answer_forbids_other_hosts_and_frames() -> None:
    headers = signed_in(Access()).get("/").headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "SAMEORIGIN"


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    """A storage with a registry, and beside it what the page must not reach."""
    root = tmp_path / "storage"
    filled(root)
    (root / "runs").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/study.yaml").write_text("name: secret")
    (root / "runs/link").symlink_to(tmp_path / "secret")
    (root / "models/link").symlink_to(tmp_path / "secret")
    return root


@pytest.fixture
def routes(storage: Path) -> TestClient:
    """The routes of the pages that read files."""
    app = FastAPI()
    context = Context(app, Place(storage), Jobs(storage), LiveStudies())
    for page in (study.PAGE, model.PAGE, language.PAGE, data.PAGE):
        page.add(context)
    return TestClient(app, base_url=BASE)


@pytest.mark.parametrize("name", ["..", "%2e%2e", "..%2f..%2fsecret", "link", "%00", ".hidden", "a" * 65, "none"])
@pytest.mark.parametrize("path", ["/studies/{}/report", "/studies/{}/pictures/0", "/models/{}/1/bundle.zip"])
def test_no_name_from_the_browser_leads_out_of_the_storage(routes: TestClient, path: str, name: str) -> None:
    assert routes.get(path.format(name)).status_code == 404


def test_a_report_that_a_stranger_packed_has_no_session_and_leads_nowhere(storage: Path, routes: TestClient) -> None:
    (storage / "data/parts").mkdir(parents=True)
    (storage / "data/parts/data.yaml").write_text("train: images\nval: images\nnames: [a]\n")
    report = data._report_of(storage / "data/parts/data.yaml", Language.EN)
    report.parent.mkdir(exist_ok=True)
    report.write_text("<script>fetch('/models')</script>")
    answer = routes.get("/data-report/data/parts")
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "sandbox allow-scripts" in policy
    assert "allow-same-origin" not in policy
    assert "default-src 'none'" in policy
    report.unlink()
    report.symlink_to(storage.parent / "secret/study.yaml")
    assert routes.get("/data-report/data/parts").status_code == 404


def test_a_link_out_of_the_storage_is_no_study(storage: Path) -> None:
    context = Context(FastAPI(), Place(storage), Jobs(storage), LiveStudies())
    with pytest.raises(StudyError, match="must be inside of the storage"):
        context.study("link")


def test_a_version_is_downloaded_and_a_missing_one_is_not(routes: TestClient) -> None:
    answer = routes.get("/models/boards/1/bundle.zip")
    assert answer.content.startswith(b"PK")
    assert 'filename="boards-0001.zip"' in answer.headers["content-disposition"]
    assert routes.get("/models/boards/99/bundle.zip").status_code == 404


def test_the_language_route_leads_to_this_server_only(routes: TestClient) -> None:
    answer = routes.get("/language/zh", params={"next": "//evil.example"}, follow_redirects=False)
    assert answer.headers["location"] == "/evil.example"
    assert routes.get("/language/xx", follow_redirects=False).status_code == 422
