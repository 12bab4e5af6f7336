"""Datasets folder of Ultralytics' settings, from which a relative `path` of a `data.yaml` may be read."""

import json
import os
from pathlib import Path
from typing import Final

from automl.data import regular_files

SETTINGS: Final = "AUTOML_ULTRALYTICS_SETTINGS"
"""The user's `YOLO_CONFIG_DIR`, kept where a process replaces it by a folder of its own; may be empty."""
KEY: Final = "datasets_dir"


def keep_users_folder() -> None:
    """Remember the user's settings folder, before this process gets one of its own."""
    os.environ.setdefault(SETTINGS, os.environ.get("YOLO_CONFIG_DIR", ""))


def folders() -> tuple[Path, ...]:
    """Return the datasets folder that `yolo settings` shows to this user; none where Ultralytics was never used."""
    given = os.environ.get(SETTINGS, os.environ.get("YOLO_CONFIG_DIR", ""))
    config = Path(given) if given else Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config")
    try:
        path = config.expanduser() / "Ultralytics" / "settings.json"
        found = json.loads(regular_files.read(path, most=regular_files.MB))
    except (OSError, ValueError, RuntimeError, RecursionError):  # RuntimeError: no home folder
        return ()
    value = found.get(KEY) if isinstance(found, dict) else None
    return (Path(value),) if isinstance(value, str) and value else ()
