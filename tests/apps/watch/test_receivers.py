"""Receivers against real ones: an MQTT broker (amqtt), a Modbus device (pymodbus) and an OPC UA server (asyncua)."""

import asyncio
import json
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from automl.apps.watch.address import Address
from automl.apps.watch.delivery import ReceiverError
from tests import detectors
from tests.apps.predict.test_run import video
from tests.apps.watch.test_run import records, watch
from tests.free_port import free_port

MISSING = [name for name in ("paho", "amqtt", "pymodbus", "asyncua") if find_spec(name) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed, of the extras [watch] and [dev]: {MISSING}"),
]

RECORD = {
    "model": "boards", "version": 3, "file": "a.png",
    "boxes": [{"name": "b", "confidence": 0.5, "box": [0, 0, 1, 1]}, {"name": "a", "confidence": 0.25, "box": []}],
}  # fmt: skip


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait as long for an answer as a busy machine may need."""
    for name in ("mqtt", "modbus", "opcua"):
        monkeypatch.setattr(import_module(f"automl.apps.watch.{name}"), "SECONDS", 120.0)


@contextmanager
def running(server: Callable[[], AbstractAsyncContextManager[Any]]) -> Iterator[Any]:
    """Run an asyncio server in a thread during a block; yield what it yields."""
    ready: queue.Queue[Any] = queue.Queue()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def main() -> None:
        async with server() as found:
            ready.put(found)
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),), daemon=True)
    thread.start()
    try:
        yield ready.get(timeout=300)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(300)
        loop.close()


@asynccontextmanager
async def broker(port: int, *, anonymous: bool = True) -> Any:
    listeners = {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}}
    plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": anonymous}}
    found = import_module("amqtt.broker").Broker({"listeners": listeners, "plugins": plugins})
    await found.start()
    try:
        yield found
    finally:
        await found.shutdown()


def subscribed(port: int, topic: str) -> tuple[Any, "queue.Queue[Any]"]:
    from paho.mqtt.enums import CallbackAPIVersion  # noqa: PLC0415

    client, heard, ready = (
        import_module("paho.mqtt.client").Client(CallbackAPIVersion.VERSION2),
        queue.Queue[Any](),
        threading.Event(),
    )
    client.on_message = lambda _client, _data, message: heard.put(json.loads(message.payload))
    client.on_subscribe = lambda *_given: ready.set()
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.subscribe(topic, qos=1)
    assert ready.wait(300)
    return client, heard


def test_records_are_published_to_an_mqtt_broker(tmp_path: Path) -> None:
    registry, path, port = detectors.registered(tmp_path, 0.95), video(tmp_path / "clip.avi"), free_port()
    with running(lambda: broker(port)):
        client, heard = subscribed(port, "line/1")
        found = watch(registry, path, "--mqtt", f"mqtt://line:secret@127.0.0.1:{port}/line/1")
        assert found.exit_code == 0, found.output
        assert [heard.get(timeout=300) for _ in range(10)] == records(found)
        client.disconnect()
        client.loop_stop()
    assert "secret" not in found.output


def test_a_broker_that_is_not_there_is_told() -> None:
    from automl.apps.watch.mqtt import Mqtt  # noqa: PLC0415

    receiver = Mqtt(Address(f"mqtt://line:secret@127.0.0.1:{free_port()}/line/1"))
    with pytest.raises(ReceiverError, match="Connection refused") as caught:
        receiver.send(RECORD)
    assert "secret" not in str(caught.value)


def test_a_broker_that_refuses_the_connection_is_told() -> None:
    from automl.apps.watch.mqtt import Mqtt  # noqa: PLC0415

    port = free_port()
    receiver = Mqtt(Address(f"mqtt://127.0.0.1:{port}/line/1"))
    with running(lambda: broker(port, anonymous=False)), pytest.raises(ReceiverError, match="refused the connection"):
        receiver.send(RECORD)


@asynccontextmanager
async def device(port: int) -> Any:
    from pymodbus.server import ModbusTcpServer  # noqa: PLC0415
    from pymodbus.simulator import DataType, SimData, SimDevice  # noqa: PLC0415

    data = SimDevice(7, SimData(0, count=60, values=0, datatype=DataType.REGISTERS))
    server = ModbusTcpServer(data, address=("127.0.0.1", port))
    await server.serve_forever(background=True)
    try:
        yield server
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]


def test_counts_are_written_to_registers_of_a_modbus_device() -> None:
    from pymodbus.client import ModbusTcpClient  # noqa: PLC0415

    from automl.apps.watch.modbus import Modbus  # noqa: PLC0415

    port = free_port()
    receiver = Modbus(Address(f"modbus://127.0.0.1:{port}/40?device=7"), ["a", "b", "c"])
    with pytest.raises(ReceiverError, match="cannot be reached"):
        receiver.send(RECORD)
    with running(lambda: device(port)):
        receiver.send(RECORD)
        receiver.send({**RECORD, "boxes": []})
        receiver.send(RECORD)
        client = ModbusTcpClient("127.0.0.1", port=port)
        assert client.connect()  # type: ignore[no-untyped-call]
        assert client.read_holding_registers(40, count=8, device_id=7).registers == [2, 3, 1, 2, 5000, 1, 1, 0]
        client.close()  # type: ignore[no-untyped-call]
        beyond = Modbus(Address(f"modbus://127.0.0.1:{port}/58?device=7"), ["a", "b", "c"])
        with pytest.raises(ReceiverError, match="refused the registers"):
            beyond.send(RECORD)
        beyond.close()
        receiver.close()


@asynccontextmanager
async def opc_server(port: int) -> Any:
    asyncua = import_module("asyncua")
    server = asyncua.Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/line")
    space = await server.register_namespace("line")
    kinds = {"Json": "", "Boxes": 0, "Version": 0, "Counter": 0}
    nodes = {}
    for name, value in kinds.items():
        kind = asyncua.ua.VariantType.String if value == "" else asyncua.ua.VariantType.UInt32
        node = asyncua.ua.NodeId(f"Vision.{name}", space)
        nodes[name] = await server.nodes.objects.add_variable(node, name, value, kind)
        await nodes[name].set_writable()
    async with server:
        yield space


def test_records_are_written_to_nodes_of_an_opc_ua_server() -> None:
    from asyncua.sync import Client, ThreadLoop  # noqa: PLC0415

    from automl.apps.watch.opcua import OpcUa  # noqa: PLC0415

    port = free_port()
    with running(lambda: opc_server(port)) as space:
        receiver = OpcUa(Address(f"opc.tcp://127.0.0.1:{port}/line#ns={space};s=Vision"))
        receiver.send({**RECORD, "boxes": []})
        receiver.send(RECORD)
        with Client(f"opc.tcp://127.0.0.1:{port}/line") as client:
            values = {
                name: client.get_node(f"ns={space};s=Vision.{name}").read_value()
                for name in ("Json", "Boxes", "Version", "Counter")
            }
        assert json.loads(values.pop("Json")) == RECORD
        assert values == {"Boxes": 2, "Version": 3, "Counter": 1}
        receiver.close()
        missing = OpcUa(Address(f"opc.tcp://127.0.0.1:{port}/line#ns={space};s=Other"))
        with pytest.raises(ReceiverError, match=r"Bad[A-Z]"):
            missing.send(RECORD)
    gone = OpcUa(Address(f"opc.tcp://line:secret@127.0.0.1:{port}/line#ns=2;s=Vision"))
    with pytest.raises(ReceiverError, match="ConnectionRefusedError") as caught:
        gone.send(RECORD)
    assert "secret" not in str(caught.value)
    assert [thread for thread in threading.enumerate() if isinstance(thread, ThreadLoop)] == []
