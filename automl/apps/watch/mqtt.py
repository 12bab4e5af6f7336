"""Records published over MQTT 3.1.1: mqtt://USER:PASSWORD@HOST:1883/TOPIC?qos=1, mqtts:// with TLS."""

import json
from queue import Empty, Queue
from typing import Any, Final
from urllib.parse import parse_qs, unquote

from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion

from automl.apps.watch.address import Address, endpoint
from automl.apps.watch.delivery import ReceiverError, Record
from automl.study.errors import StudyError

SECONDS: Final = 10.0
PORTS: Final = {"mqtt": 1883, "mqtts": 8883}


class Mqtt:
    """A topic of an MQTT broker."""

    def __init__(self, address: Address) -> None:
        """Check the address.

        Raises:
            StudyError: it has no topic, or a quality of service other than 0, 1 or 2.
        """
        self.address = endpoint(address, option="--mqtt", schemes=tuple(PORTS))
        self._topic = unquote(address.parts.path.lstrip("/"))
        qos = parse_qs(address.parts.query).get("qos", ["1"])[-1]
        if not self._topic or set(self._topic) & set("+#") or qos not in {"0", "1", "2"}:
            raise StudyError("--mqtt: must be mqtt://HOST/TOPIC, with ?qos=0, 1 or 2, but is not; name a topic")
        self._qos = int(qos)
        self._client: Client | None = None

    def send(self, record: Record) -> None:
        """Publish a record, and wait until the broker has it (qos 1 and 2).

        Raises:
            ReceiverError: the broker cannot be reached, refuses the login, or does not confirm.
        """
        try:
            sent = self._publish(record)
            sent.wait_for_publish(SECONDS)
            if not sent.is_published():
                raise ReceiverError("did not confirm a message in time")
        except (OSError, ValueError, RuntimeError) as error:
            self.close()
            raise ReceiverError(f"{type(error).__name__}: {self.address.without(str(error))}") from None
        except ReceiverError:
            self.close()
            raise

    def _publish(self, record: Record) -> MQTTMessageInfo:
        client = self._client or self._connected()
        return client.publish(self._topic, json.dumps(record), qos=self._qos)

    def _connected(self) -> Client:
        parts = self.address.parts
        client, answered = Client(CallbackAPIVersion.VERSION2), Queue[Any]()
        client.on_connect = lambda _client, _data, _flags, reason, _properties: answered.put(reason)
        if self.address.login:
            client.username_pw_set(*self.address.login)
        if parts.scheme == "mqtts":
            client.tls_set()
        client.connect(str(parts.hostname), parts.port or PORTS[parts.scheme], keepalive=60)
        client.loop_start()
        self._client = client
        try:
            reason = answered.get(timeout=SECONDS)
        except Empty:
            raise ReceiverError("did not answer in time") from None
        if reason.is_failure:
            raise ReceiverError(f"refused the connection: {reason}")
        return client

    def close(self) -> None:
        """Disconnect."""
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_stop()
            self._client = None
