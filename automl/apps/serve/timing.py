"""Process that times one image as it is served: `python -m automl.apps.serve.timing`, an order as JSON on its input.

From the bytes of an image to its boxes as JSON: decoding, letterbox, model, suppression, with the thresholds that are
recorded, in one thread. The images take turns; each of three repeats sees all of them equally often.
"""

import itertools
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import cv2

from automl.apps.serve.backend import opened
from automl.apps.serve.detector import Detector
from automl.apps.serve.images import decode
from automl.apps.serve.refusal import RequestError
from automl.apps.serve.thresholds import recorded
from automl.release import latency
from automl.storage.layout import EVALUATION
from automl.study import Latency
from automl.study.errors import RegistryError

FAILED: Final = 2


def timed(order: dict[str, Any]) -> Latency:
    """Return the latency of the model in a folder on pictures.

    Args:
        order: `folder` with the model's files, `target` (empty for the ONNX file), `pictures` as paths.

    Raises:
        RegistryError: the model cannot be served.
        RequestError: a picture cannot be decoded.
    """
    folder = Path(order["folder"])

    def read(name: str) -> bytes | None:
        path = folder / name
        return path.read_bytes() if path.is_file() else None

    detector = Detector(opened(folder, read, target=order["target"]))
    wanted = recorded(read(EVALUATION), folder / EVALUATION)
    contents = itertools.cycle([Path(path).read_bytes() for path in order["pictures"]])

    def answered() -> str:
        picture = decode(next(contents))
        height, width = picture.shape[:2]
        return json.dumps({"width": width, "height": height, "boxes": detector.detect(picture, wanted)})

    return latency.measured(answered, f"{detector.provider} on {latency.processor()}")


def main() -> None:
    """Read an order, and print the latency as JSON, or why there is none."""
    cv2.setNumThreads(1)
    order = json.loads(sys.stdin.read())
    try:
        found = timed(order)
    except (RegistryError, RequestError, OSError, StopIteration) as error:
        sys.stderr.write(f"{str(error) or 'no pictures'}\n")
        sys.exit(FAILED)
    sys.stdout.write(f"{json.dumps(asdict(found))}\n")


if __name__ == "__main__":
    main()
