"""Time of an image as it is served: measured by a process of its own on the files of an export, or refused in words."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from automl.apps.serve import timing
from automl.release import device_script, end_to_end
from automl.study.errors import ExportError
from tests import detectors


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((64, 64, 3), np.uint8))
    return tmp_path / "a.png"


def test_an_image_is_timed_from_its_bytes_to_json(
    tmp_path: Path, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_script, "MOST_RUNS", 5)
    monkeypatch.setattr(device_script, "FEWEST_RUNS", 5)
    detectors.saved(tmp_path / "model.onnx")
    found = timing.timed({"folder": str(tmp_path), "target": "", "pictures": [str(picture)]})
    assert 0 < found.p50 <= found.p95 <= found.p99
    assert found.device.startswith("CPUExecutionProvider on ")


@pytest.mark.slow
def test_an_export_is_timed_in_a_process_of_its_own_or_refused_with_the_reason(tmp_path: Path, picture: Path) -> None:
    good = detectors.saved(tmp_path / "model.onnx")
    assert end_to_end.of_onnx(good, [picture]).p50 > 0
    good.write_bytes(b"no model")
    with pytest.raises(ExportError, match=r"end-to-end latency: cannot be measured: .*ONNX Runtime can load"):
        end_to_end.of_onnx(good, [picture])
