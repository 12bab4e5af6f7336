"""What combining requests into batches could save on a CPU: CPU time of an image in ONNX Runtime by batch size.

Micro-batching trades waiting for cheaper images. On a CPU the server runs one image a core; a batch can only help if an
image in it costs less CPU time than alone, in one thread. Each detector is exported with a dynamic batch axis; batches
of 1, 2, 4 and 8 take turns, and CPU time is that of the process, so that other work beside does not count. `saved` is
the share of the model's CPU time that a batch saves, before anything that a batcher itself costs; `of_a_request` is the
share of a whole request with decoding and letterbox.

    python benchmarks/micro_batching.py
    python benchmarks/micro_batching.py --models micro.yaml:128 yolo11n.yaml:320 --images 96

Prints one JSON object on the last line.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np
import onnxruntime

from automl.apps.serve.detector import letterboxed
from automl.apps.serve.images import decode
from benchmarks.serving import MODEL, pictures
from benchmarks.validation import machine

BATCHES: Final = (1, 2, 4, 8)
MICRO: Final = "micro.yaml"
REPEATS: Final = 5
MODELS: Final = ("micro.yaml:128", "yolo11n.yaml:320", "yolo11n.yaml:640")


def exported(folder: Path, model: str, *, size: int) -> Path:
    """Return the ONNX file of an untrained detector with a dynamic batch axis."""
    import torch
    from ultralytics import YOLO

    from automl.trainers import yolo

    yolo.settings()
    torch.manual_seed(0)
    weights = folder / f"{Path(model).stem}{size}.pt"
    YOLO(MODEL if model == MICRO else model, task="detect").save(weights)
    return Path(YOLO(weights).export(format="onnx", imgsz=size, dynamic=True, device="cpu", verbose=False))


def cpu_ms(session: Any, batch: np.ndarray, *, images: int) -> float:  # noqa: ANN401
    """Return the CPU time of an image, in batches."""
    name = session.get_inputs()[0].name
    start = time.process_time()
    for _ in range(max(images // len(batch), 1)):
        session.run(None, {name: batch})
    return 1000 * (time.process_time() - start) / (max(images // len(batch), 1) * len(batch))


def measured(path: Path, *, size: int, images: int) -> dict[str, Any]:
    """Return the figures of one detector."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    contents = pictures(max(BATCHES), size=size)
    batch = np.concatenate([letterboxed(decode(content), size=size) for content in contents])
    for count in BATCHES:
        cpu_ms(session, batch[:count], images=count)
    found: dict[int, list[float]] = {count: [] for count in BATCHES}
    for _ in range(REPEATS):
        for count in BATCHES:
            found[count].append(cpu_ms(session, batch[:count], images=images))
    start = time.process_time()
    for content in contents * 4:
        letterboxed(decode(content), size=size)
    prepare = 1000 * (time.process_time() - start) / (4 * len(contents))
    ms = {count: median(values) for count, values in found.items()}
    return {
        "cpu_ms": {str(count): round(value, 3) for count, value in ms.items()},
        "spread": {str(count): [round(min(values), 3), round(max(values), 3)] for count, values in found.items()},
        "prepare_cpu_ms": round(prepare, 3),
        "saved": {str(count): round(1 - ms[count] / ms[1], 3) for count in BATCHES[1:]},
        "of_a_request": {str(count): round((ms[1] - ms[count]) / (ms[1] + prepare), 3) for count in BATCHES[1:]},
    }


def main() -> None:
    """Measure, and print one JSON object on the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=[*MODELS], help="MODEL:SIZE")
    parser.add_argument("--images", type=int, default=32, help="of a repeat and batch size")
    asked = parser.parse_args()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        for named in asked.models:
            model, _, size = named.partition(":")
            path = exported(Path(place), model, size=int(size))
            found[named] = measured(path, size=int(size), images=asked.images)
            print(named, found[named], flush=True)
    print(json.dumps({**found, "images": asked.images, "repeats": REPEATS, **machine()}))


if __name__ == "__main__":
    main()
