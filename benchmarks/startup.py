"""Seconds from the decision to run a job to its first batch, by part, and from a pause to the first batch after it.

    python benchmarks/startup.py [--repeat 5] [--model search_spaces/models/micro.yaml]

On an embedded Ray, through the launcher that studies use: a micro model on 24 drawn images, one trial at a time. Each
trial starts, is paused after its second epoch and resumes at once. Parts: `process_s` until the process of the training
has its order, `imports_s` until the trainer is called, `model_s` and `data_s` for the model and the data loaders,
`first_batch_s` from there to the end of the first batch; `resume_s` is the whole, from the answer "pause" to the end of
the first batch of the resumed training. Medians; the first trial is `cold_s`, and `ray_and_cold_s` counts from the
start of Ray. The fork server starts before Ray, as in a study, with `--late` when the first trial needs it. The last
line is one JSON object.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

os.environ.setdefault("YOLO_OFFLINE", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from automl.study import Answer, Ending, Job, Loss, Measurement, Params, Report
from automl.trials import lease, worker

MARKS: Final = "marks.jsonl"
PAUSED_AFTER: Final = 2
EPOCHS: Final = 3
METRIC: Final = "val/map50_95"


def main() -> None:
    """Run the trials and print the medians."""
    given = _arguments()
    from automl import cluster
    from automl.cluster import launcher, training
    from automl.data import check, sample, staging
    from automl.study.yaml_io import read_yaml

    vars(launcher)["Training"] = type("Training", (training.Training,), {"run": "benchmarks.startup:run"})
    with TemporaryDirectory(prefix="startup-") as name:
        folder = Path(name)
        drawn = sample.draw(folder / "drawn", splits={"train": 24, "val": 12})
        data = staging.stage(check.check(drawn, read_yaml(drawn), splits=("train", "val")), folder / "staged")
        source = Source([_job(folder / "study" / "trials" / f"{number}", data, given.model, number)
                         for number in range(given.repeat + 1)])  # fmt: skip
        began = time.time()
        with cluster.connected(address=None, log=folder / "ray.log", trains=not given.late):
            cluster.run(source, cluster.Slots(gpus=0, cpus=1, concurrent=1))
        failed = [ending.cause for ending in source.endings.values() if not ending.final]
        if failed:
            sys.exit(f"a training failed: {failed[0]}")
        rows = [_parts(source, number) for number in range(given.repeat + 1)]
    for row in rows:
        print({part: round(seconds, 2) for part, seconds in row.items()}, flush=True)
    warm = {part: statistics.median(row[part] for row in rows[1:]) for part in rows[0]}
    cold = {"cold_s": rows[0]["start_s"], "ray_and_cold_s": source.decided[0, "start"] - began + rows[0]["start_s"]}
    print(json.dumps({part: round(seconds, 3) for part, seconds in (cold | warm).items()}))


class Source:
    """Jobs, each paused once and resumed at once; notes when it decided what."""

    stopping = False
    canceled: Collection[int] = ()

    def __init__(self, jobs: list[Job]) -> None:
        """Run these jobs one after another."""
        self.jobs = deque(jobs)
        self.all = {job.number: job for job in jobs}
        self.live: int | None = None
        self.decided: dict[tuple[int, str], float] = {}
        self.endings: dict[int, Ending] = {}

    @property
    def over(self) -> bool:
        """Return True if all have ended."""
        return not self.jobs and self.live is None

    def next_job(self) -> Job | None:
        """Return the next job or the paused one."""
        if self.live is not None or not self.jobs:
            return None
        job = self.jobs.popleft()
        self.live = job.number
        self.decided.setdefault((job.number, "start"), time.time())
        return replace(job, attempt=lease.acquire(job.folder))

    def measured(self, number: int, measurement: Measurement, *, node: str) -> Answer:
        """Pause once."""
        del node
        if measurement.epoch != PAUSED_AFTER or (number, "pause") in self.decided:
            return Answer.CONTINUE
        self.decided[number, "pause"] = time.time()
        self.live = None
        self.jobs.appendleft(replace(self.all[number], known=PAUSED_AFTER))
        return Answer.PAUSE

    def ended(self, number: int, ending: Ending) -> None:
        """Note the ending."""
        self.endings[number], self.live = ending, None

    def lost(self, number: int, loss: Loss) -> None:
        """Count a loss as a failure."""
        self.ended(number, Ending(cause=loss.cause))

    def hung(self) -> Mapping[int, str]:
        """Return none."""
        return {}

    def report_wait(self, number: int, what: str) -> None:
        """Do nothing."""

    def resize(self, places: int) -> None:
        """Do nothing."""

    def stop(self, why: str) -> None:
        """Stop."""
        del why
        self.stopping = True

    def tick(self) -> None:
        """Do nothing."""


def run(job: Job, report: Report) -> Ending:
    """Run a job in the process of its training, and note when its parts begin and end."""
    marks = {"order": time.time()}
    from automl.trainers.yolo.vendor import ultralytics

    ultralytics()
    from ultralytics.engine.trainer import BaseTrainer

    from automl.trainers.yolo.trainer_class import StudyTrainer

    marks["imported"] = time.time()
    with _noted(StudyTrainer, BaseTrainer, marks, job.folder / MARKS):
        return worker.run(job, report)


@contextmanager
def _noted(trainer: Any, base: Any, marks: dict[str, float], path: Path) -> Iterator[None]:  # noqa: ANN401
    """Note the seconds of model and loaders, and the moment of the first batch."""
    events, setup, loader = trainer.run_callbacks, base.setup_model, trainer.get_dataloader

    def timed(part: str, method: Any) -> Any:  # noqa: ANN401
        def call(self: Any, *given: Any, **named: Any) -> Any:  # noqa: ANN401
            since = time.time()
            found = method(self, *given, **named)
            marks[part] = marks.get(part, 0.0) + time.time() - since
            return found

        return call

    def event(self: Any, name: str) -> None:  # noqa: ANN401
        events(self, name)
        if name == "on_train_batch_end" and "batch" not in marks:
            marks["batch"] = time.time()
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(marks) + "\n")

    trainer.run_callbacks = event
    base.setup_model, trainer.get_dataloader = timed("model", setup), timed("data", loader)
    yield


def _parts(source: Source, number: int) -> dict[str, float]:
    """Return the seconds of the parts of a trial's start, and of its resume."""
    text = (source.all[number].folder / MARKS).read_text(encoding="utf-8")
    first, second = (json.loads(line) for line in text.splitlines())
    begun, paused = source.decided[number, "start"], source.decided[number, "pause"]
    known = {"process_s": first["order"] - begun, "imports_s": first["imported"] - first["order"],
             "model_s": first["model"], "data_s": first["data"]}  # fmt: skip
    rest = first["batch"] - begun - sum(known.values())
    resumed = {"start_s": first["batch"] - begun, "resume_s": second["batch"] - paused,
               "resume_process_s": second["order"] - paused}  # fmt: skip
    return known | {"first_batch_s": rest} | resumed


def _job(folder: Path, data: Path, model: str, number: int) -> Job:
    settings = {"imgsz": 128, "batch": 8, "nbs": 8, "warmup_epochs": 0.5, "close_mosaic": 1, "cache": "ram"}
    params: Params = {"optimizer": "SGD", "lr0": 0.02}
    return Job(folder, number, params, 0, EPOCHS, str(Path(model).resolve()), str(data), METRIC, settings, cpus=1.0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5, help="trials after the first one (default: %(default)s)")
    parser.add_argument("--late", action="store_true", help="start the fork server with the first trial")
    micro = Path(__file__).parents[1] / "search_spaces" / "models" / "micro.yaml"
    parser.add_argument("--model", default=str(micro), help="weights or description (default: the micro model)")
    return parser.parse_args()


if __name__ == "__main__":
    import_module("benchmarks.startup").main()  # workers import the functions by their module
