"""A stand-in for a Ray head's job API on loopback: it keeps what is submitted, and its jobs do what a test says."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from aiohttp import web

TOKEN = "given"


class FakeHead:
    """Jobs by id; `log`, `status` and `code` are those of each job submitted from then on."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.uploads: list[bytes] = []
        self.stopped: list[str] = []
        self.log, self.status, self.code = "the study begins\nthe study ends\n", "SUCCEEDED", 0
        self.broken = 0
        """Connections that follow a log and are cut after the first line."""
        self.rival: dict[str, Any] | None = None
        """A job that comes first at the next submission."""
        self.address = ""

    def add(self, job: str, metadata: dict[str, str], **more: Any) -> dict[str, Any]:
        self.jobs[job] = {
            "type": "SUBMISSION", "submission_id": job, "status": self.status, "entrypoint": "python",
            "metadata": metadata, "driver_exit_code": self.code, **more,
        }  # fmt: skip
        return self.jobs[job]

    async def version(self, _: web.Request) -> web.Response:
        return web.json_response({"version": "4", "ray_version": ray.__version__, "ray_commit": ""})

    async def list(self, _: web.Request) -> web.Response:
        return web.json_response(list(self.jobs.values()))

    async def submit(self, request: web.Request) -> web.Response:
        asked = await request.json()
        if self.rival:
            self.add(asked["submission_id"], self.rival, status="RUNNING")
            self.rival = None
        if asked["submission_id"] in self.jobs:
            return web.Response(status=500, text="taken")
        self.add(
            asked["submission_id"], asked["metadata"], entrypoint=asked["entrypoint"], runtime_env=asked["runtime_env"]
        )
        return web.json_response({"job_id": asked["submission_id"], "submission_id": asked["submission_id"]})

    async def info(self, request: web.Request) -> web.Response:
        return web.json_response(self.jobs[request.match_info["job"]])

    async def stop(self, request: web.Request) -> web.Response:
        job = request.match_info["job"]
        self.stopped.append(job)
        self.jobs[job] |= {"status": "STOPPED", "driver_exit_code": None}
        return web.json_response({"stopped": True})

    async def logs(self, _: web.Request) -> web.Response:
        return web.json_response({"logs": self.log})

    async def tail(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        first, _, rest = self.log.partition("\n")
        await socket.send_str(f"{first}\n")
        if self.broken:
            self.broken -= 1
            assert request.transport
            request.transport.abort()
            return socket
        await socket.send_str(rest)
        await socket.close()
        return socket

    async def package(self, request: web.Request) -> web.Response:
        if request.method == "GET":
            return web.Response(status=404)
        self.uploads.append(await request.read())
        return web.Response()


@web.middleware
async def _with_token(request: web.Request, handler: Any) -> Any:
    if request.headers.get("Authorization") != f"Bearer {TOKEN}":
        return web.Response(status=403, text="Forbidden")
    return await handler(request)


@contextmanager
def fake_head() -> Iterator[FakeHead]:
    """Serve a head for a block."""
    head, loop = FakeHead(), asyncio.new_event_loop()
    app = web.Application(middlewares=[_with_token], client_max_size=2**26)
    app.add_routes([
        web.get("/api/version", head.version), web.get("/api/jobs/", head.list), web.post("/api/jobs/", head.submit),
        web.get("/api/jobs/{job}", head.info), web.post("/api/jobs/{job}/stop", head.stop),
        web.get("/api/jobs/{job}/logs", head.logs), web.get("/api/jobs/{job}/logs/tail", head.tail),
        web.route("*", "/api/packages/{protocol}/{name}", head.package),
    ])  # fmt: skip
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    loop.run_until_complete(runner.setup())
    site = web.TCPSite(runner, "127.0.0.1", 0)
    loop.run_until_complete(site.start())
    head.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield head
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(timeout=300)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
