"""Watchers of one study in one light process: the connections of a browser's page, without a browser.

Each watcher gets the page, opens the page's connection as its script does (socket.io), and follows the study's rows.
So the server has the work of that many browsers, and the machine has not the work of drawing them. `web.py --light`
starts this program; it can be run by itself beside a page.

    python benchmarks/web_watchers.py http://127.0.0.1:8090 parts --count 20 <<< "the session's Cookie header"

Prints "ready" once all watch; after the end of the second line of input a JSON list: for each watcher when it saw each
epoch of a trial, the last epochs, and the messages and bytes of both connections.
"""

import argparse
import asyncio
import json
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import aiohttp

CLIENT: Final = re.compile(r"client_id['\"]?\s*:\s*['\"]([0-9a-f-]{36})")
NEXT: Final = re.compile(r"next_message_id['\"]?\s*:\s*['\"]?(\d+)")
PING, PONG, CONNECT, EVENT = "2", "3", "40", "42"
"""Packets of engine.io and socket.io."""


@dataclass
class Watcher:
    """One watcher, and what it saw."""

    seen: dict[str, float] = field(default_factory=dict)
    """`trial:epoch` to milliseconds since 1970."""
    last: dict[str, int] = field(default_factory=dict)
    opened_ms: float = 0.0
    live_messages: int = 0
    live_bytes: int = 0
    page_messages: int = 0
    page_bytes: int = 0
    lost: int = 0
    """Connections that ended before the watcher did."""

    async def watch(self, session: aiohttp.ClientSession, base: str, study: str, ready: asyncio.Event) -> None:
        """Open the page, then follow both connections until this is cancelled."""
        begin = time.perf_counter()
        async with session.get(f"{base}/studies/{study}") as answer:
            page = await answer.text()
        found, place = CLIENT.search(page), NEXT.search(page)
        if answer.status != 200 or found is None:
            raise SystemExit(f"the page of the study must open, but the answer is {answer.status}")
        query = {
            "client_id": found[1], "next_message_id": place[1] if place else "0", "tab_id": str(uuid.uuid4()),
            "document_id": str(uuid.uuid4()), "old_tab_id": None,
        }  # fmt: skip
        async with asyncio.TaskGroup() as both:
            both.create_task(self._page(session, base, query))
            both.create_task(self._live(session, f"{base}/studies/{study}/live", begin, ready))

    async def _page(self, session: aiohttp.ClientSession, base: str, query: dict[str, Any]) -> None:
        """Hold the connection of the page's elements."""
        asked = "&".join(f"{key}={value}" for key, value in query.items() if value is not None)
        url = f"{base}/_nicegui_ws/socket.io/?EIO=4&transport=websocket&{asked}"
        async with session.ws_connect(url, headers={"origin": base}, max_msg_size=0) as socket:
            await socket.send_str(CONNECT)
            async for message in socket:
                self.page_messages += 1
                self.page_bytes += len(message.data)
                if message.data.startswith(CONNECT):
                    await socket.send_str(f"420{json.dumps(['handshake', query])}")
                elif message.data == PING:
                    await socket.send_str(PONG)
        self.lost += 1

    async def _live(self, session: aiohttp.ClientSession, url: str, begin: float, ready: asyncio.Event) -> None:
        """Follow the rows."""
        async with session.ws_connect(url, headers={"origin": url.partition("/studies")[0]}, max_msg_size=0) as socket:
            await socket.send_str("0")
            async for message in socket:
                now, found = 1000 * time.time(), json.loads(message.data)
                if not self.last:
                    self.opened_ms = 1000 * (time.perf_counter() - begin)
                    ready.set()
                else:
                    self.live_messages += 1
                    self.live_bytes += len(message.data)
                for number, cells, *_ in found.get("rows", ()):
                    self.last[str(number)] = epoch = int(cells[2].partition("/")[0])
                    self.seen.setdefault(f"{number}:{epoch}", now)
                await socket.send_str(str(found["version"]))
        self.lost += 1


@contextmanager
def watchers(link: str, cookie: str, count: int) -> Iterator[list[dict[str, Any]]]:
    """Watch the study from this program in a process of its own; what it saw is in the list after the block."""
    found: list[dict[str, Any]] = []
    if not count:
        yield found
        return
    base = link.split("/?", maxsplit=1)[0]
    program = [sys.executable, __file__, base, "scale", "--count", str(count)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise SystemExit("the watchers must have pipes, but have none")
        process.stdin.write(f"{cookie}\n")
        process.stdin.flush()
        if process.stdout.readline().strip() != "ready":
            raise SystemExit("the watchers did not start")
        yield found
        process.stdin.write("end\n")
        process.stdin.flush()
        found += json.loads(process.stdout.readline())


async def run(arguments: argparse.Namespace) -> None:
    """Watch until the input ends."""
    cookie = (await asyncio.to_thread(sys.stdin.readline)).strip()
    watchers = [Watcher() for _ in range(arguments.count)]
    timeout = aiohttp.ClientTimeout(total=None)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(headers={"cookie": cookie}, timeout=timeout, connector=connector) as session:
        tasks = []
        for watcher in watchers:
            ready = asyncio.Event()
            tasks.append(asyncio.create_task(watcher.watch(session, arguments.base, arguments.study, ready)))
            await asyncio.wait([tasks[-1], asyncio.create_task(ready.wait())], return_when=asyncio.FIRST_COMPLETED)
            if tasks[-1].done():
                tasks[-1].result()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    print(json.dumps([asdict(watcher) for watcher in watchers]), flush=True)


def main() -> None:
    """Run the watchers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", help="address of the page, without a path")
    parser.add_argument("study")
    parser.add_argument("--count", type=int, default=20)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
