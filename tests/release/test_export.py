"""From weights to ONNX and an engine, with the real exporters."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from automl.release import export, other_forms, parity, runtime_contract, tensorrt_builder
from automl.storage import files
from automl.study import Ending, Job
from automl.study.errors import ExportError
from automl.trainers import yolo
from automl.trainers.other_formats import Form

pytestmark = pytest.mark.yolo
needs_rtx = pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx") is None,
    reason="tensorrt_rtx is not installed",
)


def judged_images(job: Job) -> list[Path]:
    return sorted(Path(job.data).parent.glob("images/test/*.jpg"))


def test_onnx_says_what_torch_says(trained: tuple[Job, Ending], tmp_path: Path) -> None:
    job = replace(trained[0], split="test")

    built = export.build(job.folder / "best.pt", job, tmp_path, images=judged_images(job), engine="none")

    assert built.onnx_difference < 1e-4
    assert built.onnx_score == pytest.approx(built.torch_score, abs=1e-3)
    assert built.engine is None
    assert not built.notes
    onnx.checker.check_model(str(built.onnx.file))
    assert {path.name for path in tmp_path.glob("smoke-*")} == {"smoke-0.jpg", "smoke-1.jpg"}


def test_a_graph_that_is_not_the_weights_is_refused(
    trained: tuple[Job, Ending], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = yolo.raw_outputs
    monkeypatch.setattr(yolo, "raw_outputs", lambda weights, pictures, job: real(weights, pictures, job) * 1.01)
    images = judged_images(trained[0])

    with pytest.raises(ExportError, match=r"outputs must be within 0\.001 of torch's"):
        export.build(trained[0].folder / "best.pt", trained[0], tmp_path, images=images, engine="none")


def test_a_free_batch_axis_is_compared_in_batches_and_stands_in_the_contract(
    trained: tuple[Job, Ending], tmp_path: Path
) -> None:
    job = replace(trained[0], split="test", settings={**trained[0].settings, "dynamic": True})

    built = export.build(job.folder / "best.pt", job, tmp_path, images=judged_images(job), engine="none")

    assert built.onnx_difference < 1e-4
    record = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
    size = record["imgsz"]
    assert runtime_contract.contract(built.onnx.file, record)["input"]["shape"] == [-1, 3, size, size]

    (tmp_path / "0001").mkdir()
    for path in (job.folder / "best.pt", tmp_path / "evaluation.json", *tmp_path.glob("smoke-*")):
        files.copy(path, tmp_path / "0001" / path.name)
    said = other_forms.write(tmp_path / "0001", tmp_path / "wide.onnx", Form("onnx", 64, 96, dynamic=True))
    assert "any batch x 64 x 96; differs from the weights by" in said
    held = json.loads((tmp_path / "wide.contract.json").read_text(encoding="utf-8"))
    assert held["input"]["shape"] == [-1, 3, 64, 96]
    assert (held["input"]["letterbox"]["input_height"], held["input"]["letterbox"]["input_width"]) == (64, 96)


def test_wrong_weights_show_in_the_comparison(trained: tuple[Job, Ending], tmp_path: Path) -> None:
    job = trained[0]
    weights = tmp_path / "model.pt"
    weights.write_bytes((job.folder / "best.pt").read_bytes())
    exported = yolo.export_onnx(weights, job)
    graph = onnx.load(exported)
    for tensor in graph.graph.initializer:
        if len(tensor.raw_data) > 1000:
            tensor.raw_data = bytes(len(tensor.raw_data))
    onnx.save(graph, exported)

    assert parity.compare(weights, exported, judged_images(job)[:4], job) > parity.MAX_DIFFERENCE


@needs_rtx
def test_without_a_gpu_the_engine_is_built_for_rtx_cards_and_says_so(
    trained: tuple[Job, Ending], tmp_path: Path
) -> None:
    job = trained[0]

    built = export.build(job.folder / "best.pt", job, tmp_path, images=judged_images(job), engine="tensorrt_rtx")

    assert built.engine is not None
    assert built.engine.file.stat().st_size > 100_000
    assert built.engine.builder.startswith("tensorrt_rtx ")
    assert built.engine.score is None
    assert "RTX cards only" in built.notes[0]


def test_an_engine_that_was_asked_for_and_cannot_be_built_is_told(
    trained: tuple[Job, Ending], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(yolo, "has_cuda", lambda: False)
    job = trained[0]

    built = export.build(job.folder / "best.pt", job, tmp_path, images=judged_images(job), engine="tensorrt")

    assert built.engine is None
    assert built.notes == ("no engine was built: this machine has no CUDA GPU, which tensorrt needs",)
    with pytest.raises(ExportError, match="cannot be built: this machine has no CUDA GPU"):
        tensorrt_builder.build_plan(built.onnx.file, tmp_path / "model.engine", wanted="tensorrt")


@needs_rtx
def test_a_file_that_is_no_graph_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"nothing of the kind")

    with pytest.raises(ExportError, match=r"model\.onnx: tensorrt_rtx could not read the graph"):
        tensorrt_builder.build_plan(tmp_path / "model.onnx", tmp_path / "model.engine", wanted="tensorrt_rtx")


@pytest.mark.gpu
@pytest.mark.skipif(importlib.util.find_spec("tensorrt") is None, reason="tensorrt is not installed")
def test_on_a_gpu_the_engine_is_measured(trained: tuple[Job, Ending], tmp_path: Path) -> None:
    job = replace(trained[0], gpus=1.0, split="test")

    built = export.build(job.folder / "best.pt", job, tmp_path, images=judged_images(job), engine="tensorrt")

    assert built.engine is not None
    assert built.engine.score == pytest.approx(built.torch_score, abs=5e-3)


@pytest.mark.parametrize("error", [RuntimeError("file write failed"), KeyError("img"), AssertionError()])
def test_a_failure_of_a_vendor_is_one_message_and_its_trace_is_in_the_log(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        pytest.raises(ExportError, match=rf"best\.pt: cannot be measured on test: {type(error).__name__}: "),
        parity.named_failure("best.pt: cannot be measured on test"),
    ):
        raise error
    assert "Traceback" in capsys.readouterr().err


def test_an_error_of_ours_or_of_the_operating_system_says_itself_what_it_is() -> None:
    with pytest.raises(PermissionError, match="denied"), parity.named_failure("best.pt"):
        raise PermissionError("denied")
    with pytest.raises(ExportError, match=r"^ours$"), parity.named_failure("best.pt"):
        raise ExportError("ours")


def test_a_file_that_is_cut_is_refused_by_name(trained: tuple[Job, Ending], tmp_path: Path) -> None:
    job = trained[0]
    weights = tmp_path / "model.pt"
    weights.write_bytes((job.folder / "best.pt").read_bytes())
    exported = yolo.export_onnx(weights, job)
    exported.write_bytes(exported.read_bytes()[:5000])

    with pytest.raises(ExportError, match=r"model\.onnx: cannot be compared with .*model\.pt: InvalidProtobuf"):
        parity.compare(weights, exported, judged_images(job)[:2], job)


def test_the_weights_that_a_file_was_made_from_are_recorded_in_it(trained: tuple[Job, Ending], tmp_path: Path) -> None:
    job = replace(trained[0], split="test")
    built = export.build(job.folder / "best.pt", job, tmp_path, images=judged_images(job), engine="none")
    other = job.folder / "last.pt"

    assert parity.facts(built.onnx.file)[parity.SOURCE] == files.sha256(job.folder / "best.pt")
    graph = onnx.load(built.onnx.file)
    next(entry for entry in graph.metadata_props if entry.key == parity.SOURCE).value = "0" * 64
    onnx.save(graph, built.onnx.file)
    assert (
        parity.cause(other, built.onnx.file, judged_images(job)[:2], job)
        == "it was exported from other weights, whose SHA-256 begins with 000000000000"
    )


def test_smoke_pictures_are_few_small_and_replaced(tmp_path: Path) -> None:
    images = [tmp_path / name for name in ("a.bmp", "b.PNG", "c.jpg", "d.jpg", "e.jpg")]
    for image in images:
        image.write_bytes(image.name.encode())
    images[2].write_bytes(bytes(export.SMOKE_BYTES + 1))
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "smoke-7.jpg").write_bytes(b"of an earlier export")

    export.keep_smoke_pictures(images, folder)

    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "smoke-0.png": b"b.PNG",
        "smoke-1.jpg": b"d.jpg",
    }
