"""What the fork server imports."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.yolo, pytest.mark.slow]


def test_preloading_leaves_no_thread_and_uses_no_device() -> None:
    told = (
        "import threading; from automl.trainers import yolo; yolo.preload(); import torch; "
        "print(threading.active_count(), torch.cuda.is_initialized())"
    )
    path = os.pathsep.join([str(Path(__file__).parents[3]), *sys.path])
    found = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": path}
    )
    assert found.stdout.split()[-2:] == ["1", "False"], found.stderr
