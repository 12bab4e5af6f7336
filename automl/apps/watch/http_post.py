"""Records posted as JSON to a web address."""

import base64
import http.client
import json
import ssl
from typing import Final
from urllib.parse import quote

from automl.apps.watch.address import Address, endpoint
from automl.apps.watch.delivery import ReceiverError, Record

SECONDS: Final = 10.0


class Post:
    """A web address; one connection that stays open."""

    def __init__(self, address: Address) -> None:
        """Check the address.

        Raises:
            StudyError: it is no web address.
        """
        self.address = endpoint(address, option="--post", schemes=("http", "https"))
        parts = address.parts
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._path = "".join(letter if letter.isascii() else quote(letter) for letter in path)
        self._headers = {"content-type": "application/json"}
        if address.login:
            token = base64.b64encode(":".join(address.login).encode()).decode()
            self._headers["authorization"] = f"Basic {token}"
        self._connection: http.client.HTTPConnection | None = None

    def send(self, record: Record) -> None:
        """Post a record; the answer must have a code of 200 to 299.

        Raises:
            ReceiverError: it has another one, or there is no answer.
        """
        kept = self._connection is not None
        try:
            status = self._posted(record)
        except (OSError, ValueError, http.client.HTTPException) as error:  # ValueError: a host that is no name
            self.close()
            if kept:  # the server may have closed a connection that was idle
                self.send(record)
                return
            raise ReceiverError(f"{type(error).__name__}: {self.address.without(str(error))}") from None
        if not 200 <= status < 300:
            raise ReceiverError(f"answered {status}")

    def _posted(self, record: Record) -> int:
        if self._connection is None:
            parts = self.address.parts
            if parts.scheme == "https":
                context = ssl.create_default_context()
                self._connection = http.client.HTTPSConnection(
                    str(parts.hostname), parts.port, timeout=SECONDS, context=context
                )
            else:
                self._connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=SECONDS)
        self._connection.request("POST", self._path, json.dumps(record).encode(), self._headers)
        answer = self._connection.getresponse()
        answer.read()
        return answer.status

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
