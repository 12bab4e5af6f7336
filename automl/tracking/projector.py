"""Files of TensorBoard's embedding projector in a trial's folder: vectors, class and image, thumbnails.

Formats of `plugins/projector/projector_plugin.py` of TensorBoard 2.21. Written here and not by
`torch.utils.tensorboard`, whose `add_embedding` opens a second event file in the folder, adds to the configuration at
each call, and replaces no file atomically.
"""

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from google.protobuf import text_format
from numpy.typing import NDArray
from PIL import Image
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from automl.storage import files
from automl.storage.layout import PROJECTOR, PROJECTOR_CONFIG
from automl.storage.object_features import ObjectFeatures
from automl.study.text import one_line

VECTORS: Final = "vectors.tsv"
METADATA: Final = "metadata.tsv"
SPRITE: Final = "sprite.jpg"
QUALITY: Final = 85
COLUMNS: Final = "class\timage"


@dataclass(frozen=True, slots=True)
class Projection:
    """What was written for the projector."""

    folder: Path
    """The trial's folder."""
    points: int
    features: int
    """Features of a point."""
    total: int
    """Boxes of the split, of which `points` were chosen."""
    bytes: int
    """Size of all files."""


def write(folder: Path, found: ObjectFeatures, *, title: str) -> Projection:
    """Write the files, those that the configuration names first; an earlier projection is replaced."""
    place = folder / PROJECTOR
    place.mkdir(exist_ok=True)
    rows = "\n".join("\t".join(f"{value:.4g}" for value in vector) for vector in found.vectors)
    pairs = zip(found.classes, found.images, strict=True)
    labels = "\n".join(f"{one_line(kind)}\t{one_line(image)}" for kind, image in pairs)  # a tab would be a cell's end
    contents = {
        VECTORS: f"{rows}\n".encode(),
        METADATA: f"{COLUMNS}\n{labels}\n".encode(),
        SPRITE: sprite(found.thumbnails),
    }
    for name, content in contents.items():
        files.write_bytes(place / name, content)
    files.write_text(folder / PROJECTOR_CONFIG, _config(title, edge=found.thumbnails.shape[1]))
    size = sum(map(len, contents.values()))
    return Projection(folder, len(found.vectors), found.vectors.shape[1], found.total, size)


def sprite(thumbnails: NDArray[np.uint8]) -> bytes:
    """Return a JPEG of all thumbnails, row by row, in a grid with as many columns as rows."""
    count, edge = thumbnails.shape[:2]
    side = math.ceil(math.sqrt(count))
    grid = np.zeros((side * side, edge, edge, 3), np.uint8)
    grid[:count] = thumbnails
    pixels = grid.reshape(side, side, edge, edge, 3).swapaxes(1, 2).reshape(side * edge, side * edge, 3)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def _config(title: str, *, edge: int) -> str:
    config = ProjectorConfig()
    embedding = config.embeddings.add()
    embedding.tensor_name = title
    embedding.tensor_path = f"{PROJECTOR}/{VECTORS}"
    embedding.metadata_path = f"{PROJECTOR}/{METADATA}"
    embedding.sprite.image_path = f"{PROJECTOR}/{SPRITE}"
    embedding.sprite.single_image_dim.extend([edge, edge])
    return str(text_format.MessageToString(config))
