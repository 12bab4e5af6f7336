"""Records posted to a web address, also to one whose path is no ASCII; a host that is no name is a failed receiver."""

import http.server
import json
import threading
from typing import Any
from urllib.parse import unquote

import pytest

from automl.apps.watch.address import Address
from automl.apps.watch.delivery import ReceiverError
from automl.apps.watch.http_post import Post


def test_a_path_and_a_query_that_are_no_ascii_arrive() -> None:
    received: list[Any] = []

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        post = Post(Address(f"http://127.0.0.1:{server.server_port}/检测/a%20b?line=二&x=1"))
        post.send({"n": 1})
        post.close()
        server.shutdown()
    ((path, record),) = received
    assert (unquote(path), record) == ("/检测/a b?line=二&x=1", {"n": 1})
    assert path.isascii()


def test_a_host_that_is_no_name_is_a_failure() -> None:
    with pytest.raises(ReceiverError, match="UnicodeError"):
        Post(Address(f"http://{'a' * 64}.example/x")).send({"n": 1})
