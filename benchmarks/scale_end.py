"""The end of the study of `scale.py` alone: a large study is made of copies of a small one, opened, and continued.

The copies are lines of the small study's journal with other trial numbers and slightly other params, under the same
checksums. All their trials have ended.
"""

import json
import re
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, Final
from unittest import mock

from automl.storage.journal_format import sealed
from automl.storage.layout import JOURNAL
from automl.study import Answer, Job
from automl.trials.manager import TrialManager
from benchmarks import scale_study

SMALL: Final = 300
"""Trials of the study that is copied."""
SUGGESTIONS: Final = 40
"""Each with a new fit, as where every trial reaches a rung between two suggestions."""
EPOCHS: Final = 50
"""Measured of each suggested trial, up to the first rung."""
TABLES: Final = 3
CREATED: Final = 4
"""Operation of a journal that creates a trial, as Optuna numbers them."""
NUMBER: Final = re.compile(rb'"trial_id":(\d+)')
END: Final = re.compile(rb',"prev":\d+,"crc":\d+}\n$')


def measured(folder: Path, trials: int, slots: int) -> dict[str, Any]:
    """Make a study of so many trials in `folder`, and return what it costs to open and to continue it."""
    if not (folder / JOURNAL).exists():
        make(folder, trials)
    began, cpu = time.perf_counter(), time.process_time()
    source = scale_study.opened(folder, scale_study.spec_of(trials + SUGGESTIONS), slots)
    opened = {"resume_s": time.perf_counter() - began, "resume_cpu_s": time.process_time() - cpu}
    opened["resume_rss_gb"] = scale_study.rss()
    found = _continued(source)
    return {
        "trials": len(source.trials),
        "measurements": sum(len(trial.measurements) for trial in source.trials),
        **{name: round(value, 2) for name, value in opened.items()},
        **{name: round(1000 * value, 3) for name, value in found.items()},
        "rss_gb": scale_study.rss(),
        "journal_mb": round((folder / JOURNAL).stat().st_size / 1e6, 1),
    }


def make(folder: Path, trials: int) -> None:
    """Write the journal of a study of so many ended trials."""
    small = folder / "small"  # kept: a second study of another size is made of the same
    if not (small / JOURNAL).exists():
        _make_small(small, min(SMALL, trials))
    lines = (small / JOURNAL).read_bytes().splitlines(keepends=True)
    crc = 0
    with (folder / JOURNAL).open("wb") as file:
        for line in _copies(lines, trials):
            whole = _sealed(line, crc) if isinstance(line, bytes) else sealed(line, crc)
            crc = zlib.crc32(whole, crc)
            file.write(whole)


def _make_small(folder: Path, trials: int) -> None:
    with ExitStack() as stack:
        stack.enter_context(mock.patch("os.fsync"))
        stack.enter_context(scale_study.random_params())
        spec = scale_study.spec_of(trials)
        scale_study.run(folder, spec, trials, epoch_seconds=scale_study.EPOCH_SECONDS, board=False)


def _copies(lines: list[bytes], trials: int) -> Iterator[bytes | dict[str, Any]]:
    """Yield the lines of a small study, and copies of those of its trials until there are so many."""
    count = min(SMALL, trials)
    yield from (END.sub(b"}", line) for line in lines if not _is_of_trial(line))
    own = [_parts(line) for line in lines if _is_of_trial(line)]
    for before in range(0, trials, count):
        chance = Random(before)
        number = -1
        for head, of, tail in own:
            if of is None:
                number += 1
                if before + number < trials:
                    yield _moved(json.loads(head), chance)
            elif before + of < trials:
                yield b"%b%d%b" % (head, before + of, tail)


def _is_of_trial(line: bytes) -> bool:
    return NUMBER.search(line) is not None or json.loads(line)["op_code"] == CREATED


def _parts(line: bytes) -> tuple[bytes, int | None, bytes]:
    """Return what stands before a trial's number, the number, and what follows; None in a line that creates one."""
    body = END.sub(b"}", line)
    if found := NUMBER.search(body):
        return body[: found.start(1)], int(found[1]), body[found.end(1) :]
    return body, None, b""


def _moved(log: dict[str, Any], chance: Random) -> dict[str, Any]:
    """Return a line that creates a trial, its numeric params drawn anew around theirs."""
    space: dict[str, Any] = dict(scale_study.SPACE)
    for name, value in log["params"].items():
        if "low" in space[name]:
            moved = value * chance.uniform(0.9, 1.1)
            log["params"][name] = min(max(moved, space[name]["low"]), space[name]["high"])
    return log


def _sealed(body: bytes, before: int) -> bytes:
    """Return a line as `journal_format.sealed` does, of JSON that is there already."""
    text = b'%b,"prev":%d}' % (body[:-1], before)
    return b'%b,"crc":%d}\n' % (text[:-1], zlib.crc32(text))


def _continued(source: TrialManager) -> dict[str, float]:
    """Return the medians of CPU seconds of suggestions and tables, and the mean of measurements."""
    suggested: list[float] = []
    told: list[float] = []
    tables: list[float] = []
    for _ in range(SUGGESTIONS):
        source._strategy._sampler.invalidate()
        began = time.process_time()
        job = source.next_job()
        suggested.append(time.process_time() - began)
        if job is not None:
            told += _trained(source, job)
    for _ in range(TABLES):
        began = time.process_time()
        source.view()
        tables.append(time.process_time() - began)
    return {
        "ms_per_suggestion_late": median(suggested),
        "ms_per_measurement": sum(told) / len(told),
        "ms_per_table": median(tables),
    }


def _trained(source: TrialManager, job: Job) -> Iterator[float]:
    """Measure a trial up to its first rung; yield the CPU seconds of each measurement."""
    for epoch in range(1, EPOCHS + 1):
        measurement = scale_study._measurement(job, epoch)
        began = time.process_time()
        answer = source.measured(job.number, measurement, node="node")
        yield time.process_time() - began
        if answer is not Answer.CONTINUE:
            return
