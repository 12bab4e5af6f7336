"""Records as values of an OPC UA server: opc.tcp://USER:PASSWORD@HOST:4840/PATH#NODE.

NODE is the beginning of the identifiers of four nodes, such as `ns=2;s=Vision`: `Vision.Json` (String), `Vision.Boxes`,
`Vision.Version` and `Vision.Counter` (UInt32). The server must have them; a client cannot make nodes.
"""

import json
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from typing import Final
from urllib.parse import urlunsplit

from asyncua import ua
from asyncua.sync import Client, ThreadLoop, ThreadLoopNotRunning
from asyncua.ua.uaerrors import UaError

from automl.apps.watch.address import Address, endpoint
from automl.apps.watch.delivery import ReceiverError, Record
from automl.study.errors import StudyError

SECONDS: Final = 5.0
FAILURES: Final = (UaError, OSError, TimeoutError, FutureTimeoutError, ThreadLoopNotRunning, ValueError)


class OpcUa:
    """Four nodes of an OPC UA server."""

    def __init__(self, address: Address) -> None:
        """Check the address.

        Raises:
            StudyError: it names no node.
        """
        self.address = endpoint(address, option="--opcua", schemes=("opc.tcp",))
        self._node, self._count = address.parts.fragment, 0
        if "s=" not in self._node:
            raise StudyError("--opcua: must be opc.tcp://HOST#NODE, such as #ns=2;s=Vision, but has no string node")
        self._client: Client | None = None
        self._loop: ThreadLoop | None = None

    def send(self, record: Record) -> None:
        """Write a record to the nodes.

        Raises:
            ReceiverError: the server cannot be reached, or a node is missing or of another type.
        """
        try:
            if self._client is None:
                self._client = self._connected()
            values = {
                "Json": ua.Variant(json.dumps(record), ua.VariantType.String),
                "Boxes": ua.Variant(len(record.get("boxes", ())), ua.VariantType.UInt32),
                "Version": ua.Variant(record["version"], ua.VariantType.UInt32),
                "Counter": ua.Variant(self._count, ua.VariantType.UInt32),
            }
            nodes = [self._client.get_node(f"{self._node}.{name}") for name in values]
            self._client.write_values(nodes, [ua.DataValue(value) for value in values.values()])
        except FAILURES as error:
            self.close()
            raise ReceiverError(f"{type(error).__name__}: {self.address.without(str(error))}") from None
        self._count = (self._count + 1) % (1 << 32)

    def _connected(self) -> Client:
        parts = self.address.parts
        host = parts.netloc.rpartition("@")[2]
        self._loop = ThreadLoop(2 * SECONDS)  # our own: the client leaves its own running where it cannot connect
        self._loop.daemon = True
        self._loop.start()
        client = Client(urlunsplit((parts.scheme, host, parts.path, "", "")), timeout=SECONDS, tloop=self._loop)
        if self.address.login:
            client.set_user(self.address.login[0])
            client.set_password(self.address.login[1])
        client.connect()
        return client

    def close(self) -> None:
        """Disconnect, and end the thread of the connection."""
        client, loop = self._client, self._loop
        self._client = self._loop = None
        if client is not None:
            with suppress(*FAILURES):  # the server may be gone; then there is nothing to disconnect from
                client.disconnect()
        if loop is not None:
            loop.stop()
