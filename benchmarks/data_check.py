"""Time to check and stage a large data set: the first time, and again when nothing has changed.

    python benchmarks/data_check.py --images 5000 20000

Draws JPEG images of 256 x 256 pixels with 8 boxes each, a tenth of them for validation, and prints one JSON line for
each number of images: seconds of the check alone (`automl check` without its timed batches), and of check and staging
(the start of a session), first and second time; `report` is what the report on the data adds to a check, `page` its
HTML page.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from automl.data.report.collect import collect
from automl.pipeline.inputs import check_data, prepare_data
from automl.tracking import data_report

SIDE: Final = 256
BOXES: Final = 8


def drawn(root: Path, images: int) -> Path:
    """Write a data set of distinct images and return its `data.yaml`."""
    rng = np.random.default_rng(0)
    for split, count in (("train", images - images // 10), ("val", images // 10)):
        for kind in ("images", "labels"):
            (root / kind / split).mkdir(parents=True)
        for index in range(count):
            small = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
            picture = cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(root / "images" / split / f"{index:06d}.jpg"), picture)
            places = rng.uniform(0.2, 0.8, (BOXES, 2))
            lines = "".join(f"{number % 3} {x:.6f} {y:.6f} 0.1 0.2\n" for number, (x, y) in enumerate(places))
            (root / "labels" / split / f"{index:06d}.txt").write_text(lines)
    source = root / "data.yaml"
    source.write_text("train: images/train\nval: images/val\nnames: [a, b, c]\n")
    return source


def seconds(action: Callable[[], object]) -> float:
    """Return how long an action takes."""
    since = time.perf_counter()
    action()
    return round(time.perf_counter() - since, 2)


def measured(place: Path, images: int) -> dict[str, float]:
    """Return the seconds for a data set of so many images, which is drawn in a folder unless it is there."""
    source = place / str(images) / "data.yaml"
    if not source.is_file():
        drawn(source.parent, images)
        time.sleep(3)  # files that were just written are read again the next time, since their time may not tell
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        os.environ["AUTOML_CACHE"] = str(root / "cache")
        found: dict[str, float] = {"images": images}
        check = partial(check_data, source, unpacked=root / "scratch" / "unpacked", split="val", searched=())
        prepare = partial(prepare_data, str(source), root / "study", split="val", searched=())
        for what, action in (("check", check), ("session", prepare)):
            for which in ("first", "second"):
                found[f"{what}_{which}"] = seconds(action)
        data = check()
        found["report"] = seconds(partial(collect, data, imgsz=640))
        if report := collect(data, imgsz=640):
            found["page"] = seconds(partial(data_report.write, report, root / "page.html"))
        return found


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[5_000, 20_000])
    parser.add_argument("--place", type=Path, help="folder that keeps the drawn images for the next run")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for images in given.images:
            print(json.dumps(measured(given.place or Path(folder), images)), flush=True)


if __name__ == "__main__":
    main()
