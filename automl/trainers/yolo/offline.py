"""Offline mode: disable Ultralytics' network access before it is imported.

Called first thing in every process that trains, validates or exports. What each setting turns off was traced in
Ultralytics 8.4.190: analytics, update checks, run-time pip installs, font and weight downloads, seven integrations.
"""

import atexit
import os
import shutil
from functools import cache
from pathlib import Path
from typing import Final

from automl.data import vendor_datasets
from automl.storage import scratch

ENVIRONMENT: Final = {
    "YOLO_OFFLINE": "1",
    "YOLO_AUTOINSTALL": "false",
    "ULTRALYTICS_SAFE_LOAD": "1",
    # ONNX Runtime from 1.29 on sends usage data to its vendor unless it is told not to (`automl/__init__.py`).
    "ORT_DISABLE_TELEMETRY": "1",
    # Waiting OpenMP threads spin by default; on a busy machine that costs five times the training itself.
    "OMP_WAIT_POLICY": "passive",
}
INTEGRATIONS: Final = ("clearml", "comet", "dvc", "mlflow", "raytune", "tensorboard", "wandb")
FONTS: Final = ("Arial.ttf", "Arial.Unicode.ttf")


@cache
def disable_network() -> Path:
    """Set the environment and give this process a settings folder of its own; return that folder.

    Idempotent within a process. The folder is deleted when the process ends.
    """
    vendor_datasets.keep_users_folder()
    os.environ.update(ENVIRONMENT)
    os.environ.setdefault("YOLO_VERBOSE", "false")
    os.environ.pop("ULTRALYTICS_API_KEY", None)
    root = scratch.make()
    atexit.register(scratch.delete, root)
    os.environ["YOLO_CONFIG_DIR"] = str(root)
    (root / "Ultralytics").mkdir()
    for name in FONTS:
        shutil.copyfile(_font(), root / "Ultralytics" / name)
    return root


def disabled_integrations() -> dict[str, bool]:
    """Return the Ultralytics settings that switch every integration and the usage reports off."""
    return {"sync": False} | dict.fromkeys(INTEGRATIONS, False)


def _font() -> Path:
    """Return a font that comes with matplotlib, to replace the one that Ultralytics would download."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
