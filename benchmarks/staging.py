"""What a node reads of a data set for several trainings: bytes from the source, with a copy on its disk and without.

Real processes take the data set as a training does (`trials/node_data.py`) and read each image once an epoch. How often
each file of the source is opened is counted by the kernel (inotify), whoever opens it; a file is always read whole. Two
openings of one file in the same instant count as one: the figures are lower bounds. One more run kills the process that
copies, and starts all again. No network and no model: what is measured is what would cross the network, and the seconds
on this disk.

    python benchmarks/staging.py [--images 400] [--trainings 8] [--epochs 3]
"""

import argparse
import ctypes
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from automl.data import check, sample, staging
from automl.study import Job
from automl.study.yaml_io import read_yaml
from automl.trainers import registration
from automl.trials import node_data
from tests import tiny_trainer

OPENED: Final = 0x20
"""IN_OPEN of inotify."""
CLOSED: Final = 0x10
"""IN_CLOSE_NOWRITE. The kernel merges equal events in a row: a closing between two openings keeps both."""
HEAD: Final = struct.Struct("iIII")
BUFFER: Final = 1 << 20
LIMIT: Final = 300.0
PAUSE: Final = 0.002
METRIC: Final = "val/map50_95"


class Opens:
    """How often each file in some folders was opened since the last look."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """Watch the folders."""
        libc = ctypes.CDLL(None, use_errno=True)
        self._handle = libc.inotify_init1(os.O_NONBLOCK)
        self._folders = {
            libc.inotify_add_watch(self._handle, os.fsencode(folder), OPENED | CLOSED): folder for folder in folders
        }
        if self._handle < 0 or min(self._folders) < 0:
            raise OSError(ctypes.get_errno(), "inotify")
        self._found = Counter[Path]()

    def look(self) -> Counter[Path]:
        """Return the counts so far; called often, since the kernel keeps 16,384 events."""
        while True:
            try:
                events = os.read(self._handle, BUFFER)
            except BlockingIOError:
                return self._found
            while events:
                watch, mask, _, length = HEAD.unpack_from(events)
                if watch < 0:
                    raise OverflowError("events of inotify were lost: lower --images or --trainings")
                name = events[HEAD.size : HEAD.size + length].rstrip(b"\0")
                if name and mask & OPENED:
                    self._found[self._folders[watch] / os.fsdecode(name)] += 1
                events = events[HEAD.size + length :]

    def taken(self) -> int:
        """Return the bytes read since the last call, and start anew."""
        found = sum(path.stat().st_size * count for path, count in self.look().items() if path.suffix != ".txt")
        self._found.clear()
        return found


def main() -> None:
    """Measure with a copy, without, and after a kill; one JSON object on the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=400, help="images of the drawn data set")
    parser.add_argument("--trainings", type=int, default=8, help="trainings on the node at once")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--reader", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    os.environ[registration.CHOSEN] = tiny_trainer.registered()
    if given.reader:
        read(Path(given.reader[0]), copy=given.reader[1], epochs=given.epochs)
        return
    with tempfile.TemporaryDirectory() as place:
        print(json.dumps(measured(Path(place), given)))


def read(marker: Path, *, copy: str, epochs: int) -> None:
    """Be a training as far as its images: take the data set, then read every image once an epoch."""
    job = Job(marker.parent, 0, {}, 0, epochs, tiny_trainer.MODEL, str(marker), METRIC, {}, trainer=tiny_trainer.NAME,
              local_copy=copy, local_copy_gb=100.0)  # fmt: skip
    with node_data.local(job) as here:
        for _ in range(epochs):
            for path in staging.images_of(Path(here.data)):
                path.read_bytes()


def measured(place: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Return all figures."""
    source = sample.draw(place / "source", splits={"train": given.images, "val": given.images // 4, "test": 1})
    data = check.check(source, read_yaml(source), splits=("train", "val"))
    marker = staging.stage(data, place / "staged")
    folders = sorted({path.resolve().parent for path in staging.images_of(marker)})
    size = sum(path.resolve().stat().st_size for path in staging.images_of(marker))
    opens = Opens(folders)
    found: dict[str, Any] = {
        "images": len(staging.images_of(marker)), "bytes": size, "trainings": given.trainings, "epochs": given.epochs,
    }  # fmt: skip
    for name, copy in (("without", "never"), ("with", "always")):
        began = time.monotonic()
        together(marker, place / name, given, copy=copy, opens=opens)
        read_bytes = opens.taken()
        found[name] = {
            "times": round(read_bytes / size, 3),
            "bytes": read_bytes,
            "s": round(time.monotonic() - began, 1),
        }
        print(f"{name} a copy: {found[name]}")
    killed = started(marker, place / "killed", given, copy="always")
    while len(opens.look()) < found["images"] // 2:
        time.sleep(PAUSE)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    together(marker, place / "killed", given, copy="always", opens=opens)
    found["after a kill"] = {"times": round(opens.taken() / size, 3)}
    print(f"after a kill in the copy: {found['after a kill']}")
    return found


def together(marker: Path, cache: Path, given: argparse.Namespace, *, copy: str, opens: Opens) -> None:
    """Run the trainings of a node at once, with a cache folder of their own."""
    running = [started(marker, cache, given, copy=copy) for _ in range(given.trainings)]
    end = time.monotonic() + LIMIT
    while any(process.poll() is None for process in running):
        opens.look()
        if time.monotonic() > end:
            raise TimeoutError(f"the trainings took over {LIMIT:g} s")
        time.sleep(PAUSE)
    if failed := [process.returncode for process in running if process.returncode]:
        raise RuntimeError(f"trainings ended with {failed}")


def started(marker: Path, cache: Path, given: argparse.Namespace, *, copy: str) -> subprocess.Popen[bytes]:
    """Start a training."""
    command = [sys.executable, __file__, "--reader", str(marker), copy, "--epochs", str(given.epochs)]
    variables = os.environ | {"AUTOML_CACHE": str(cache)}
    return subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
