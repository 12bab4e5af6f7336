"""How many trials of one model share a GPU: total images per second and memory of 1, 2, 3 ... trainings side by side.

Times a few real training batches of each copy, as `automl check` does, while another thread reads the GPU's memory, and
applies the rule of `packing_rule.py`. Needs an NVIDIA GPU that nothing else uses; ends with 2 without one.

    python benchmarks/packing.py --model yolo11n.yaml --imgsz 640 --batch 16
"""

import argparse
import json
import sys
import tempfile
import threading
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from automl.data import sample
from automl.study import Job
from automl.study.errors import TrialError
from automl.trainers import trainer_of
from benchmarks.packing_rule import MOST, Packing, Reading, probe

LOOK_SECONDS: Final = 0.2
BATCHES: Final = 8
"""Training batches in the drawn data set: more than the timing needs."""
NO_GPU: Final = 2


class Memory:
    """Highest share of the GPU's memory in use, read by a thread."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.peak = 0.0

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        import torch

        while not self._over.wait(LOOK_SECONDS):
            free, total = torch.cuda.mem_get_info()
            self.peak = max(self.peak, 1 - free / total)


def main() -> None:
    """Measure and print a line for each number of copies; one JSON object on the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="yolo11n.yaml", help="model .yaml or weights; nothing is downloaded")
    parser.add_argument("--imgsz", type=int, default=640)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--most", type=int, default=MOST, help="copies tried at most")
    parser.add_argument("--threads", type=int, default=2, help="CPU cores of each copy")
    given = parser.parse_args()
    if not trainer_of().has_cuda():
        sys.stderr.write("packing.py: needs a CUDA GPU, but this machine has none: nothing was measured\n")
        raise SystemExit(NO_GPU)
    with tempfile.TemporaryDirectory() as place:
        found = _probed(given, Path(place))
    print(json.dumps(found))


def _probed(given: argparse.Namespace, place: Path) -> dict[str, object]:
    import torch

    splits = {"train": BATCHES * given.batch, "val": 2 * given.batch, "test": 1}
    data = sample.draw(place / "data", splits=splits)

    def measure(copies: int) -> Reading | None:
        settings = {"imgsz": given.imgsz, "batch": given.batch}
        job = Job(
            place / f"copies{copies}", 0, {}, 0, 1, given.model, str(data), "val/map50_95", settings, gpus=1.0,
            threads=given.threads,
        )  # fmt: skip
        try:
            with Memory() as memory:
                timing = trainer_of(job).measure(job, copies=copies)
        except TrialError as error:
            print(f"{copies} copies: {error}")
            return None
        reading = Reading(copies * timing.batch / timing.train_batch, memory.peak)
        print(f"{copies} copies: {reading.images_per_s:.1f} images/s in all, {reading.memory:.0%} of the memory")
        return reading

    packing: Packing | None = probe(measure, most=given.most)
    readings = packing.readings if packing else {}
    return {
        "device": torch.cuda.get_device_name(0), "model": given.model, "imgsz": given.imgsz, "batch": given.batch,
        "images_per_s": {str(count): round(one.images_per_s, 1) for count, one in readings.items()},
        "memory": {str(count): round(one.memory, 3) for count, one in readings.items()},
        "copies": packing.copies if packing else 0, "limit": packing.limit if packing else "one copy does not fit",
    }  # fmt: skip


if __name__ == "__main__":
    main()
