"""Files of the projector: as TensorBoard's plugin reads them."""

import io
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format
from PIL import Image
from tensorboard.plugins.projector import projector_plugin
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from automl.storage.layout import PROJECTOR_CONFIG
from automl.storage.object_features import ObjectFeatures
from automl.tracking import projector

EDGE = 8


def features(count: int) -> ObjectFeatures:
    """Return objects whose thumbnails have the tone of their number."""
    random = np.random.default_rng(0)
    tones = np.arange(count, dtype=np.uint8) * 20
    return ObjectFeatures(
        vectors=random.normal(size=(count, 5)).astype(np.float32),
        classes=tuple(f"class\t{number}" for number in range(count)),
        images=tuple(f"{number}\n.jpg" for number in range(count)),
        thumbnails=np.broadcast_to(tones[:, None, None, None], (count, EDGE, EDGE, 3)).copy(),
        total=99,
    )


def test_the_plugin_reads_vectors_labels_and_thumbnails(tmp_path: Path) -> None:
    found = features(7)
    told = projector.write(tmp_path, found, title="objects of val, trial 3")
    config = text_format.Parse((tmp_path / PROJECTOR_CONFIG).read_text(), ProjectorConfig())
    (shown,) = config.embeddings
    assert shown.tensor_name == "objects of val, trial 3"
    vectors = getattr(projector_plugin, "_read_tensor_tsv_file")(str(tmp_path / shown.tensor_path))  # noqa: B009
    assert vectors == pytest.approx(found.vectors, rel=1e-3)
    lines = (tmp_path / shown.metadata_path).read_text().split("\n")
    assert lines[:2] == ["class\timage", "class\\t0\t0\\n.jpg"]
    assert len(lines) == 1 + 7 + 1
    assert list(shown.sprite.single_image_dim) == [EDGE, EDGE]
    sheet = Image.open(io.BytesIO((tmp_path / shown.sprite.image_path).read_bytes()))
    assert sheet.size == (3 * EDGE, 3 * EDGE)
    tones = np.asarray(sheet)[EDGE // 2 :: EDGE, EDGE // 2 :: EDGE, 0].reshape(-1)
    assert tones[:7] == pytest.approx(np.arange(7) * 20, abs=3)
    assert (told.points, told.features, told.total) == (7, 5, 99)
    assert told.bytes == sum(path.stat().st_size for path in (tmp_path / "projector").iterdir())


def test_a_second_projection_replaces_the_first(tmp_path: Path) -> None:
    projector.write(tmp_path, features(9), title="first")
    projector.write(tmp_path, features(2), title="second")
    config = text_format.Parse((tmp_path / PROJECTOR_CONFIG).read_text(), ProjectorConfig())
    assert [embedding.tensor_name for embedding in config.embeddings] == ["second"]
    assert len((tmp_path / "projector" / projector.VECTORS).read_text().splitlines()) == 2
