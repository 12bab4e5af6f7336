"""INT8 with blocks taken back: the search for the fewest, and what a block is, on a stand-in for the vendor's graph."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.release import quantization
from automl.release.quantization import MOST_CALIBRATION, _fewest, calibration, quantizers
from automl.study.errors import ExportError


@given(st.integers(1, 60), st.integers(1, 70))
def test_the_fewest_that_pass_are_found_with_few_measurements(most: int, needed: int) -> None:
    asked: list[int] = []

    def passes(count: int) -> bool:
        asked.append(count)
        return count >= needed

    assert _fewest(most, passes) == min(needed, most)
    assert len(asked) <= 12


class Node:
    """A node of a graph, as OpenVINO shows it."""

    def __init__(self, name: str, kind: str = "FakeQuantize") -> None:
        self.name, self.kind = name, kind

    def get_friendly_name(self) -> str:
        return self.name

    def get_type_name(self) -> str:
        return self.kind


class Graph:
    """A network of three layers, of which the last is the head."""

    def get_ordered_ops(self) -> list[Node]:
        return [
            Node("/model.0/conv/Conv/fq_weights_1"), Node("/model.0/act/Mul/fq_output_0"),
            Node("/model.9/cv1/Conv/fq_weights_1"), Node("/model.10/cv2/cv2.0/Conv/fq_weights_1"),
            Node("/model.10/cv3/cv3.1/Conv/fq_weights_1"), Node("/model.10/cv3/Mul", kind="Multiply"),
        ]  # fmt: skip


def test_a_block_is_a_layer_and_the_head_is_divided_into_branches() -> None:
    assert list(quantizers(Graph())) == ["model.0", "model.9", "model.10/cv2", "model.10/cv3"]
    assert len(quantizers(Graph())["model.0"]) == 2


def test_the_calibration_is_a_random_sample_of_bounded_size_and_the_same_for_a_seed() -> None:
    images = [Path(f"{number:05}.jpg") for number in range(1000)]
    drawn = calibration(images, seed=3)
    assert len(drawn) == MOST_CALIBRATION == len(set(drawn))
    assert drawn == calibration(images, seed=3) == tuple(sorted(drawn))
    assert drawn != calibration(images, seed=4)
    assert calibration(images[:5], seed=0) == tuple(images[:5])


def test_a_block_that_cannot_be_in_int8_at_all_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantization, "quantized_but_for_decoding", lambda model, _: model)
    monkeypatch.setattr(quantization, "by_harm", lambda *_: ["model.1", "model.2"])
    monkeypatch.setattr(quantization, "in_float", lambda model, _: model)
    with pytest.raises(ExportError, match="loss is too large with any; set precision: fp16"):
        quantization.int8(Graph(), np.zeros((1, 3, 8, 8), np.float32), passes=lambda _: False)
