"""The contract of an ONNX file: a consumer written from it alone returns the boxes of the server."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from automl.apps.serve.backend import OnnxRuntime
from automl.apps.serve.detector import Detector
from automl.apps.serve.images import decode
from automl.apps.serve.thresholds import recorded
from automl.release.runtime_contract import contract
from automl.study import EvalSettings
from automl.trainers import yolo
from tests import tiny_files, tiny_trainer
from tests.apps.serve.test_detector import SIZE, model, scene
from tests.conftest import job_at, tiny_job_at

__all__ = ["model"]

RECORD = EvalSettings(32, 3, None, 0.7, 300, agnostic_nms=False, single_cls=False, classes=None, nms=True,
                      names={0: "hole", 1: "spot"})  # fmt: skip
SHAPES = ((160, 160), (90, 320), (641, 111), (33, 32), (479, 640))


class Consumer:
    """Another runtime: knows the contract, the ONNX file, and nothing of this program."""

    def __init__(self, folder: Path) -> None:
        self.says: Mapping[str, Any] = json.loads((folder / "contract.json").read_text())
        self.session = onnxruntime.InferenceSession(folder / self.says["file"], providers=["CPUExecutionProvider"])

    def placed(self, height: int, width: int) -> dict[str, float]:
        """Evaluate the formulas of the letterbox."""
        box = self.says["input"]["letterbox"]
        known = {**box, "height": height, "width": width, "min": min, "max": max, "round": round}
        for name in ("gain", "inner_width", "inner_height", "left", "top"):
            known[name] = eval(box[name], {"__builtins__": {}}, known)
        return {name: known[name] for name in ("inner_width", "inner_height", "left", "top")}

    def pixels(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the input for a BGR picture."""
        entry, place = self.says["input"], self.placed(*picture.shape[:2])
        inner = (int(place["inner_width"]), int(place["inner_height"]))
        resized = cv2.resize(picture, inner, interpolation=cv2.INTER_LINEAR)
        box = entry["letterbox"]
        square = np.full((box["input_height"], box["input_width"], 3), box["pad_value"], np.uint8)
        left, top = int(place["left"]), int(place["top"])
        square[top : top + inner[1], left : left + inner[0]] = resized
        assert (entry["colour_order"], entry["layout"], entry["dtype"]) == ("RGB", "NCHW", "float32")
        rules = entry["normalisation"]
        mean, divisor = (np.array(rules[name], np.float32) for name in ("mean", "divisor"))
        return ((square[..., ::-1].astype(np.float32) - mean) / divisor).transpose(2, 0, 1)[None].copy()

    def boxes(self, picture: NDArray[np.uint8]) -> list[tuple[str, float, list[float]]]:
        """Return name, confidence and box in pixels of the picture."""
        out = self.session.run([self.says["output"]["name"]], {self.says["input"]["name"]: self.pixels(picture)})[0][0]
        height, width = picture.shape[:2]
        place = self.placed(height, width)
        kept = self.kept(self.rows(out))
        for row in kept:
            row[[0, 2]] = np.clip((row[[0, 2]] - place["left"]) / (place["inner_width"] / width), 0, width)
            row[[1, 3]] = np.clip((row[[1, 3]] - place["top"]) / (place["inner_height"] / height), 0, height)
        return [(self.says["classes"][str(int(row[5]))], float(row[4]), row[:4].tolist()) for row in kept]

    def rows(self, out: NDArray[Any]) -> NDArray[np.float64]:
        """Return corners, confidence and class of each candidate above the threshold."""
        assert self.says["output"]["sigmoid_applied"]
        if self.says["output"]["layout"] == "1 x boxes x 6":
            rows = out.astype(np.float64)
        else:
            centre, half, scores = out[:2], out[2:4] / 2, out[4:]
            rows = np.vstack([centre - half, centre + half, scores.max(0), scores.argmax(0)]).T.astype(np.float64)
        rows = rows[rows[:, 4] > np.float32(self.says["confidence"]["threshold"])]
        served = self.says["served_classes"]
        return rows if served is None else rows[np.isin(rows[:, 5], served)]

    def kept(self, rows: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """Suppress overlapping boxes, if the contract wants it."""
        rules, rows = self.says["suppression"], rows[np.argsort(-rows[:, 4], kind="stable")]
        if not rules["needed"]:
            return list(rows[: self.says["max_det"]])
        kept: list[NDArray[np.float64]] = []
        for row in rows[: rules["max_candidates"]]:
            known = np.array(kept).reshape(-1, 6)
            rivals = known if rules["class_agnostic"] else known[known[:, 5] == row[5]]
            if (overlaps(rivals, row) <= rules["iou"]).all():
                kept.append(row)
        return kept[: self.says["max_det"]]


def overlaps(some: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the intersection over union of each of some boxes with another one."""
    sides = np.minimum(some[:, 2:4], other[2:4]) - np.maximum(some[:, :2], other[:2])
    shared = np.maximum(sides, 0).prod(1)
    areas = (some[:, 2:4] - some[:, :2]).prod(1) + (other[2:4] - other[:2]).prod()
    found: NDArray[np.float64] = shared / (areas - shared)
    return found


def agreed(folder: Path, record: EvalSettings) -> None:
    """Compare the consumer's boxes with the server's on several images."""
    (folder / "evaluation.json").write_text(json.dumps(record.to_dict()))
    (folder / "contract.json").write_text(json.dumps(contract(folder / "model.onnx", record.to_dict())))
    consumer = Consumer(folder)
    server = Detector(OnnxRuntime((folder / "model.onnx").read_bytes(), source="model.onnx"))
    wanted = recorded((folder / "evaluation.json").read_bytes(), folder / "evaluation.json")
    counts = []
    for height, width in SHAPES:
        path = folder / "image.png"
        scene(height, width).save(path)
        picture = decode(path.read_bytes())
        theirs = server.detect(picture, wanted)
        found = consumer.boxes(picture)
        assert [name for name, _, _ in found] == [box["name"] for box in theirs]
        assert [score for _, score, _ in found] == pytest.approx([box["confidence"] for box in theirs], abs=6e-5)
        for (_, _, box), one in zip(found, theirs, strict=True):
            assert box == pytest.approx(one["box"], abs=0.0502)
        counts.append(len(found))
    assert max(counts) > 5, counts


@pytest.mark.yolo
def test_a_consumer_written_from_the_contract_returns_the_boxes_of_the_server(model: Path) -> None:
    job = job_at(model.parent, model.with_name("data.yaml"))
    record = yolo.evaluation(replace(job, settings={**job.settings, "imgsz": SIZE}))
    for changed in (replace(record, threshold=0.1), replace(record, conf=0.05, iou=0.3, max_det=20)):
        agreed(model.parent, changed)
    agreed(model.parent, replace(record, conf=0.05, classes=(0, 2, 5, 7), agnostic_nms=True))


@pytest.mark.yolo
def test_the_graph_decides_on_layout_and_sigmoid(model: Path) -> None:
    found = contract(model, RECORD.to_dict() | {"names": {str(number): str(number) for number in range(80)}})
    assert found["suppression"]["needed"] is True
    assert found["output"]["layout"] == "1 x (4 + classes) x anchors"
    assert found["output"]["sigmoid_applied"] is True
    assert found["input"]["shape"] == [1, 3, SIZE, SIZE]


def grid_detector(folder: Path) -> Path:
    """Write a detector of 256 fixed boxes that pictures move and score, with a sigmoid, without torch."""
    random, helper, size = np.random.default_rng(5), onnx.helper, 128
    centres = np.stack(np.meshgrid(np.arange(16), np.arange(16))).reshape(2, 256) * 8 + 4
    boxes = np.concatenate([centres, random.uniform(20, 50, (2, 256))])[None].astype(np.float32)
    weights = random.normal(0, 9, (2, 3, 1, 1)).astype(np.float32)
    held = {"boxes": boxes, "scores": weights, "bias": np.array([-2, -1], np.float32),
            "moves": random.normal(0, 6, (4, 3, 1, 1)).astype(np.float32),
            "flat": np.array([1, -1, 256], np.int64)}  # fmt: skip
    nodes = [
        helper.make_node("AveragePool", ["images"], ["means"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Conv", ["means", "scores", "bias"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["likely"]),
        helper.make_node("Conv", ["means", "moves"], ["shift"]),
        helper.make_node("Reshape", ["likely", "flat"], ["likely_flat"]),
        helper.make_node("Reshape", ["shift", "flat"], ["shift_flat"]),
        helper.make_node("Add", ["shift_flat", "boxes"], ["placed"]),
        helper.make_node("Concat", ["placed", "likely_flat"], ["output0"], axis=1),
    ]
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes, "grid", [helper.make_tensor_value_info("images", kind, [1, 3, size, size])],
        [helper.make_tensor_value_info("output0", kind, [1, 6, 256])],
        [onnx.numpy_helper.from_array(value, name) for name, value in held.items()],
    )  # fmt: skip
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 17)])
    helper.set_model_props(model, {"names": "{0: 'hole', 1: 'spot'}", "task": "detect"})
    onnx.save(model, str(folder / "model.onnx"))
    return folder


@pytest.mark.parametrize(
    "record",
    [
        RECORD, replace(RECORD, threshold=0.4, iou=0.3), replace(RECORD, conf=0.3, agnostic_nms=True),
        replace(RECORD, conf=0.3, max_det=7), replace(RECORD, classes=(1,)),
    ],
)  # fmt: skip
def test_a_consumer_agrees_with_the_server_on_a_graph_of_the_tests(tmp_path: Path, record: EvalSettings) -> None:
    agreed(grid_detector(tmp_path), record)


def test_the_thresholds_are_those_of_the_record_else_the_servers_own(tmp_path: Path) -> None:
    file = tiny_onnx(tmp_path)
    found = contract(file, RECORD.to_dict())
    assert found["confidence"]["threshold"] == recorded(None, tmp_path).conf
    assert (found["max_det"], found["suppression"]["iou"], found["classes"]) == (300, 0.7, {"0": "hole", "1": "spot"})
    assert contract(file, RECORD.to_dict() | {"conf": 0.4})["confidence"]["threshold"] == 0.4
    served = RECORD.to_dict() | {"conf": 0.4, "threshold": 0.31}
    assert contract(file, served)["confidence"]["threshold"] == 0.31


def test_an_output_of_another_kind_is_named_so(tmp_path: Path) -> None:
    found = contract(tiny_onnx(tmp_path), RECORD.to_dict())["output"]
    assert (found["layout"], found["shape"], found["sigmoid_applied"]) == ("other", [1, 3, 1, 1], False)


def tiny_onnx(folder: Path) -> Path:
    job = tiny_job_at(folder, folder / "data.yaml")
    tiny_files.write(folder / "best.pt", tiny_files.WEIGHTS, {"quality": 0.5})
    return tiny_trainer.export_onnx(folder / "best.pt", job)
