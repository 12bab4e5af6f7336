"""Check, search, confirm, export and serve ask no other machine for anything and look up no name."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests import cut_off


def why_not() -> str:
    """Return why the traffic cannot be traced here, empty if it can."""
    if not shutil.which("strace"):
        return "strace is not installed"
    if not shutil.which("unshare"):
        return "unshare is not installed"
    tried = subprocess.run(
        ["unshare", "-n", "strace", "-qq", "-o", os.devnull, "true"], capture_output=True, check=False
    )
    return "" if tried.returncode == 0 else f"no network namespace with strace can be made here: {tried.stderr!r}"


@pytest.mark.slow
@pytest.mark.yolo
@pytest.mark.ray
def test_the_whole_road_asks_no_other_machine_and_looks_up_no_name() -> None:
    if why := why_not():
        pytest.skip(why)
    kept = {name: value for name, value in os.environ.items() if not name.upper().endswith("_PROXY")}
    for name in ("AUTOML_DASHBOARD", "AUTOML_TRAINER", "AUTOML_TRAINERS", "RAY_ADDRESS"):
        kept.pop(name, None)
    with tempfile.TemporaryDirectory(prefix="cut-", ignore_cleanup_errors=True) as short:
        folder = Path(short)
        kept |= {"HOME": short, "RAY_TMPDIR": short, "PYTHONPATH": str(cut_off.ROOT)}
        command = ["unshare", "-n", sys.executable, "-m", "tests.cut_off", short]
        done = subprocess.run(command, cwd=cut_off.ROOT, env=kept, capture_output=True, text=True, check=False)
        logs = "".join(path.read_text()[-2000:] for path in sorted(folder.glob("*.log")))
        assert done.returncode == 0, done.stderr + logs
        assert "Ray dashboard http://127.0.0.1:" in (folder / "search.log").read_text()
        traces = {path.stem: path.read_text() for path in folder.glob("*.trace")}
    assert set(traces) == {"check", "search", "serve"}
    assert re.search(r"AF_INET6?, ", traces["search"]), "the trace must contain Ray's own connections on loopback"
    assert {name: [*cut_off.outbound(trace)] for name, trace in traces.items()} == {name: [] for name in traces}
