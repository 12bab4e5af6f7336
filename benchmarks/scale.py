"""What a study of 10,000 trials on 512 slots costs its driver, in virtual time.

    python benchmarks/scale.py --trials 1000 --slots 64        # a tenth
    python benchmarks/scale.py                                 # the whole: 10,000 trials, 1,000,000 measurements

Epochs cost nothing; sampler, scheduler, trial manager, journal, TensorBoard files and the live table are those of a
real study. The driver is a serial server: its CPU seconds are charged to the virtual clock, so a slot that waits for an
answer or for its next job is idle because of us. The same for Ray's stock `OptunaSearch` and `ASHAScheduler`, whose
calls are timed without Tune's own loop, without a journal and without TensorBoard files. With `--bulk SHARE` the first
SHARE of the trials is made with random params, without fsync, table and TensorBoard files, and resumed: only the end of
the study is measured then, and its beginning on another study. With `--end` the study is made of copies of a small
one, and opening and continuing it is measured alone: 40 suggestions, each with a new fit, their measurements and three
tables. With `--folder` the figures so far are in `calls.json` there, and a run that was ended is continued.
With `--ray SLOTS` nothing is simulated: a study on a real Ray, with trainings that sleep (`scale_ray.py`).
Prints one JSON object on the last line.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any, Final
from unittest import mock

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from automl.study.spec import StudySpec
from benchmarks import scale_end, scale_ray, scale_stock, scale_study

EARLY: Final = (20, 60)
"""The suggestions that count as the beginning, counted from the first that finds a trial with a value: the model is in
use, and its history small."""


def main() -> None:
    """Measure, and print."""
    given = _given()
    if given.ray:
        seconds, folder = given.epoch_seconds, given.folder
        print(json.dumps(scale_ray.measured(given.ray, trials=given.trials, epoch_seconds=seconds, folder=folder)))
        return
    if given.bulk_only:
        _bulk(given.folder, given)
        return
    if given.stock:
        print(json.dumps(scale_stock.measured(given.trials, given.slots, epoch_seconds=given.epoch_seconds)))
        return
    if given.resume:
        print(json.dumps(resumed(given.resume, given.trials, given.slots)))
        return
    with tempfile.TemporaryDirectory() as place:
        folder = given.folder or Path(place)
        run = scale_end.measured(folder, given.trials, given.slots) if given.end else ours(folder, given)
        figures: dict[str, Any] = dict(run)
    if not given.no_stock:
        figures["stock"] = _child("--stock", "--trials", given.trials, "--slots", given.slots)
    print(json.dumps(figures))


def _given() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, help="default: 10,000; with --ray three a slot")
    parser.add_argument("--slots", type=int, default=512)
    parser.add_argument(
        "--bulk", type=float, default=0.0, help="share of the trials that is made without being measured"
    )
    parser.add_argument("--epoch-seconds", type=float, default=scale_study.EPOCH_SECONDS)
    parser.add_argument("--folder", type=Path, help="where the study is written, and kept; else a temporary folder")
    parser.add_argument("--end", action="store_true", help="only the end of the study, on copies of a small one")
    parser.add_argument("--no-stock", action="store_true")
    parser.add_argument("--ray", type=int, metavar="SLOTS", help="slots of a real Ray in place of virtual ones")
    parser.add_argument("--resume", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--bulk-only", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--stock", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.trials = given.trials or (3 * given.ray if given.ray else 10_000)
    return given


def ours(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Run the study and return its figures."""
    early = _early(given) if given.bulk else None
    if given.bulk:
        sizes = "--trials", given.trials, "--slots", given.slots, "--bulk", given.bulk
        subprocess.run(_command("--folder", folder, "--bulk-only", *sizes), check=True)
    spec = scale_study.spec_of(given.trials)
    run = scale_study.run(folder, spec, given.slots, epoch_seconds=given.epoch_seconds)
    figures = {
        "trials": len(run.source.trials),
        "slots": given.slots,
        "measurements": sum(len(trial.measurements) for trial in run.source.trials),
        "ms_per_measurement": round(1000 * run.calls.measuring / max(run.calls.measured, 1), 3),
        "ms_per_measurement_clock": round(1000 * run.calls.clock / max(run.calls.measured, 1), 3),
        "ms_per_suggestion_early": early or _ms(run.calls.suggested[given.slots + EARLY[0] : given.slots + EARLY[1]]),
        "ms_per_suggestion_late": _ms(run.calls.suggested[EARLY[0] - EARLY[1] :]),
        "ms_per_resumption": _ms(run.calls.resumed),
        "ms_per_table": _ms(run.calls.tables),
        "rss_gb": scale_study.rss(),
        "idle_share": round(run.calls.idle_share, 4),
        "journal_mb": round((folder / "journal.log").stat().st_size / 1e6, 1),
    }
    print(json.dumps(figures), flush=True)
    reopened = _child("--resume", folder, "--trials", given.trials, "--slots", given.slots)
    return figures | reopened


def resumed(folder: Path, trials: int, slots: int) -> dict[str, float]:
    """Return what it costs to open a study again, in a new process."""
    began, cpu = time.perf_counter(), time.process_time()
    source = scale_study.opened(folder, scale_study.spec_of(trials), slots)
    seconds = time.perf_counter() - began
    if len(source.trials) < trials:
        raise SystemExit(f"{folder}: must have {trials} trials, but has {len(source.trials)}")
    return {
        "resume_s": round(seconds, 2),
        "resume_cpu_s": round(time.process_time() - cpu, 2),
        "resume_rss_gb": scale_study.rss(),
    }


def _bulk(folder: Path, given: argparse.Namespace) -> None:
    """Make the first trials of the study, with nothing measured."""
    spec: StudySpec = scale_study.spec_of(round(given.trials * given.bulk))
    with ExitStack() as stack:
        stack.enter_context(mock.patch("os.fsync"))
        stack.enter_context(scale_study.random_params())
        scale_study.run(folder, spec, given.slots, epoch_seconds=given.epoch_seconds, board=False)
    (given.folder / scale_study.CALLS).unlink()
    print(f"made {spec.budget.trials} trials", flush=True)


def _early(given: argparse.Namespace) -> float | None:
    """Return the milliseconds of the first suggestions of a small study."""
    with tempfile.TemporaryDirectory() as place:
        spec, slots = scale_study.spec_of(EARLY[1]), min(given.slots, EARLY[0])
        run = scale_study.run(Path(place), spec, slots, epoch_seconds=given.epoch_seconds)
    return _ms(run.calls.suggested[slice(*EARLY)])


def _command(*arguments: object) -> list[str]:
    return [sys.executable, __file__, *map(str, arguments)]


def _child(*arguments: object) -> dict[str, Any]:
    done = subprocess.run(_command(*arguments), check=True, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _ms(seconds: list[float]) -> float | None:
    return round(1000 * median(seconds), 3) if seconds else None


if __name__ == "__main__":
    main()
