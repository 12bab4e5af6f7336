"""Fixtures that are dear to make: a small drawn data set and a trained micro YOLO, once for all tests."""

import gc
import logging
import os
import re
import signal
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from _pytest.doctest import DoctestModule
from hypothesis import settings

from automl.data import check, sample, staging
from automl.study import Ending, Job
from automl.study.yaml_io import read_yaml
from automl.trials import worker
from tests import tiny_trainer
from tests.builders import METRIC

# A law does not depend on how busy the machine is, and each run tries the same examples: one that finds a new fault is
# asked for (`pytest --hypothesis-profile=default`), and does not come in the middle of another change.
settings.register_profile("automl", deadline=None, derandomize=True)
settings.load_profile("automl")
# Ray gives its workers niceness 15: beside other tests on two cores, a training would hardly come to its turn.
os.environ.setdefault("RAY_worker_niceness", "0")
# Else an embedded Ray starts an idle process for each CPU when its driver joins, whatever the study then needs.
os.environ.setdefault("RAY_prestart_worker_first_driver", "0")
os.environ.setdefault("AUTOML_DASHBOARD", "0")  # a third of the CPU time of a start; tests that look at it set 1
os.environ.setdefault("MPLCONFIGDIR", str(Path(tempfile.gettempdir()) / "automl-tests-matplotlib"))  # one list of fonts
os.environ.setdefault("AUTOML_CACHE", "")  # tests that ask for a cache name a folder of their own
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a job in the background of a shell script inherits that
    signal.signal(signal.SIGINT, signal.default_int_handler)
tiny_trainer.registered()  # in the environment, from where the workers of every Ray started here take it

MOST_QUICK = 10
"""Epochs up to which a training of the tiny trainer runs at full speed."""
ENDLESS = 1000
"""Epochs of a training of the tiny trainer that a test stops: 200 seconds, whatever keeps the test from stopping it."""
LONGEST = (
    "tests/test_chaos.py", "pipeline/test_run.py", "pipeline/test_tiny_study.py", "cluster/test_control_store.py",
    "pipeline/test_surroundings.py",
)  # fmt: skip
"""Files that take minutes, the longest first: begun last, one of them would run alone at the end."""
WAITING_MARKS = frozenset({"ray", "yolo", "browser", "slow"})
OF_FILE = re.compile(r"^pytestmark = .*$", re.MULTILINE)
"""Marks of all tests of a file."""
MICRO = Path(__file__).parents[1] / "search_spaces" / "models" / "micro.yaml"
SMALLEST = Path(__file__).parent / "models" / "smallest.yaml"
MANY_MODULES = 200
"""Modules that a vendor's import adds."""


def marks_left_out(expression: str) -> frozenset[str]:
    """Return the marks X of an expression such as `not X and not Y`; none of any other expression.

    >>> sorted(marks_left_out("not ray and not gpu")), sorted(marks_left_out("not ray or gpu"))
    (['gpu', 'ray'], [])
    """
    parts = [part.split() for part in expression.split(" and ")]
    plain = all(len(part) == 2 and part[0] == "not" and part[1].isidentifier() for part in parts)
    return frozenset(part[1] for part in parts) if plain else frozenset()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out files of which `-m` selects no test: they need not be imported with torch, Ultralytics or Ray."""
    without = marks_left_out(config.option.markexpr)
    if not without or collection_path.suffix != ".py":
        return None
    found = OF_FILE.search(collection_path.read_text(encoding="utf-8"))
    marks = re.findall(r"pytest\.mark\.(\w+)", found[0].partition("#")[0]) if found else []
    return True if without.intersection(marks) else None


class ExamplesOnly:
    """Look for doctests only in files that have one: to look, pytest imports a file and inspects all that is in it."""

    @pytest.hookimpl(wrapper=True)
    def pytest_collect_file(self, file_path: Path) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
        found = yield
        if not any(isinstance(one, DoctestModule) for one in found) or b">>>" in file_path.read_bytes():
            return found
        return [one for one in found if not isinstance(one, DoctestModule)]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect tests without collecting garbage: what imports and tests leave in memory stays to the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


class Imported:
    """Keep what the import of a vendor left out of the collections of garbage: a training of Ultralytics asks for one.

    It costs 0.25 CPU-seconds in a process that has imported Ultralytics, a third of the smallest training.
    """

    def __init__(self) -> None:
        self.modules = len(sys.modules)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        if len(sys.modules) - self.modules > MANY_MODULES:
            self.modules = len(sys.modules)
            gc.collect()
            gc.freeze()

    def pytest_unconfigure(self) -> None:
        """Let the end of the process take it all down, as vendors expect that count what they leave."""
        gc.unfreeze()


def pytest_configure(config: pytest.Config) -> None:
    """Register the hook that holds for files outside this folder too."""
    config.pluginmanager.register(ExamplesOnly())
    config.pluginmanager.register(Imported())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, then those with a test that waits for other processes, then the rest."""
    waiting = {item.path for item in items if WAITING_MARKS & {mark.name for mark in item.iter_markers()}}

    def order(item: pytest.Item) -> tuple[int, bool]:
        path = item.path.as_posix()
        place = next((place for place, end in enumerate(LONGEST) if path.endswith(end)), len(LONGEST))
        return place, item.path not in waiting

    items.sort(key=order)


@contextmanager
def _same_log() -> Iterator[None]:
    """Put the level and the handlers of the package's logger back: a simulated study sets them, and leaves them so."""
    log = logging.getLogger("automl")
    level, handlers = log.level, [*log.handlers]
    yield
    log.setLevel(level)
    log.handlers[:] = handlers


@pytest.fixture(scope="module", autouse=True)
def _log_of_the_file() -> Iterator[None]:
    with _same_log():
        yield


@pytest.fixture(autouse=True)
def _log_of_the_test() -> Iterator[None]:
    with _same_log():
        yield


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `data.yaml` of a drawn and staged set of 24 + 12 + 12 images."""
    root = tmp_path_factory.mktemp("data")
    source = sample.draw(root / "drawn", splits={"train": 24, "val": 12, "test": 12})
    checked = check.check(source, read_yaml(source), splits=("train", "val", "test"))
    return staging.stage(checked, root / "staged")


def job_at(folder: Path, data: Path, *, epochs: int = 3, **params: float | str) -> Job:
    """Return a job of seconds, the micro YOLO on the drawn data, and make its folder, as a driver does."""
    folder.mkdir(parents=True, exist_ok=True)
    return Job(
        folder=folder,
        number=0,
        params={"optimizer": "SGD", "lr0": 0.02, **params},
        seed=0,
        epochs=epochs,
        model=str(MICRO),
        data=str(data),
        metric=METRIC,
        settings={"imgsz": 128, "batch": 8, "nbs": 8, "warmup_epochs": 0.5, "close_mosaic": 1, "cache": "ram"},
    )


def small_job_at(folder: Path, data: Path, *, epochs: int = 3, **params: float | str) -> Job:
    """Return the same job, of the smallest model at a quarter of the pixels: for how a training is cut or fails."""
    job = job_at(folder, data, epochs=epochs, **params)
    return replace(job, model=str(SMALLEST), settings={**job.settings, "imgsz": 64})


def tiny_job_at(folder: Path, data: Path, *, epochs: int = 3, **params: float | str) -> Job:
    """Return a job of the tiny trainer: of milliseconds, unless its many epochs say that it is to be stopped."""
    job = job_at(folder, data, epochs=epochs, **params)
    settings = {"imgsz": 32, "batch": 8, "epoch_seconds": 0.2 if epochs > MOST_QUICK else 0.0}
    return replace(job, model=tiny_trainer.MODEL, settings=settings, trainer=tiny_trainer.NAME)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, data: Path) -> tuple[Job, Ending]:
    """A job that was trained to its end, and how it ended."""
    job = job_at(tmp_path_factory.mktemp("trained"), data)
    return job, worker.run(job, lambda _measurement: None)


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A local Ray, one for all tests of a file."""
    with _embedded(tmp_path_factory.mktemp("ray"), dashboard="0"):
        yield


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The dashboard of a local Ray, one for all tests of a file, which costs 4 CPU-seconds more."""
    with _embedded(tmp_path_factory.mktemp("ray"), dashboard="1") as url:
        yield url


@contextmanager
def _embedded(folder: Path, *, dashboard: str) -> Iterator[str]:
    from automl import cluster  # noqa: PLC0415  (few tests need Ray, and it takes seconds to import)
    from automl.cluster import embedded  # noqa: PLC0415

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(embedded.VARIABLE, dashboard)
        with cluster.connected(address=None, log=folder / "ray.log") as url:
            yield url
