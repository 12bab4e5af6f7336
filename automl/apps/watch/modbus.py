"""Records as holding registers over Modbus TCP: modbus://HOST:502/ADDRESS?device=1.

From the first register on: a counter of records, the version of the model, 1 if the picture could be read, the number
of boxes, the greatest confidence in 1/10,000, then the number of boxes of each class in the order of the classes. All
are 16 bits; the counter begins again at 65,536.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qs

from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ModbusException

from automl.apps.watch.address import Address, endpoint
from automl.apps.watch.delivery import ReceiverError, Record
from automl.study.errors import StudyError

SECONDS: Final = 5.0
PORT: Final = 502
WORD: Final = 1 << 16
MOST_CLASSES: Final = 100
"""One request writes at most 123 registers."""


class Modbus:
    """Registers of a device."""

    def __init__(self, address: Address, classes: Sequence[str]) -> None:
        """Check the address.

        Args:
            address: Host, port, first register, device.
            classes: The classes of the model, in order.

        Raises:
            StudyError: register or device is out of range.
        """
        self.address = endpoint(address, option="--modbus", schemes=("modbus",))
        self._classes, self._count = classes[:MOST_CLASSES], 0
        self._first = _whole(address.parts.path.lstrip("/") or "0", most=WORD - 1 - MOST_CLASSES - 5, what="register")
        self._device = _whole(parse_qs(address.parts.query).get("device", ["1"])[-1], most=247, what="device")
        self._client: ModbusTcpClient | None = None

    def send(self, record: Record) -> None:
        """Write a record into the registers.

        Raises:
            ReceiverError: the device cannot be reached or refuses the registers.
        """
        try:
            if self._client is None:
                parts = self.address.parts
                self._client = ModbusTcpClient(str(parts.hostname), port=parts.port or PORT, timeout=SECONDS, retries=0)
            if not self._client.connect():  # type: ignore[no-untyped-call]
                raise ReceiverError("cannot be reached")
            answer = self._client.write_registers(
                self._first, registers(record, self._classes, self._count), device_id=self._device
            )
            if answer.isError():
                raise ReceiverError(f"refused the registers: {answer}")
        except (ModbusException, OSError) as error:
            self.close()
            raise ReceiverError(f"{type(error).__name__}: {self.address.without(str(error))}") from None
        self._count += 1

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()  # type: ignore[no-untyped-call]
            self._client = None


def registers(record: Record, classes: Sequence[str], count: int) -> list[int]:
    """Return the registers of a record.

    >>> box = {"name": "b", "confidence": 0.5}
    >>> registers({"version": 3, "boxes": [box, box]}, ["a", "b"], 65537)
    [1, 3, 1, 2, 5000, 0, 2]
    """
    boxes = record.get("boxes", ())
    counts = Counter(box["name"] for box in boxes)
    best = max((box["confidence"] for box in boxes), default=0.0)
    values = [count, record["version"], int("error" not in record), len(boxes), round(10_000 * best)]
    return [value % WORD for value in (*values, *(counts[name] for name in classes))]


def _whole(text: str, *, most: int, what: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and int(text) <= most):
        raise StudyError(f"--modbus: {what} must be a whole number, 0 to {most}, but got {text[:100]!r}")
    return int(text)
