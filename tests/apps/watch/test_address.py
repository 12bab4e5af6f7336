"""Addresses: secrets come from the environment if wanted, and are in no text."""

import importlib
from typing import Any

import pytest

from automl.apps.watch.address import Address, endpoint, given
from automl.study.errors import StudyError

URL = "rtsp://admin:p%40ss@camera.example:554/live?token=abc"


def test_a_password_is_in_no_text() -> None:
    address = Address(URL)
    for text in (str(address), repr(address), f"{address!r}"):
        assert not {"admin", "p%40ss", "p@ss", "abc"} & set(text.replace("@", "/").replace("?", "/").split("/"))
        assert "p%40ss" not in text
        assert "abc" not in text
    assert address.without(f"cannot open {URL}: 401 for p@ss with token=abc, abc") == (
        "cannot open rtsp://***@camera.example:554/live?***: 401 for *** with ***, abc"
    )
    assert address.login == ("admin", "p@ss")


def test_an_address_is_read_from_the_environment() -> None:
    assert given("env:CAMERA", option="SOURCE", environment={"CAMERA": URL}).url == URL
    with pytest.raises(StudyError, match="SOURCE: env:CAMERA must be an environment variable, but CAMERA is not set"):
        given("env:CAMERA", option="SOURCE", environment={})


def test_a_port_that_is_none_is_told_without_the_address() -> None:
    with pytest.raises(StudyError, match=r"--post: must be a URL with a port from 1 to 65535, but is not one$"):
        given("http://user:secret@host:99999/x", option="--post")


@pytest.mark.parametrize("url", ["ftp://host/x", "http:///x", "/data"])
def test_another_kind_of_address_is_told(url: str) -> None:
    with pytest.raises(StudyError, match=r"--post: must be http or https://HOST\.\.\., but got"):
        endpoint(Address(url), option="--post", schemes=("http", "https"))


@pytest.mark.parametrize(
    ("option", "module", "name", "url", "law"),
    [
        ("--mqtt", "mqtt", "Mqtt", "mqtt://host", "name a topic"),
        ("--mqtt", "mqtt", "Mqtt", "mqtt://host/a/#", "must be mqtt://HOST/TOPIC|no topic"),
        ("--mqtt", "mqtt", "Mqtt", "mqtt://host/a?qos=3", "with .qos=0, 1 or 2"),
        ("--modbus", "modbus", "Modbus", "modbus://host/x", "register must be a whole number"),
        ("--modbus", "modbus", "Modbus", "modbus://host/1?device=300", "device must be a whole number, 0 to 247"),
        ("--opcua", "opcua", "OpcUa", "opc.tcp://host", "such as #ns=2;s=Vision, but has no string node"),
    ],
)
def test_an_address_that_does_not_fit_a_receiver_is_told(
    option: str, module: str, name: str, url: str, law: str
) -> None:
    pytest.importorskip({"mqtt": "paho", "modbus": "pymodbus", "opcua": "asyncua"}[module], reason="extra [watch]")
    from automl.apps.watch import run  # noqa: PLC0415

    assert run.RECEIVERS[option][:2] == (module, name)
    if url.endswith("#"):
        url = url.replace("#", "%23")
    with pytest.raises(StudyError, match=law):
        run.receiver(option, url, classes=["a"])


def test_a_missing_package_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    from automl.apps.watch import run  # noqa: PLC0415

    def absent(_name: str) -> Any:
        raise ModuleNotFoundError("No module named 'paho'")

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(StudyError, match=r"--mqtt: must have paho-mqtt, but No module .*; pip install '.*\[watch\]'"):
        run.receiver("--mqtt", "mqtt://host/a", classes=[])
