"""Ranks of a training: started, answered, and ended with the one that fails; here processes without torch."""

import errno
import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from automl.storage.epoch_details import EpochDetails
from automl.study import EndReason, Measurement
from automl.study.errors import DataError, TrialError
from automl.trainers.yolo import arguments, ranks, timing
from automl.trainers.yolo.ranks import Rank, RankError, RankLost, Watch, error_of, failure_of
from tests import scripted_rank
from tests.conftest import job_at
from tests.guarded_worker import wait_until
from tests.scripted_rank import DIES, ENDS, FAILS, LAMENTS, SLEEPS


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "MODULE", scripted_rank.__name__)
    monkeypatch.setattr(ranks, "SETTLE_SECONDS", 0.2)


def trained(folder: Path, *does: str, **more: Any) -> tuple[dict[str, float], list[tuple[int, list[str]]]]:
    """Train with ranks that do these things; return the metrics and the reported epochs with their pictures."""
    told: list[tuple[int, list[str]]] = []

    def on_epoch(measurement: Measurement, _weights: Path, _state: Path, shown: EpochDetails) -> None:
        told.append((measurement.epoch, [*shown.scalars, *shown.images]))

    order = folder / "ranks.json"
    order.write_text(json.dumps(does))
    with ranks.started(len(does), order, port=1) as running:
        return Watch(running, more.get("on_epoch", on_epoch)).run(), told


def living(folder: Path) -> list[int]:
    return [pid for path in folder.glob("rank-*") if psutil.pid_exists(pid := int(path.name.removeprefix("rank-")))]


@pytest.mark.slow
def test_rank_0_reports_each_epoch_and_its_metrics_at_the_end(tmp_path: Path) -> None:
    assert trained(tmp_path, ENDS, ENDS) == ({"val/map50_95": 0.7}, [(1, ["x"]), (2, ["x", "a"])])


@pytest.mark.slow
def test_the_error_of_one_rank_ends_all(tmp_path: Path) -> None:
    with pytest.raises(TrialError, match="loss is not finite"):
        trained(tmp_path, SLEEPS, FAILS)
    assert not living(tmp_path)


@pytest.mark.slow
def test_a_killed_rank_is_a_lost_process_whatever_others_say_of_it(tmp_path: Path) -> None:
    with pytest.raises(RankLost, match=r"rank 1 \(exit -9\) of 2 ranks ended without a message"):
        trained(tmp_path, LAMENTS, DIES)


@pytest.mark.slow
def test_ranks_end_with_a_process_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.trainers.yolo.test_ranks", str(tmp_path)]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[3])
    assert wait_until(lambda: len(living(tmp_path)) == 2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert wait_until(lambda: not living(tmp_path))


@pytest.mark.parametrize(
    "error",
    [TrialError("x", reason=EndReason.NOT_FINITE), TrialError("y"), DataError("z"), OSError(errno.EIO, "away", "/a")],
)
def test_errors_of_a_rank_keep_their_kind(error: Exception) -> None:
    rank = Rank(1, None, None, failure=json.loads(json.dumps(failure_of(error))))  # type: ignore[arg-type]
    again = error_of(rank)
    assert (type(again), str(again)) == (type(error), str(error))
    assert getattr(again, "reason", None) == getattr(error, "reason", None)


def test_an_unknown_error_of_a_rank_is_named() -> None:
    rank = Rank(1, None, None, failure=failure_of(KeyError("lr0")))  # type: ignore[arg-type]
    assert isinstance(error_of(rank), RankError)
    assert str(error_of(rank)) == "rank 1: KeyError: 'lr0'"


def test_each_gpu_of_a_job_has_its_share_of_batch_and_threads(tmp_path: Path) -> None:
    job = replace(job_at(tmp_path, tmp_path / "data.yaml", batch=16), gpus=2.0, threads=6)
    wanted = arguments.training_overrides(job, tmp_path)
    assert (wanted["device"], wanted["workers"], wanted["batch"]) == ("0,1", 3, 16)
    share = timing.share_of(job)
    assert (share.gpus, share.threads, arguments.batch_size(share)) == (1.0, 3, 8)
    assert arguments.overrides(job, tmp_path)["device"] == 0, "what is no training takes one"


if __name__ == "__main__":
    ranks.MODULE = scripted_rank.__name__  # type: ignore[misc]
    trained(Path(sys.argv[1]), SLEEPS, SLEEPS)
