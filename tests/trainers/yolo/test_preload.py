"""What the fork server imports."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.yolo, pytest.mark.slow]


TOLD = """
import threading, torch
asked = []
for name in ("is_available", "device_count", "_lazy_init", "get_device_properties"):
    setattr(torch.cuda, name, lambda *_, name=name: asked.append(name))
from automl.trainers import yolo
yolo.preload()
print("threads", threading.active_count(), "asked", *asked)
"""
"""Each of these may initialise CUDA, which no fork of the process could use any more."""


def test_preloading_leaves_no_thread_and_asks_for_no_device() -> None:
    path = os.pathsep.join([str(Path(__file__).parents[3]), *sys.path])
    found = subprocess.run(
        [sys.executable, "-c", TOLD], capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": path}
    )
    assert found.stdout.splitlines()[-1] == "threads 1 asked", found.stderr
