"""A camera for tests: an RTSP server with one stream of JPEG frames (RFC 2326, RFC 2435), interleaved over TCP."""

import base64
import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from itertools import count
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

MOST_PACKET = 1200
RATE = 90_000


class Camera:
    """Sends frames to each client that plays; the frame number is in the picture's brightness."""

    def __init__(self, *, login: str = "", seconds: float = 0.04) -> None:
        self.login, self.seconds = login, seconds
        self.connections = 0
        self.stop = threading.Event()
        self.cut = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.stop.set()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while not self.stop.is_set():
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), closing(client), client.makefile("rb") as lines:
            while request := self._request(lines):
                words, headers = request
                token = "Basic " + base64.b64encode(self.login.encode()).decode()
                if self.login and headers.get("authorization") != token:
                    self._answer(client, headers, "401 Unauthorized", 'WWW-Authenticate: Basic realm="camera"')
                    continue
                self._answered(client, words, headers)
                if words[0] == "PLAY":
                    self.connections += 1
                    self._play(client)
                    return

    def _request(self, lines: Any) -> tuple[list[str], dict[str, str]] | None:
        first = lines.readline().decode().split()
        headers = {}
        while (line := lines.readline().decode().strip()) and ":" in line:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return (first, headers) if first else None

    def _answered(self, client: socket.socket, words: list[str], headers: dict[str, str]) -> None:
        if words[0] == "DESCRIBE":
            body = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP 26\r\na=control:track\r\n"
            self._answer(client, headers, "200 OK", "Content-Type: application/sdp", body=body)
        elif words[0] == "SETUP":
            channels = re.findall("interleaved=([0-9-]+)", headers.get("transport", ""))
            transport = f"Transport: RTP/AVP/TCP;unicast;interleaved={(channels or ['0-1'])[0]}"
            self._answer(client, headers, "200 OK", transport, "Session: 1")
        else:
            self._answer(client, headers, "200 OK", "Public: DESCRIBE, SETUP, PLAY, TEARDOWN", "Session: 1")

    def _answer(self, client: socket.socket, headers: dict[str, str], code: str, *more: str, body: str = "") -> None:
        head = (f"RTSP/1.0 {code}", f"CSeq: {headers.get('cseq', '0')}", *more, f"Content-Length: {len(body)}")
        client.sendall(("\r\n".join(head) + "\r\n\r\n" + body).encode())

    def _play(self, client: socket.socket) -> None:
        sequence = count()
        for number in count():
            if self.stop.wait(self.seconds) or self.cut.is_set():
                self.cut.clear()
                return
            for packet in packets(picture(number), round(number * self.seconds * RATE), sequence):
                client.sendall(b"$\0" + struct.pack(">H", len(packet)) + packet)


def picture(number: int) -> NDArray[np.uint8]:
    """Return the frame of a number: bright cells move over black."""
    pixels = np.zeros((64, 64, 3), np.uint8)
    column = number % 8
    pixels[24:32, 8 * column : 8 * column + 8] = 255
    return pixels


def packets(pixels: NDArray[np.uint8], time: int, sequence: Iterator[int]) -> Iterator[bytes]:
    """Yield the RTP packets of a JPEG frame, with its quantization tables."""
    jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    tables, at = b"", 2
    while jpeg[at + 1] != 0xDA:
        size = int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if jpeg[at + 1] == 0xDB:
            part = jpeg[at + 4 : at + 2 + size]
            tables += b"".join(part[65 * n + 1 : 65 * n + 65] for n in range(len(part) // 65))
        at += 2 + size
    scan = jpeg[at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big") : -2]
    for start in range(0, len(scan), MOST_PACKET):
        last = start + MOST_PACKET >= len(scan)
        head = struct.pack(">BBHII", 0x80, 26 | (0x80 if last else 0), next(sequence) % 65536, time % (1 << 32), 1)
        kind = struct.pack(">IBBBB", start, 1, 255, pixels.shape[1] // 8, pixels.shape[0] // 8)
        table = struct.pack(">BBH", 0, 0, len(tables)) + tables if start == 0 else b""
        yield head + kind + table + scan[start : start + MOST_PACKET]


@contextmanager
def camera(**how: Any) -> Iterator[Camera]:
    found = Camera(**how)
    try:
        yield found
    finally:
        found.close()
