"""Weights are pickles: those that name more than layers and numbers are refused before anything in them runs."""

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from automl.study import Ending, Job, State, load
from automl.study.errors import SpecError, TrialError
from automl.trainers import yolo
from automl.trainers.yolo.vendor import TRUST
from automl.trials import worker
from tests.builders import FakeRules, written
from tests.conftest import job_at
from tests.study.test_load import TEXT

pytestmark = pytest.mark.yolo

USES: dict[str, Callable[[Path, Job], object]] = {
    "train": lambda path, job: yolo.train(
        replace(job, model=str(path)), path.parent / "s", state=None, on_epoch=lambda *_: None
    ),
    "train with pretrained": lambda path, job: yolo.train(
        replace(job, settings={**job.settings, "pretrained": str(path)}),
        path.parent / "s", state=None, on_epoch=lambda *_: None,
    ),
    "validate": lambda path, job: yolo.validate(path, job, split="val"),
    "export": yolo.export_onnx,
    "edge": lambda path, _job: yolo.edge_of(path),
    "load": lambda path, _job: yolo.load(path),
    "run": lambda path, job: yolo.raw_outputs(path, None, job),  # type: ignore[arg-type]
    "strip": lambda path, _job: yolo.strip(path),
}  # fmt: skip


class Evil:
    """Becomes a call when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


class Calls:
    """Becomes whatever call it was made of."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call[0], self.call[1:]


@pytest.fixture
def evil(tmp_path: Path) -> Path:
    """Weights that make a folder `marker` beside them when they are loaded."""
    path = tmp_path / "evil.pt"
    torch.save({"model": Evil(tmp_path / "marker")}, path)
    return path


def globals_in(folder: Path, *names: str) -> Path:
    """Write weights whose pickle names `module name` each, as a list."""
    path, content = folder / "named.pt", io.BytesIO()
    torch.save({}, content)
    program = b"\x80\x02](" + b"".join(b"c" + name.replace(" ", "\n").encode() + b"\n" for name in names) + b"e."
    with zipfile.ZipFile(content) as source, zipfile.ZipFile(path, "w") as target:
        for entry in source.namelist():
            target.writestr(entry, program if entry.endswith("data.pkl") else source.read(entry))
    return path


@pytest.mark.parametrize("use", USES)
def test_weights_that_run_code_are_refused_wherever_they_enter(
    tmp_path: Path, data: Path, evil: Path, use: str
) -> None:
    with pytest.raises(TrialError, match=rf"evil\.pt contains posix\.mkdir.*set {TRUST}=1"):
        USES[use](evil, job_at(tmp_path / "job", data))

    assert not (tmp_path / "marker").exists()


def test_a_trial_from_weights_that_run_code_fails_with_the_reason(tmp_path: Path, data: Path, evil: Path) -> None:
    ending = worker.run(replace(job_at(tmp_path / "job", data), model=str(evil)), lambda _measurement: None)

    assert ending.state is State.FAILED
    assert "evil.pt contains posix.mkdir" in ending.cause
    assert not (tmp_path / "marker").exists()


def test_a_user_who_trusts_a_file_gets_it_loaded(tmp_path: Path, evil: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TRUST, "1")

    with pytest.raises(TypeError, match=r"types outside"):  # what it makes is no model
        yolo.load(evil)

    assert (tmp_path / "marker").exists()


def test_weights_of_a_training_pass(trained: tuple[Job, Ending]) -> None:
    for name in ("last.pt", "best.pt"):
        assert yolo.weights_mistake(trained[0].folder / name) == ""


@pytest.mark.parametrize(
    "name",
    [
        "builtins eval", "builtins exec", "builtins getattr", "builtins __import__", "os system", "posix system",
        "subprocess Popen", "functools partial", "operator methodcaller", "torch load", "torch.hub load",
        "torch.nn.modules.module torch.load", "torch.nn.modules.container operator.methodcaller",
        "ultralytics.nn.tasks torch_safe_load", "ultralytics.nn.tasks parse_model", "ultralytics.nn.tasks pickle.loads",
        "ultralytics.nn.modules.block torch", "ultralytics.utils.downloads safe_download", "ultralytics.utils YAML",
        "torch.nn.modules.nowhere Conv2d", "numpy load", "pathlib Path.unlink", "webbrowser open",
    ],
)  # fmt: skip
def test_what_is_neither_layer_nor_number_is_refused_by_name(tmp_path: Path, name: str) -> None:
    assert f"contains {name.replace(' ', '.')}, which loading could execute" in yolo.weights_mistake(
        globals_in(tmp_path, "torch.nn.modules.conv Conv2d", name)
    )


@pytest.mark.parametrize(
    "name",
    [
        "torch.nn.modules.conv Conv2d", "torch.nn.modules.loss BCEWithLogitsLoss", "collections OrderedDict",
        "ultralytics.nn.modules.block C3k2", "ultralytics.nn.modules.head Detect", "ultralytics.nn.modules Conv",
        "ultralytics.nn.tasks DetectionModel", "ultralytics.nn.tasks YOLOv10DetectionModel",
        "ultralytics.utils.loss v8DetectionLoss", "ultralytics.utils.tal TaskAlignedAssigner",
        "ultralytics.utils IterableSimpleNamespace", "numpy._core.multiarray scalar", "numpy dtype",
        "pathlib PosixPath",
    ],
)  # fmt: skip
def test_what_published_weights_are_made_of_passes(tmp_path: Path, name: str) -> None:
    assert yolo.weights_mistake(globals_in(tmp_path, name)) == ""


@pytest.mark.parametrize("content", [b"", b"no weights", pickle.dumps(Calls(os.getpid))])
def test_a_file_that_torch_did_not_write_is_refused(tmp_path: Path, content: bytes) -> None:
    (path := tmp_path / "odd.pt").write_bytes(content)

    assert yolo.weights_mistake(path).startswith(f"must be weights saved by torch, but {path} cannot be read: ")


def test_strange_weights_are_a_mistake_of_the_description(tmp_path: Path, evil: Path) -> None:
    path = written(tmp_path, "study.yaml", TEXT.replace("tiny.yaml", str(evil)))

    with pytest.raises(SpecError, match=r"study\.yaml: model: must contain layers and numbers only"):
        load.load(path, rules=FakeRules())
