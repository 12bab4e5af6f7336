"""How many trials of one model share a GPU: total images per second and memory of 1, 2, 3 ... trainings side by side.

Runs the probe of `resources.gpus: auto` (`automl/trials/gpu_probe.py`) as a study does, on a drawn data set. Needs an
NVIDIA GPU that nothing else uses; ends with 2 without one.

    python benchmarks/packing.py --model yolo11n.yaml --imgsz 640 --batch 16
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from automl.data import check, sample
from automl.study import Job
from automl.study.packing import MOST, Packing
from automl.study.yaml_io import read_yaml
from automl.trainers import trainer_of
from automl.trials import gpu_probe

BATCHES: Final = 8
"""Training batches in the drawn data set: more than the timing needs."""
NO_GPU: Final = 2


def main() -> None:
    """Measure and print a line for each number of copies; one JSON object on the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="yolo11n.yaml", help="model .yaml or weights; nothing is downloaded")
    parser.add_argument("--imgsz", type=int, default=640)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--most", type=int, default=MOST, help="copies tried at most")
    parser.add_argument("--cores", type=float, default=float(os.cpu_count() or 1), help="CPU cores of all copies")
    given = parser.parse_args()
    if not trainer_of().has_cuda():
        sys.stderr.write("packing.py: needs a CUDA GPU, but this machine has none: nothing was measured\n")
        raise SystemExit(NO_GPU)
    with tempfile.TemporaryDirectory() as place:
        found = _probed(given, Path(place))
    print(json.dumps(_last_line(given, found)))


def _probed(given: argparse.Namespace, place: Path) -> Packing:
    splits = {"train": BATCHES * given.batch, "val": BATCHES * given.batch, "test": 1}
    source = sample.draw(place / "data", splits=splits)
    data = check.check(source, read_yaml(source), splits=("train", "val"))
    settings = {"imgsz": given.imgsz, "batch": given.batch}
    job = Job(place / "probe", 0, {}, 0, 1, given.model, "", "val/map50_95", settings, gpus=1.0)
    order = gpu_probe.Order(job, gpu_probe.few_batches(data, job), given.most, given.cores)
    return gpu_probe.probe_here(order)


def _last_line(given: argparse.Namespace, found: Packing) -> dict[str, object]:
    readings = found.readings.items()
    return {
        "device": found.device, "model": given.model, "imgsz": given.imgsz, "batch": given.batch,
        "images_per_s": {str(count): round(one.images_per_s, 1) for count, one in readings},
        "memory": {str(count): round(one.memory, 3) for count, one in readings},
        "copies": found.copies if readings else 0, "limit": found.limit,
    }  # fmt: skip


if __name__ == "__main__":
    main()
