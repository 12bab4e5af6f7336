"""The whole road by its command line: search, kill, resume, publish; real trainings on an embedded Ray."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from automl.apps.cli import app
from automl.data import sample
from automl.storage.journal import Journal
from automl.storage.registry import Registry
from automl.study import State
from tests.builders import METRIC

pytestmark = [pytest.mark.ray, pytest.mark.yolo, pytest.mark.timeout(1800)]
SEARCH = Path(__file__).parents[2] / "automl" / "search.py"
SMALL = (
    "--set", "budget.trials=4", "--set", "ladder.max_epochs=5", "--set", "ladder.min_epochs=2", "--name", "small",
    "--data", "drawn/data.yaml",
)  # fmt: skip
SPLITS = {"train": 24, "val": 12, "test": 12}
"""No model finds anything on so few images; those of the tiny trainer do (`test_tiny_study`)."""


def environment(home: Path) -> dict[str, str]:
    """Give each study a home of its own, so that no other cluster's files are met."""
    return {**os.environ, "HOME": str(home), "AUTOML_STORAGE": str(home), "PYTHONUNBUFFERED": "1"}


def start(home: Path, *arguments: str) -> subprocess.Popen[str]:
    home.mkdir(exist_ok=True)
    command = [sys.executable, str(SEARCH), *arguments]
    return subprocess.Popen(
        command, cwd=home, env=environment(home), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def automl(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("automl")), *arguments]
    return subprocess.run(command, cwd=home, env=environment(home), text=True, capture_output=True, check=False)


def typed(home: Path, *arguments: str) -> Result:
    """Run a verb in this process: what it starts with is proved by the others."""
    return CliRunner().invoke(app, [*arguments], env={"HOME": str(home), "AUTOML_STORAGE": str(home)})


def wait_for(log: Path, said: Callable[[str], bool], *, seconds: float = 900) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if log.exists() and said(log.read_text()):
            return
        time.sleep(0.2)
    pytest.fail(f"{log} never said what was waited for: {log.read_text() if log.exists() else 'not there'}")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, list[int]]:
    """A study that was killed with SIGKILL, stopped with SIGTERM, resumed and finished; what it said; exit codes."""
    home = tmp_path_factory.mktemp("home")
    sample.draw(home / "drawn", splits=SPLITS)
    log = home / "runs" / "small" / "study.log"
    first = start(home, *SMALL)
    wait_for(home / "runs" / "small" / "journal.log", lambda text: '"epoch:2"' in text)
    first.kill()
    first.communicate()
    second = start(home, *SMALL)
    # Not "trial" alone: the repair of a folder that the kill left says it as well, before there is a search to stop.
    wait_for(log, lambda text: text.count("Ray dashboard") == 2)
    wait_for(log, lambda text: bool(re.search(r"Z trial \d+ (starts|resumes)", text.rpartition("Ray dashboard")[2])))
    second.send_signal(signal.SIGTERM)
    second.communicate(timeout=300)  # more than 30 s for a busy machine
    third = start(home, *SMALL)
    said, _ = third.communicate(timeout=1800)
    return home, said, [first.returncode, second.returncode, third.returncode]


def test_a_killed_study_ends_with_all_its_trials_and_none_run_twice(finished: tuple[Path, str, list[int]]) -> None:
    home, said, codes = finished

    assert codes == [-signal.SIGKILL, 128 + signal.SIGINT, 0], said
    trials = Journal.read(home / "runs" / "small", metric=METRIC).trials()
    assert [trial.number for trial in trials] == [0, 1, 2, 3]
    assert {trial.state for trial in trials} <= {State.COMPLETED, State.PRUNED}
    assert len(list((home / "runs" / "small" / "trials").iterdir())) == 4
    log = (home / "runs" / "small" / "study.log").read_text()
    assert "study stops: SIGTERM" in log
    for number in range(4):
        # A kill may come between the journal's line and this one; then the next session says that it starts again.
        assert log.count(f"trial {number} starts: ") <= 1 <= log.count(f"trial {number} starts")
        assert sum(f"trial {number} {how} at" in log for how in ("completed", "pruned")) == 1


def test_a_study_ends_with_exports_a_report_and_the_lines_to_type_next(finished: tuple[Path, str, list[int]]) -> None:
    home, said, _ = finished

    version = Registry(home / "models", "small").path("challenger")
    assert {"best.pt", "model.onnx", "params.yaml", "study.yaml", "promotion.json", "manifest.json"} <= {
        path.name for path in version.iterdir()
    }
    assert (home / "runs" / "small" / "report.html").stat().st_size > 10_000
    for line in ("tensorboard --logdir", "report.html", "serve", "against the baseline's", "what ships: "):
        assert line in said
    facts = json.loads((home / "runs" / "small" / "promotion.json").read_text())
    assert len(facts["challenger"]) == len(facts["default"]) == 2
    assert "Ray" not in said.replace("Ray dashboard", "").replace("local Ray cluster", "")


def test_a_finished_study_says_so_and_does_nothing(finished: tuple[Path, str, list[int]]) -> None:
    home, _, _ = finished
    before = (home / "runs" / "small" / "journal.log").read_bytes()

    again = automl(home, "resume", "runs/small")

    assert again.returncode == 0, again.stderr
    assert "study is finished: nothing to do" in again.stdout
    assert (home / "runs" / "small" / "journal.log").read_bytes() == before


def test_status_report_and_verify_read_what_is_there(finished: tuple[Path, str, list[int]]) -> None:
    home, _, _ = finished

    status = typed(home, "status", str(home / "runs" / "small"))
    report = typed(home, "report", str(home / "runs" / "small"))
    verify = typed(home, "verify", str(home / "models" / "small"))

    assert "4 of 4 trials ended" in status.stdout
    assert "verdict:" in status.stdout
    assert report.stdout.strip().endswith("report.html")
    assert "small is as published; 1 version: challenger 1\n" in verify.stdout


def test_another_description_under_the_same_name_is_refused(finished: tuple[Path, str, list[int]]) -> None:
    home, _, _ = finished

    refused = automl(home, "search", *SMALL, "--set", "train.imgsz=96")

    assert refused.returncode == 2
    assert "train.imgsz: 128 there, 96 here" in refused.stderr
    assert "Traceback" not in refused.stderr
