"""What the command line does before any verb: help, version, completion, and what that may import."""

import subprocess
import sys
from importlib import metadata

import pytest
from typer.testing import CliRunner

from automl.apps.cli import DISTRIBUTION, VERBS, app

HEAVY = {
    "ray", "torch", "ultralytics", "optuna", "scipy", "matplotlib", "onnx", "onnxruntime", "uvicorn", "fastapi", "cv2",
}  # fmt: skip
ASKED = """
import sys
from automl.apps.cli import app
for arguments in {asks!r}:
    try:
        app(arguments)
    except SystemExit as stop:
        print("\\nasked", *arguments, "exit", stop.code, "loaded", *sorted(set(sys.modules) & {heavy!r}))
"""
"""All in one process: what one of them loads stays loaded, so that the first that says it is the one to look at."""
ASKS = [["--help"], ["-h"], ["--version"], *([name, "-h"] for name, _ in VERBS)]


@pytest.mark.slow
def test_help_and_version_load_no_heavy_vendor() -> None:
    script = ASKED.format(asks=ASKS, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    told = [line for line in done.stdout.splitlines() if line.startswith("asked")]
    assert told == [" ".join(["asked", *arguments, "exit 0 loaded"]) for arguments in ASKS]


def test_the_version_is_that_of_the_distribution() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.stdout) == (0, f"automl {metadata.version(DISTRIBUTION)}\n")


def test_completion_can_be_installed() -> None:
    assert "--install-completion" in CliRunner().invoke(app, ["--help"]).stdout
