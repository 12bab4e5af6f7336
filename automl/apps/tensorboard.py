"""Start TensorBoard on a study, with the settings that a study of many trials needs."""

import sys
from pathlib import Path
from typing import Final

from automl.study.text import shell_line

SAMPLES: Final = "images=200,pr_curves=200,scalars=2000"
"""Points kept per tag; TensorBoard keeps 10 images and 1,000 scalars by default, so a long training lost its first."""
RELOAD_SECONDS: Final = 10
"""Interval of reading new events; TensorBoard's default is 5 s, which thousands of files cannot be read in."""


def command(folder: Path, *, host: str, port: int) -> list[str]:
    """Return the command that serves a study's event files.

    One process reads all runs of the folder. TensorBoard's own data server, which reads a thousand runs in seconds, is
    used where its package is installed (`--load_fast auto`).
    """
    return [
        sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--host", host, "--port", str(port),
        "--samples_per_plugin", SAMPLES, "--reload_interval", str(RELOAD_SECONDS), "--load_fast", "auto",
    ]  # fmt: skip


def summary(folder: Path, *, host: str, port: int) -> str:
    """Return the lines that say what is started, and where to look."""
    arguments = command(folder, host=host, port=port)[3:]
    return (
        f"TensorBoard of {folder}: http://{host}:{port}/#hparams (table of trials), #timeseries (curves and pictures)\n"
        f"same as: {shell_line('tensorboard', *arguments)}"
    )
