"""`automl tensorboard` starts TensorBoard with settings for many trials; `status --watch` repeats."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from automl.apps import api, tensorboard
from automl.apps.cli import app
from automl.study.text import View
from automl.tracking import study_status


def test_images_of_a_long_training_are_all_kept(tmp_path: Path) -> None:
    command = tensorboard.command(tmp_path, host="127.0.0.1", port=6006)

    assert command[:3] == [sys.executable, "-m", "tensorboard.main"]
    assert command[command.index("--logdir") + 1] == str(tmp_path)
    assert "images=200" in command[command.index("--samples_per_plugin") + 1]
    assert f"tensorboard --logdir {tmp_path}" in tensorboard.summary(tmp_path, host="127.0.0.1", port=6006)


def test_a_study_before_its_first_trial_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["tensorboard", str(tmp_path)])

    assert done.exit_code == 2
    assert "must be a study whose first trial has started" in done.output


def test_tensorboard_takes_over_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "events.out.tfevents.1").touch()
    started: list[Any] = []
    monkeypatch.setattr(os, "execv", lambda file, arguments: started.append((file, arguments)))

    done = CliRunner().invoke(app, ["tensorboard", str(tmp_path), "--port", "7007"])

    assert done.exit_code == 0
    assert "http://127.0.0.1:7007/#hparams" in done.output
    assert started == [(sys.executable, tensorboard.command(tmp_path, host="127.0.0.1", port=7007))]


def test_watching_ends_with_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    states = iter([True, True, False])
    slept: list[float] = []

    def read(*_given: object, **_named: object) -> SimpleNamespace:
        table = View("title", ("trial",), (("0",),))
        return SimpleNamespace(
            running=next(states), table=table, driver_text="driver", messages=(), structure_lines=(), finding_lines=list
        )

    monkeypatch.setattr(api, "open_study", lambda _folder: SimpleNamespace(folder=tmp_path, spec=None))
    monkeypatch.setattr(study_status, "read", read)
    monkeypatch.setattr("time.sleep", slept.append)

    done = CliRunner().invoke(app, ["status", str(tmp_path), "--watch"])

    assert done.exit_code == 0, done.output
    assert slept == [5, 5]
    assert done.output.count("driver") == 3
