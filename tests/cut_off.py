"""The road check, search, serve inside a network namespace without a route, under strace; run by `unshare -n`.

`python -m tests.cut_off FOLDER`: writes `FOLDER/NAME.trace` for each step. Only loopback is up.
"""

import fcntl
import ipaddress
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from automl.data import sample

ROOT = Path(__file__).resolve().parents[1]
PORT = 8123
TINY = {
    "budget.trials": "2", "ladder.min_epochs": "2", "ladder.max_epochs": "4", "train.imgsz": "64",
    "ladder.validate_every": "1", "confirm.seeds": "2", "resources.concurrent": "2",
}  # fmt: skip
SIOCGIFFLAGS, SIOCSIFFLAGS, UP = 0x8913, 0x8914, 0x1
INTERNET = re.compile(r'sin6?_port=htons\((\d+)\).*?(?:inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)")')
LOCAL_NAMES = ("/nscd/socket", "/resolve/io.systemd.Resolve")
"""Unix sockets of services that look names up for others; where none answers, glibc looks up by itself, at port 53."""
DNS = 53


def settings(given: Mapping[str, str]) -> list[str]:
    return [word for key, value in given.items() for word in ("--set", f"{key}={value}")]


def raise_loopback() -> None:
    """Set the interface `lo` up, as `ip link set lo up` does."""
    with socket.socket() as any_socket:
        plain = fcntl.ioctl(any_socket, SIOCGIFFLAGS, struct.pack("16sH22x", b"lo", 0))
        flags = struct.unpack("16sH22x", plain)[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | UP))


def traced(folder: Path, name: str, *words: str) -> list[str]:
    trace = ["strace", "-f", "-qq", "--seccomp-bpf", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-e", "signal=none"]
    program = "import sys; from automl.apps.cli import app; app(sys.argv[1:])"
    return [*trace, "-s", "0", "-o", str(folder / f"{name}.trace"), sys.executable, "-c", program, *words]


def step(folder: Path, name: str, *words: str) -> None:
    with (folder / f"{name}.log").open("w") as log:
        subprocess.run(traced(folder, name, *words), cwd=folder, stdout=log, stderr=log, check=True)


def served(folder: Path) -> None:
    """Serve the version and have one picture detected."""
    picture = folder / "drawn" / "images" / "test" / "0000.jpg"
    command = traced(folder, "serve", "serve", "cut", "--version", "1", "--port", str(PORT), "--storage", str(folder))
    with (folder / "serve.log").open("w") as log:
        server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    try:
        for _ in range(1500):
            try:
                asked = urllib.request.Request(f"http://127.0.0.1:{PORT}/predict", data=picture.read_bytes())
                with urllib.request.urlopen(asked, timeout=300) as answer:
                    assert answer.status == 200
                return
            except OSError:
                assert server.poll() is None, (folder / "serve.log").read_text()
                time.sleep(0.2)
        raise AssertionError((folder / "serve.log").read_text())
    finally:
        os.killpg(server.pid, signal.SIGTERM)  # strace passes no signal on, so the server itself gets it
        server.wait(timeout=300)


def outbound(trace: str) -> Iterator[str]:
    """Yield the lines of a trace that reach for another machine, or look a name up.

    >>> line = '9 connect(3, {sa_family=AF_INET, sin_port=htons(%s), sin_addr=inet_addr("%s")}, 16) = 0'
    >>> [len([*outbound(line % pair)]) for pair in (("80", "127.0.0.1"), ("53", "127.0.0.53"), ("80", "8.8.8.8"))]
    [0, 1, 1]
    """
    for line in trace.splitlines():
        found = INTERNET.search(line)
        if found:
            address = ipaddress.ip_address(found[2] or found[3])
            mapped = getattr(address, "ipv4_mapped", None) or address
            if int(found[1]) == DNS or not (mapped.is_loopback or mapped.is_unspecified):
                yield line
        elif line.endswith(" = 0") and any(name in line for name in LOCAL_NAMES):
            yield line


def main(folder: Path) -> None:
    raise_loopback()
    os.environ["AUTOML_STORAGE"] = str(folder)
    spec = str(ROOT / "search_spaces" / "smoke.yaml")
    data = ["--data", str(sample.draw(folder / "drawn", splits={"train": 24, "val": 12, "test": 12}))]
    step(folder, "check", "check", spec, *data, *settings(TINY | {"resources.concurrent": "1"}))  # times one, not two
    step(folder, "search", "search", spec, "--name", "cut", *data, *settings(TINY))
    served(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
