"""A study whose storage fills up, goes away or turns read-only in the middle waits, says so, and loses nothing."""

import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from automl.apps.cli import app
from automl.storage import curves_file
from automl.storage.journal import Journal
from automl.storage.outage import retries_enabled
from automl.storage.registry import Registry
from automl.study import Ending, Job, State, Trial
from automl.study.errors import StudyError
from automl.tracking.console import Progress
from automl.trials import worker
from tests.builders import METRIC, record_of, spec_of, written
from tests.conftest import job_at
from tests.simulated_study import Clock, Curve, open_search, saturating, simulate
from tests.small_storage import Storage, Voice, mounted
from tests.tracking.test_tensorboard_writer import read as events

SPEC = spec_of(budget={"trials": 8}, ladder={"min_epochs": 3, "max_epochs": 9})


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    with mounted(tmp_path / "mount", size="1m") as made:
        yield made


@pytest.fixture
def untroubled(tmp_path: Path) -> tuple[Path, list[Trial]]:
    """The folder and the trials of the same study on a storage without trouble."""
    source = open_search(tmp_path / "whole", SPEC, workers=2)
    simulate(source, saturating, clock=Clock())
    source.close()
    return tmp_path / "whole", source.trials


def troubled_by(trouble: Callable[[], None], *, after: int = 6) -> Curve:
    """Return the usual curve, with trouble after so many epochs."""
    count = 0

    def curve(job: Job, epoch: int) -> float:
        nonlocal count
        count += 1
        if count == after:
            trouble()
        return saturating(job, epoch)

    return curve


def same_study(folder: Path, whole: Path, trials: list[Trial]) -> None:
    """See that a folder holds what the study without trouble left."""
    journal = Journal.read(folder, metric=METRIC)
    assert (journal.dropped, journal.trials()) == ("", trials)
    for place in sorted((whole / "trials").iterdir()):
        mine, theirs = events(folder / "trials" / place.name), events(place)
        assert {tag: set(values) for tag, values in mine.scalars.items()} == {
            tag: set(values) for tag, values in theirs.scalars.items()
        }
        assert mine.hparams.keys() == theirs.hparams.keys()


@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 6, 12])
def test_a_study_on_a_full_disk_waits_until_there_is_room(
    storage: Storage, untroubled: tuple[Path, list[Trial]], after: int
) -> None:
    folder, voice = storage.folder / "small", Voice(storage.empty)
    source = open_search(folder, SPEC, workers=2)
    with retries_enabled(voice.settings()):
        simulate(source, troubled_by(storage.fill, after=after), clock=Clock())
        source.close()
    first, *_, last = voice.said
    assert re.fullmatch(r"storage: /.*: No space left on device; writes wait until there is free space", first)
    assert re.fullmatch(r"storage: /.*: there is free space again after \d+s", last)
    same_study(folder, *untroubled)


@pytest.mark.slow
def test_a_study_on_a_storage_that_turns_read_only_waits_until_it_can_be_written(
    storage: Storage, untroubled: tuple[Path, list[Trial]]
) -> None:
    folder, voice = storage.folder / "small", Voice(lambda: storage.remount("rw"))
    source = open_search(folder, SPEC, workers=2)
    with retries_enabled(voice.settings()):
        simulate(source, troubled_by(lambda: storage.remount("ro")), clock=Clock())
        source.close()
    assert voice.said[0].endswith(": Read-only file system; writes wait until it is writable")
    same_study(folder, *untroubled)


@pytest.mark.slow
def test_a_study_that_is_stopped_while_it_waits_is_resumed_without_loss(
    storage: Storage, untroubled: tuple[Path, list[Trial]]
) -> None:
    folder, asked = storage.folder / "small", threading.Event()
    source = open_search(folder, SPEC, workers=2)
    with (
        retries_enabled(Voice(asked.set).settings(asked.is_set)),
        pytest.raises(StudyError, match=r"must be writable, but No space left .*; fix that, then resume the study"),
    ):
        simulate(source, troubled_by(storage.fill), clock=Clock())
    storage.empty()
    resumed = open_search(folder, SPEC, workers=2)
    simulate(resumed, saturating, clock=Clock())
    assert resumed.trials == untroubled[1]


@pytest.mark.slow
def test_without_retries_a_full_disk_is_one_message(storage: Storage) -> None:
    source = open_search(storage.folder / "small", SPEC)
    with pytest.raises((StudyError, OSError), match="No space left on device"):
        simulate(source, troubled_by(storage.fill), clock=Clock())
    assert Journal.read(storage.folder / "small", metric=METRIC).dropped == ""


def test_what_the_log_cannot_take_is_on_the_console_and_added_later(storage: Storage) -> None:
    console = Console(record=True, quiet=False, file=(storage.folder.parent / "console").open("w"), width=200)
    progress = Progress(storage.folder / "study.log", console=console)
    long = "x" * 3000
    progress.emit(record_of(f"before {long}"))
    storage.fill()
    progress.emit(record_of(f"during {long}"))
    assert "during" in console.export_text(clear=False)
    assert "during" not in (storage.folder / "study.log").read_text()
    storage.empty()
    progress.emit(record_of("after"))
    console.file.close()
    lines = (storage.folder / "study.log").read_text().splitlines()
    assert [line.split()[1] for line in lines] == ["before", "during", "after"]


@pytest.mark.parametrize(("mode", "told"), [("full", "No space left on device"), ("ro", "Read-only file system")])
def test_a_command_that_runs_no_study_does_not_wait(storage: Storage, tmp_path: Path, mode: str, told: str) -> None:
    held_there = Registry(storage.folder / "models", "boards")
    number = held_there.publish({"best.pt": written(tmp_path, "best.pt", "weights")}, {})
    storage.fill() if mode == "full" else storage.remount("ro")
    found = CliRunner().invoke(app, ["promote", str(held_there.folder), "--version", str(number), "--why", "x"])
    assert found.exit_code == 2
    assert told in found.stderr
    assert "Traceback" not in found.output
    assert held_there.aliases() == {"challenger": number}


@pytest.mark.yolo
@pytest.mark.slow
def test_a_training_on_a_full_disk_waits_and_completes(tmp_path: Path, data: Path) -> None:
    with mounted(tmp_path / "mount", size="32m") as storage:
        job = job_at(storage.folder / "trial", data, epochs=2)
        storage.fill()
        voice, endings = Voice(storage.empty, seconds=1.0), list[Ending]()

        def work() -> None:
            with retries_enabled(voice.settings()):
                endings.append(worker.run(job, lambda _measurement: None))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join(timeout=1200)
        assert [ending.state for ending in endings] == [State.COMPLETED], endings
        assert "No space left on device" in voice.said[0]
        assert [measurement.epoch for measurement in curves_file.read_curves(job.folder)] == [1, 2]
        assert {"last.pt", "best.pt", "curves.csv", "details.csv", "environment.json"} == {
            path.name for path in job.folder.iterdir()
        }


@pytest.mark.slow
def test_a_log_on_a_full_disk_harms_nobody_who_prints() -> None:
    told = (
        "import sys; from pathlib import Path; from automl.trials import training_process\n"
        "training_process.print_to(Path('/dev/full'))\n"
        "for _ in range(1000): print('x' * 100); print('y' * 100, file=sys.stderr)\n"
        "sys.stdout.flush(); sys.exit(7)"
    )
    found = subprocess.run([sys.executable, "-c", told], capture_output=True, check=False)
    assert found.returncode == 7
