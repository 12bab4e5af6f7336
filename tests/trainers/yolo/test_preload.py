"""What the fork server imports, and that no fork of it finds CUDA initialised by its parent."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from automl.study import Ending, Job, Measurement, Report
from automl.trainers import registration
from automl.trials import fork_server
from automl.trials.fork_server import Owner
from automl.trials.order import Order
from tests.builders import METRIC

pytestmark = [pytest.mark.yolo, pytest.mark.slow]

TOLD = """
import threading, torch
asked = []
for name in ("is_available", "device_count", "_lazy_init", "get_device_properties"):
    setattr(torch.cuda, name, lambda *_, name=name: asked.append(name))
for name in ("_cuda_getDeviceCount", "_cuda_init", "_cuda_getDeviceProperties"):
    if hasattr(torch._C, name):
        setattr(torch._C, name, lambda *_, name=name: asked.append(name) or 0)
from automl.trainers import yolo
yolo.preload()
print("threads", threading.active_count(), "asked", *asked)
"""
"""Each of these may initialise CUDA, which no fork of the process could use any more."""


def asks_for_a_device() -> None:
    """Be the preloading of a trainer that asks, as `yolo` must not."""
    import torch  # noqa: PLC0415

    torch.cuda.is_available()


preload = asks_for_a_device
"""This module as a trainer of the fork server."""


def run(job: Job, report: Report) -> Ending:
    """Report whether torch, in a fork of the server, takes CUDA for initialised in its parent."""
    import torch  # noqa: PLC0415

    found = {"bad fork": float(torch.cuda._is_in_bad_fork()), "initialised": float(torch.cuda.is_initialized())}
    report(Measurement(1, found, 0.0))
    return Ending(final=Measurement(1, {job.metric: 0.5}, 0.0))


@pytest.fixture
def asleep() -> Iterator[int]:
    """A process to which a fork server belongs."""
    with subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(300)"]) as process:
        yield process.pid
        process.kill()


def seen_in_a_fork(owner: Owner, folder: Path) -> dict[str, float]:
    """Run a training by the fork server of a trainer, and return what it reports."""
    with fork_server.connect(owner) as connection, connection.makefile("rw", encoding="utf-8") as lines:
        assert int(lines.readline())
        job = Job(folder, 0, {}, 0, 1, "tiny.yaml", "data.yaml", METRIC, {}, trainer="tiny")
        lines.write(Order(job.to_dict(), f"{__name__}:run", dict(os.environ), sys.path).to_line())
        lines.flush()
        found: dict[str, float] = json.loads(lines.readline())["measurement"]["metrics"]
        return found


def test_preloading_leaves_no_thread_and_asks_for_no_device() -> None:
    path = os.pathsep.join([str(Path(__file__).parents[3]), *sys.path])
    found = subprocess.run(
        [sys.executable, "-c", TOLD], capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": path}
    )
    assert found.stdout.splitlines()[-1] == "threads 1 asked", found.stderr


@pytest.mark.parametrize(("trainer", "bad"), [("yolo", 0.0), ("asking", 1.0)])
def test_a_training_can_use_cuda_after_the_fork(
    asleep: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trainer: str, bad: float
) -> None:
    """The second trainer proves that torch itself knows, also on a machine without a GPU."""
    monkeypatch.setenv(registration.REGISTERED, os.environ.get(registration.REGISTERED, ""))  # restored at the end
    registration.register("asking", __name__)
    found = seen_in_a_fork(Owner(asleep, "cuda", trainer, idle=5.0), tmp_path / "trial")
    assert found == {"bad fork": bad, "initialised": 0.0}
