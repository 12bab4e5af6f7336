"""Host and Origin: names of other sites are refused, addresses and this server's own names answered."""

import socket

import pytest

from automl.apps.serve.hosts import Hosts
from automl.apps.serve.refusal import RequestError


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8000", "LOCALHOST", "localhost.", "[::1]:8000", "10.1.2.3", "[2001:db8::1]"]
)
def test_addresses_and_localhost_are_answered(host: str) -> None:
    Hosts().check("GET", {"host": host})


@pytest.mark.parametrize("host", ["", "evil.example", "localhost.evil.example", "[", "127.0.0.1.evil.example", "a@b:c"])
def test_other_names_are_not(host: str) -> None:
    with pytest.raises(RequestError, match=r"^Host must be an address or a name .*; allow a name with --allowed-host$"):
        Hosts().check("GET", {"host": host})


def test_a_request_of_http_1_0_may_lack_the_header() -> None:
    Hosts().check("GET", {})


def test_the_name_it_listens_on_and_its_own_are_answered_where_others_reach_it() -> None:
    Hosts("detector.lan").check("GET", {"host": "detector.lan:8000"})
    Hosts("0.0.0.0").check("GET", {"host": socket.gethostname()})


def test_names_can_be_allowed() -> None:
    Hosts(allowed=["Detector.example"]).check("GET", {"host": "detector.example:443"})
    Hosts(allowed=["*"]).check("GET", {"host": "any.example"})


@pytest.mark.parametrize(
    ("origin", "host"),
    [("http://127.0.0.1:8000", "127.0.0.1:8000"), ("https://Detector.example", "detector.example"),
     ("https://detector.example", "127.0.0.1:8000")],
)  # fmt: skip
def test_its_own_page_may_post(origin: str, host: str) -> None:
    Hosts(allowed=["detector.example"]).check("POST", {"host": host, "origin": origin})


@pytest.mark.parametrize(
    "origin", ["null", "", "http://evil.example", "http://127.0.0.1:3000", "http://localhost:8000"]
)
def test_a_page_of_another_site_may_not(origin: str) -> None:
    headers = {"host": "127.0.0.1:8000", "origin": origin}
    Hosts().check("GET", headers)  # cannot be read by that page
    with pytest.raises(RequestError, match=r"^Origin must be this server, but got ") as caught:
        Hosts().check("POST", headers)
    assert caught.value.code == 403
