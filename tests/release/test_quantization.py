"""INT8 with blocks taken back: the search for the fewest, and what a block is."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.release import quantization
from automl.release.quantization import MOST_CALIBRATION, _fewest, blocks, calibration
from automl.release.target_format import Array
from automl.study.errors import ExportError


@given(st.integers(1, 60), st.integers(1, 70))
def test_the_fewest_that_pass_are_found_with_few_measurements(most: int, needed: int) -> None:
    asked: list[int] = []

    def passes(count: int) -> bool:
        asked.append(count)
        return count >= needed

    assert _fewest(most, passes) == min(needed, most)
    assert len(asked) <= 12


NAMES = (
    "/model.0/conv/Conv/fq_weights_1", "/model.0/act/Mul/fq_output_0", "/model.9/cv1/Conv/fq_weights_1",
    "/model.10/cv2/cv2.0/Conv/fq_weights_1", "/model.10/cv3/cv3.1/Conv/fq_weights_1",
)  # fmt: skip


def test_a_block_is_a_layer_and_the_head_is_divided_into_branches() -> None:
    assert list(blocks(NAMES)) == ["model.0", "model.9", "model.10/cv2", "model.10/cv3"]
    assert len(blocks(NAMES)["model.0"]) == 2


def test_the_calibration_is_a_random_sample_of_bounded_size_and_the_same_for_a_seed() -> None:
    images = [Path(f"{number:05}.jpg") for number in range(1000)]
    drawn = calibration(images, seed=3)
    assert len(drawn) == MOST_CALIBRATION == len(set(drawn))
    assert drawn == calibration(images, seed=3) == tuple(sorted(drawn))
    assert drawn != calibration(images, seed=4)
    assert calibration(images[:5], seed=0) == tuple(images[:5])


class Hopeless:
    """A format whose blocks all lose too much."""

    def quantized(self, model: str, _: Array) -> str:
        return model

    def quantizers(self, _: str) -> dict[str, list[str]]:
        return {"model.1": ["a"], "model.2": ["b"]}

    def in_float(self, model: str, _: Sequence[str]) -> str:
        return model

    def outputs(self, _model: str, pictures: Array) -> Array:
        return pictures

    def finished(self, model: str) -> str:
        return model


def test_a_block_that_cannot_be_in_int8_at_all_is_refused() -> None:
    with pytest.raises(ExportError, match="loss is too large with any; set precision: fp16"):
        quantization.int8(Hopeless(), "graph", np.zeros((1, 7, 8), np.float32), passes=lambda _: False)
