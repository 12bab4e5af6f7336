"""The last words of a study can be typed, wherever it stands."""

import logging
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from automl.pipeline import finish
from automl.storage.registry import Registry
from automl.trials.job_clock import Elapsed
from tests.builders import spec_of

VERDICT: Any = SimpleNamespace(reasons=(), version=1, accepted=True, split="test", shipped=None, targets=())


@pytest.mark.parametrize("name", ["plain", "a b", "it's", "$(touch x)", "#1", "a\nb"])
def test_the_next_lines_are_quoted_for_the_shell(tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str) -> None:
    caplog.set_level(logging.INFO, logger="automl")
    storage = tmp_path / name
    (storage / "models" / "boards" / "versions" / "0001").mkdir(parents=True)
    session: Any = SimpleNamespace(
        spec=spec_of(champion="boards"),
        place=SimpleNamespace(registry=lambda wanted: Registry(storage / "models", wanted)),
        clock=SimpleNamespace(stop=lambda: Elapsed({"search": 1.0})),
        folder=storage / "runs" / "small",
        data=SimpleNamespace(images={"test": [storage / "1.jpg"]}),
        journal=SimpleNamespace(trials=list, notes=dict),
    )
    finish.summarize(session, VERDICT)
    lines = caplog.messages[caplog.messages.index("next:") + 1 :]
    assert len(lines) == 4
    if "\n" in name:
        assert all(line.isprintable() for line in lines)
        return
    given = [shlex.split(line, comments=True) for line in lines]
    assert [words[-1] for words in given] == [
        str(storage / "runs" / "small"), str(storage / "runs" / "small" / "report.html"), "champion",
        "http://127.0.0.1:8000/predict",
    ]  # fmt: skip
    assert given[3][2] == f"@{storage / '1.jpg'}"
