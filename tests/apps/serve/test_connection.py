"""Connections: one whose request stays incomplete is closed, one whose request runs is not."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import h11
import pytest
import uvicorn
from uvicorn.server import ServerState

from automl.apps.serve import connection

WHOLE = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
PART, PARTS = bytes(100_000), 2_000


async def slow(_scope: Any, _receive: Any, send: Any) -> None:
    await asyncio.sleep(2 * connection.HEAD_SECONDS)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def endless(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(PARTS):
        await send({"type": "http.response.body", "body": PART, "more_body": True})


@asynccontextmanager
async def serving(app: Any = slow) -> AsyncIterator[tuple[str, int]]:
    config, state = uvicorn.Config(app, http=connection.Connection, ws="none", log_config=None), ServerState()
    config.load()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: connection.Connection(config, state, {}), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()


async def talk(*parts: bytes, app: Any = slow) -> bytes:
    """Return what the server sends until it closes the connection."""
    async with serving(app) as address:
        reader, writer = await asyncio.open_connection(*address)
        for part in parts:
            writer.write(part)
            await writer.drain()
        told = await reader.read()
        writer.close()
        await writer.wait_closed()
    return told


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the timeouts, but not so that a process that gets no CPU for a moment would miss one."""
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.8)
    monkeypatch.setattr(connection, "BODY_SECONDS", 0.5)


@pytest.mark.parametrize("head", [b"", b"GET", WHOLE[:-2], b"POST /predict HTTP/1.1\r\nx: " + bytes([65]) * 5000])
def test_a_head_that_stays_incomplete_closes_the_connection(head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.05)
    assert asyncio.run(talk(head)) == b""


def test_a_body_that_stays_incomplete_closes_the_connection_after_its_answer() -> None:
    assert asyncio.run(talk(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nxx", app=early)).endswith(
        b"\r\n\r\nok"
    )


@pytest.mark.slow
def test_a_second_head_that_stays_incomplete_closes_the_connection() -> None:
    assert asyncio.run(talk(b"GET / HTTP/1.1\r\nhost: x\r\n\r\nGET", app=early)).endswith(b"\r\n\r\nok")


@pytest.mark.slow
def test_a_head_in_parts_is_answered_and_a_running_request_is_not_cut() -> None:
    assert asyncio.run(talk(WHOLE[:5], WHOLE[5:])).endswith(b"\r\n\r\nok")


@pytest.mark.slow
@pytest.mark.parametrize("asked", [WHOLE, WHOLE.replace(b"close", b"keep-alive")], ids=["close", "keep-alive"])
def test_a_response_that_nobody_reads_closes_the_connection(monkeypatch: pytest.MonkeyPatch, asked: bytes) -> None:
    monkeypatch.setattr(connection, "ANSWER_SECONDS", 0.2)

    async def unread() -> int:
        received = 0
        async with serving(endless) as address:
            reader, writer = await asyncio.open_connection(*address, limit=1000)
            writer.write(asked)
            await asyncio.sleep(1.0)
            with contextlib.suppress(ConnectionResetError):
                while part := await reader.read(1_000_000):
                    received += len(part)
            writer.close()
        return received

    assert asyncio.run(unread()) < PARTS * len(PART)


@pytest.mark.slow
def test_silent_connections_make_room_for_one_that_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MOST_CONNECTIONS", 5)
    monkeypatch.setattr(connection, "GRACE_SECONDS", 0.0)

    async def flooded() -> tuple[list[bytes], bytes, bytes]:
        async with serving() as address:
            running = await asyncio.open_connection(*address)
            running[1].write(WHOLE)
            silent = [await asyncio.open_connection(*address) for _ in range(12)]
            asking = await asyncio.open_connection(*address)
            asking[1].write(WHOLE)
            cut = [await reader.read() for reader, _ in silent[:7]]
            answers = await asking[0].read(), await running[0].read()
            for _, writer in (running, asking, *silent):
                writer.close()
            return cut, *answers

    cut, asked, ran = asyncio.run(flooded())
    assert cut == [b""] * 7
    assert asked.endswith(b"ok")
    assert ran.endswith(b"ok")


POST = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"


def chunks(size: int, count: int) -> bytes:
    return (b"%x\r\n" % size + bytes(size) + b"\r\n") * count


async def late(_scope: Any, receive: Any, send: Any) -> None:
    """Answer when the body is here, or its client gone."""
    while (await receive()).get("more_body"):
        pass
    await early(_scope, receive, send)


async def early(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def asked(app: Any, *parts: bytes) -> bytes:
    async with serving(app) as address:
        reader, writer = await asyncio.open_connection(*address)
        told = b""
        with contextlib.suppress(ConnectionError):
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0.01)
            told = await reader.read()
        writer.close()
    return told


@pytest.mark.parametrize("size", [1, 255])
def test_a_body_in_many_small_chunks_is_refused(size: int) -> None:
    messages = connection.Messages(h11.SERVER)
    messages.receive_data(POST + chunks(size, 1100))
    assert isinstance(messages.next_event(), h11.Request)
    for _ in range(connection.FREE_CHUNKS):
        assert isinstance(messages.next_event(), h11.Data)
    with pytest.raises(h11.RemoteProtocolError, match="chunks must have 256 bytes on average"):
        messages.next_event()


def test_a_body_in_small_chunks_ends_the_connection() -> None:
    told = asyncio.run(asked(late, POST, chunks(1, 5000)))
    assert told == b"" or told.startswith(b"HTTP/1.1 400 ")


def test_a_body_in_chunks_is_taken() -> None:
    head = POST.replace(b"host", b"connection: close\r\nhost")
    assert asyncio.run(asked(late, head, chunks(256, 1100), b"0\r\n\r\n")).endswith(b"\r\n\r\nok")


@pytest.mark.parametrize("app", [late, early])
def test_a_malformed_chunk_closes_the_connection_without_an_error(app: Any, caplog: pytest.LogCaptureFixture) -> None:
    told = asyncio.run(asked(app, POST, b"no number\r\n", b"1\r\n"))
    assert told == b"" or told.startswith(b"HTTP/1.1 400 " if app is late else b"HTTP/1.1 200 ")
    assert [line.getMessage() for line in caplog.records if line.levelname == "ERROR"] == []


def test_a_new_connection_is_not_closed_for_those_that_come_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MOST_CONNECTIONS", 2)
    monkeypatch.setattr(connection, "MOST_AT_ONCE", 10)
    monkeypatch.setattr(connection, "GRACE_SECONDS", 60.0)
    monkeypatch.setattr(connection, "HEAD_SECONDS", 5.0)

    async def flooded(count: int) -> bytes:
        async with serving(early) as address:
            asking = await asyncio.open_connection(*address)
            silent = [await asyncio.open_connection(*address) for _ in range(count)]
            await asyncio.sleep(0.01)
            told = b""
            with contextlib.suppress(ConnectionError):
                asking[1].write(WHOLE)
                told = await asking[0].read()
            for _, writer in (asking, *silent):
                writer.close()
            return told

    assert asyncio.run(flooded(9)).endswith(b"ok")
    assert asyncio.run(flooded(15)) == b""
