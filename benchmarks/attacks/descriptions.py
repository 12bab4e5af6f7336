"""Random descriptions given to the reader of `automl check`: each is read, or refused in words, in a bounded time.

    python -m benchmarks.attack --only descriptions --tried 2000

A description that is read is written as a study keeps it, and read back equal. A process of its own reads them, so that
one that hangs or takes memory without end is ended, counted as a miss and printed.
"""

import multiprocessing
import resource
import tempfile
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from automl.study.errors import AutomlError
from automl.study.load import dump, load, stored
from automl.study.validation import Rules
from benchmarks.attacks.described import Case, case_of

SECONDS: Final = 60.0
"""Of one description: reading 30,000 keys takes five seconds beside other work."""
MEMORY: Final = 2 * 10**9
"""Bytes that reading may take beyond what the process has."""
LONGEST: Final = 100_000
"""Letters of a message."""


def run(folder: Path, *, tried: int, seed: int) -> dict[str, float]:
    """Read so many random descriptions; return how many were tried, and how many were read or refused in words."""
    folder.mkdir(parents=True, exist_ok=True)
    held, reader = 0, _Reader()
    try:
        for number in range(tried):
            case = case_of(number, seed)
            with tempfile.TemporaryDirectory(dir=folder) as place:
                problem = reader.problem(case.make(Path(place)), case)
            held += not problem
            if problem:
                print(f"descriptions: case {number} ({case.kind}): {problem}", flush=True)
    finally:
        reader.end()
    return {"tried": tried, "held": held}


class _Reader:
    """The process that reads; a new one is started after one that was ended."""

    def __init__(self) -> None:
        self._start()

    def problem(self, path: Path, case: Case) -> str:
        """Return what is wrong with the reading of a file, empty if nothing."""
        try:
            self._pipe.send((path, dict(case.overrides)))
            if self._pipe.poll(SECONDS):
                return str(self._pipe.recv())
            said = f"no answer for {SECONDS:g} s"
        except (EOFError, OSError):
            said = "the process ended"
        self.end()
        self._start()
        return said

    def end(self) -> None:
        self._process.kill()
        self._process.join()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other,), daemon=True)
        self._process.start()
        other.close()
        self._pipe.recv()


def _serve(pipe: Connection) -> None:
    """Read the files whose paths come, with Ultralytics as the trainer."""
    from automl.trainers import trainer_of

    rules = trainer_of()
    rules.settings()
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))
    pipe.send("ready")
    while True:
        path, overrides = pipe.recv()
        pipe.send(problem_of(path, overrides, rules))


def problem_of(path: Path, overrides: Mapping[str, Any], rules: Rules) -> str:
    """Return what is wrong with the reading of a file, empty if nothing."""
    try:
        spec = load(path, rules=rules, overrides=overrides)
        kept = path.with_name("kept.yaml")
        kept.write_text(dump(spec), encoding="utf-8")
        return "" if stored(kept) == spec else "what was read differs from what is kept of it"
    except AutomlError as error:
        return "" if 0 < len(str(error)) <= LONGEST else f"a message of {len(str(error))} letters"
    except Exception as error:  # noqa: BLE001  (whatever comes out is what is looked for)
        return f"{type(error).__name__}: {str(error)[:200]}"
