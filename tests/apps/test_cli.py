"""A user's mistakes at the command line: one message with the law and the values, exit 2, nothing started or lost."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from automl import cluster
from automl.apps.cli import app
from automl.apps.cli.messages import readable
from automl.data import sample
from automl.pipeline import time_forecast
from automl.pipeline.time_forecast import TimeForecast
from automl.storage import files
from automl.study.errors import StudyError
from automl.trainers.yolo.vendor import ultralytics
from tests.conftest import MICRO

pytestmark = pytest.mark.yolo
HERE = Path(__file__).parents[2]
SMOKE = (HERE / "search_spaces" / "smoke.yaml").read_text().replace("models/", f"{HERE}/search_spaces/models/")


def automl(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refused(*arguments: str | Path) -> str:
    """Run a command that must be refused and return what it said, in one line."""
    result = automl(*arguments)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return " ".join(result.stderr.split())


@pytest.fixture(autouse=True)
def never_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "connected", lambda **_kwargs: pytest.fail("must be refused before Ray is started"))


@pytest.fixture(autouse=True)
def nothing_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_forecast, "forecast", lambda _spec, _data: TimeForecast("not measured here"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return sample.draw(tmp_path / "data", splits={"train": 6, "val": 4, "test": 4})


def emptied(split: str) -> Callable[[Path], None]:
    def change(data: Path) -> None:
        for path in (data.parent / "images" / split).iterdir():
            path.unlink()

    return change


def labelled(line: str) -> Callable[[Path], None]:
    def change(data: Path) -> None:
        (data.parent / "labels" / "train" / "0000.txt").write_text(line + "\n")

    return change


def rewritten(old: str, new: str) -> Callable[[Path], None]:
    def change(data: Path) -> None:
        data.write_text(data.read_text().replace(old, new))

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (Path.unlink, "data.yaml: must be a readable file, but No such file or directory"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00"), "data.yaml: must be UTF-8 text, but its encoding is UTF-16"),
        (lambda path: path.write_text("train: [unclosed"), "data.yaml: must be YAML, but"),
        (
            rewritten("test: images/test\n", ""),
            "test: must name a folder or a text file that lists images, or a list of these, but names none",
        ),
        (rewritten("images/val", "images/none"), "val: must exist, but"),
        (emptied("val"), "val: must contain images"),
        (labelled("7 0.5 0.5 0.1 0.1"), "0000.txt:1: class must be 0 to 2, but got 7"),
        (labelled("0 nan 0.5 0.1 0.1"), "0000.txt:1: must be finite numbers, but got '0 nan 0.5 0.1 0.1'"),
        (labelled("0 0.5 0.5 2.5 0.1"), "0000.txt:1: box must lie inside the image"),
    ],
)
def test_bad_data_is_named_by_file_and_line(
    tmp_path: Path, data: Path, change: Callable[[Path], object], said: str
) -> None:
    change(data)

    assert said in refused("search", "--data", data, "--storage", tmp_path)
    assert said in refused("check", "--data", data)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (
            "space.lr0={low: 0.1, high: 0.01, default: 0.05}",
            "space.lr0: low < high must hold, but got low=0.1, high=0.01",
        ),
        ("space.lr0={low: 0.1, high: 0.01}", "space.lr0: low < high must hold, but got low=0.1, high=0.01"),
        (
            "space.momentun={low: 0.1, high: 0.2, default: 0.1}",
            "space.momentun: is not a setting of Ultralytics; did you mean momentum?",
        ),
        ("space.optimizer={choices: [], default: SGD}", "space.optimizer.choices: must have at least 1 item"),
        ("train.imgs=128", "train.imgs: is not a setting of Ultralytics; did you mean imgsz?"),
        ("budgett={trials: 3}", "budgett: is not a known key; did you mean budget?"),
        ("name=../escape", "name: must be 1 to 64 letters, digits"),
        ("model=nothing.pt", "model: must be an existing file"),
        ("resources.gpus=7", "batch: must be divisible by 7, the GPUs of a trial (resources.gpus)"),
        ("resources.gpus=1.5", "resources.gpus: must be at most 1"),
        ("space.close_mosaic={choices: [12], default: 12}", "must hold, but got close_mosaic=12, max_epochs=12"),
    ],
)
def test_a_bad_description_is_refused_with_key_law_and_values(tmp_path: Path, key: str, said: str) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(SMOKE)

    told = refused("search", spec, "--storage", tmp_path, "--set", key)

    assert f"{spec}: " in told
    assert said in told
    assert not (tmp_path / "runs").exists()


def test_a_value_without_a_key_is_refused() -> None:
    assert "--set trials: must be KEY=VALUE" in refused("search", "--set", "trials")


def test_a_second_writer_is_refused_with_the_name_of_the_first(tmp_path: Path) -> None:
    with files.locked(tmp_path / "runs" / "smoke"):
        told = refused("search", "--storage", tmp_path)

    assert "must have one writer at a time" in told
    assert "process" in told


def test_a_storage_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file stands where the folder should")

    assert "must be a writable folder" in refused("search", "--storage", tmp_path)


@pytest.mark.parametrize("verb", ["resume", "status", "report"])
def test_a_folder_that_is_no_study_is_refused(tmp_path: Path, verb: str) -> None:
    assert "must be a study's folder, but has no study.yaml" in refused(verb, tmp_path)


@pytest.mark.parametrize("verb", ["serve", "verify", "rollback", "promote", "export"])
def test_a_folder_that_is_no_registry_is_refused(tmp_path: Path, verb: str) -> None:
    needed = {"rollback": ["--why", "x"], "promote": ["--version", "1", "--why", "x"], "export": [str(tmp_path / "e")]}

    assert "must be a registry folder" in refused(verb, tmp_path, *needed.get(verb, []))


def test_a_newer_format_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "runs" / "x").mkdir(parents=True)
    (tmp_path / "runs" / "x" / "study.yaml").write_text("format: 99\nname: x\n")

    assert "a newer automl wrote it; update" in refused("resume", tmp_path / "runs" / "x")


def test_a_storage_that_cannot_be_written_is_named_by_a_plan_as_well(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file stands where the folder should")
    for verb in (["search", "--plan"], ["check"]):
        told = refused(*verb, "--storage", tmp_path)
        assert f"must be a writable folder, but {tmp_path}/runs is not a folder; pass --storage" in told


def test_a_study_that_never_began_leaves_no_folder(tmp_path: Path, data: Path) -> None:
    emptied("val")(data)
    refused("search", "--data", data, "--storage", tmp_path)
    assert not (tmp_path / "runs" / "smoke").exists()


def test_a_gpu_that_is_not_there_is_told_before_a_study(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("automl.trainers.yolo.vendor.has_cuda", lambda: False, raising=False)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    told = automl("check", "--data", data, "--storage", tmp_path, "--set", "resources.gpus=1").output
    assert "machine warning: resources.gpus: 1 per trial, but this machine has no CUDA GPU" in told


def test_a_folder_with_files_is_not_drawn_into(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")

    assert "must be a new or empty folder" in refused("sample", tmp_path)
    assert automl("sample", tmp_path / "drawn").exit_code == 0
    assert (tmp_path / "drawn" / "data.yaml").is_file()


def test_a_plan_tells_data_ladder_and_cost_and_starts_nothing(tmp_path: Path) -> None:
    told = automl("search", "--plan", "--storage", tmp_path).output

    assert "data test: 128 images; boxes: hole" in told
    assert "trials are compared at epochs [6] of 12" in told
    assert "epochs of training" in told
    assert re.search(r"disk: at most [\d.]+ MB while it runs \(16 unended trials x ", told)
    assert not list(tmp_path.iterdir())


def test_a_quota_that_cannot_hold_one_trial_is_refused_and_the_law_is_told(tmp_path: Path) -> None:
    told = refused("check", "--storage", tmp_path, "--set", "retention.quota_gb=0.005")
    assert "retention.quota_gb: must be enough for one running trial and the best one, about 0.01" in told
    assert told.endswith("GB, but got 0.005")


def test_weights_that_are_none_are_found_before_a_trial_runs(tmp_path: Path, data: Path) -> None:
    (tmp_path / "bad.pt").write_bytes(b"no weights")
    assert "bad.pt cannot be read" in refused("check", "--data", data, "--model", tmp_path / "bad.pt")


@pytest.mark.parametrize("name", ["yolo_small.yaml", "yolo_family.yaml", "yolo26_small.yaml"])
def test_the_shipped_spaces_hold_with_data_and_weights_in_place(tmp_path: Path, data: Path, name: str) -> None:
    for size in "nsm":
        ultralytics().YOLO(str(MICRO)).save(tmp_path / f"yolo11{size}.pt")
        shutil.copyfile(tmp_path / f"yolo11{size}.pt", tmp_path / f"yolo26{size}.pt")
    (tmp_path / name).write_text((HERE / "search_spaces" / name).read_text())

    result = automl("check", tmp_path / name, "--data", data)

    assert result.exit_code == 0, result.output


def test_a_mistake_before_the_first_trial_does_not_take_the_name(tmp_path: Path, data: Path) -> None:
    emptied("val")(data)
    refused("search", "--data", data, "--storage", tmp_path)

    again = refused("search", "--data", data, "--storage", tmp_path, "--set", "train.imgsz=96")

    assert "val: must contain images" in again
    assert "same description" not in again


@pytest.mark.parametrize("place", ["smoke", "runs/renamed", "deep/smoke"])
def test_a_study_that_was_moved_out_of_its_place_is_not_resumed(tmp_path: Path, place: str) -> None:
    folder = tmp_path / place
    folder.mkdir(parents=True)
    (folder / "study.yaml").write_text("format: 1\n" + SMOKE)

    assert f"{folder}: must be named runs/smoke" in refused("resume", folder)


@pytest.mark.yolo
def test_a_plan_is_of_the_study_that_is_named(tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["search", "--plan", "--name", "planned", "--storage", str(tmp_path)])
    assert told.exit_code == 0, told.output
    assert told.output.startswith("study planned: 16 trials of ")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "Permission denied", "/data"), "automl: /data: Permission denied; fix the cause"),
        (OSError(28, "No space left on device"), "automl: storage: No space left on device"),
        (FileNotFoundError("Image Not Found b\udcfc.jpg"), "automl: Image Not Found b\\xfc.jpg"),
        (StudyError("b\udcfc: must hold"), "automl: b\\xfc: must hold"),
    ],
)
def test_an_error_of_the_surroundings_is_one_message(
    error: Exception, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise error

    with pytest.raises(typer.Exit, match="2") as ended:
        readable(broken)()
    assert ended.value.exit_code == 2
    assert capsys.readouterr().err.startswith(said)
