"""Runs the scripts of launch/ in a home of their own, with a stand-in for `ray` that says how it was called."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.free_port import free_port

TREE = Path(__file__).resolve().parents[2]

STAND_IN = """#!{python}
import json, os, pathlib, signal, socket, sys
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
kept = {{name: value for name, value in os.environ.items() if name.startswith(("RAY_", "AUTOML_"))}}
pathlib.Path({told!r}).write_text(json.dumps({{"arguments": sys.argv[1:], "environment": kept, "pid": os.getpid()}}))
if sys.argv[1] == "start":
    listener = socket.create_server(("127.0.0.1", int(sys.argv[sys.argv.index("--dashboard-port") + 1])))
    print("Ray runtime started.", flush=True)
    signal.pause()
"""

AUTOML = "from automl.apps.cli import app; app(sys.argv[1:])"


class Shell:
    """Runs the scripts in a home and with a `ray` of their own."""

    def __init__(self, folder: Path) -> None:
        self.home, self.told = folder / "home", folder / "told.json"
        commands = folder / "bin"
        for made in (self.home, commands):
            made.mkdir()
        self.stand_in = commands / "ray"
        self.stand_in.write_text(STAND_IN.format(python=sys.executable, told=str(self.told)))
        self.stand_in.chmod(0o755)
        places = (commands, Path(sys.executable).parent, os.environ["PATH"])
        self.environment = {"HOME": str(self.home), "PATH": os.pathsep.join(map(str, places))}

    def use_real_ray(self) -> None:
        self.stand_in.unlink()

    @property
    def token(self) -> Path:
        return self.home / ".ray" / "auth_token"

    def start(self, script: str, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", TREE / "launch" / script, *arguments],
            env=self.environment | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, script: str, *arguments: str, **variables: str) -> tuple[int, str]:
        """Return the exit status and what was said on standard error."""
        process = self.start(script, *arguments, **variables)
        _, said = process.communicate(timeout=300)
        return process.returncode, said

    def verb(self, folder: Path, *words: str, **variables: str) -> tuple[int, str]:
        """Run `automl` in a folder; return the exit status and what was said on standard error."""
        command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(TREE)!r}); {AUTOML}", *words]
        done = subprocess.run(
            command, cwd=folder, env=self.environment | variables, capture_output=True, text=True, timeout=300,
            check=False,
        )  # fmt: skip
        return done.returncode, done.stderr

    def call(self) -> dict[str, Any]:
        """Return how the stand-in was called."""
        called: dict[str, Any] = json.loads(self.told.read_text())
        return called


def free_ports() -> dict[str, str]:
    names = ("AUTOML_RAY_PORT", "AUTOML_DASHBOARD_PORT", "AUTOML_CLIENT_PORT")
    return {name: str(free_port()) for name in names}


def lines_until(process: subprocess.Popen[str], last: str) -> list[str]:
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line.strip())
        if line.strip().startswith(last):
            break
    return lines
