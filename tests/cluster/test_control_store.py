"""When the head's control store goes away: the study waits for it, or ends in words and goes on elsewhere."""

import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from automl.cluster import control_store
from automl.cluster.control_store import STORE, Timeouts, Watch
from automl.cluster.exit import STOPPED
from automl.storage.journal import Journal
from tests import hosted_cluster, quick_run, quick_study
from tests.builders import METRIC
from tests.guarded_worker import wait_until
from tests.simulated_study import Clock


class Story:
    """A store that answers as told, a second after the other, and its watch."""

    def __init__(self, answers: str) -> None:
        self.clock = Clock()
        self._answers = dict(enumerate(answers))
        self.watch = Watch(self.ask, timeouts=Timeouts(log=3, lost=6), clock=self.clock)

    def ask(self) -> str:
        return self._answers[int(self.clock.now)].strip()

    def run(self) -> bool:
        """Look once a second while there are answers; False once the cluster is gone."""
        for second in range(1, len(self._answers)):
            self.clock.now = second
            if not self.watch.look():
                return False
        return True


@pytest.mark.parametrize(
    ("answers", "goes_on", "said"),
    [
        ("aaaa", True, []),
        ("aa  aa", True, []),
        ("aa    aa", True, ["has not answered for 3 s; waiting for it", "answers again after 4 s"]),
        ("a    a    a", True, ["has not answered for 3 s; waiting for it", "answers again after 4 s"] * 2),
        (
            "a       ",
            False,
            ["has not answered for 3 s; waiting for it", "has not answered for 6 s; this process exits"],
        ),
        ("ab", False, ["now belongs to another cluster; this process exits"]),
        (" aabb", True, ["cannot be polled from this process; if it is lost, Ray ends the process without a message"]),
    ],
)
def test_a_watch_logs_each_change_once_and_ends_at_another_cluster(
    answers: str, *, goes_on: bool, said: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="automl")
    story = Story(answers)

    assert story.run() is goes_on
    assert len(caplog.messages) == len(said)
    for heard, expected in zip(caplog.messages, said, strict=True):
        assert heard.startswith(f"{STORE} {expected}")


def test_a_block_that_fails_while_the_store_is_away_ends_as_if_the_cluster_were_gone() -> None:
    clock, ended = Clock(), list[str]()
    watch = Watch(lambda: "" if clock.now else "a", timeouts=Timeouts(poll=0.01), clock=clock)

    def fail() -> None:
        clock.now = 1
        wait_until(lambda: watch._since is not None)
        clock.now = 12
        raise RuntimeError("a Ray call failed")

    with (
        pytest.raises(RuntimeError, match="a Ray call failed"),
        control_store.watched(watch, lambda: ended.append("gone")),
    ):
        fail()

    assert ended == ["gone"]


def test_where_nothing_listens_nobody_answers() -> None:
    assert control_store.name_at("127.0.0.1:9") == ""


def drive(folder: Path, address: str, timeouts: Timeouts) -> subprocess.Popen[str]:
    """Start a driver with a study of trials that train nothing."""
    return subprocess.Popen(
        [sys.executable, "-m", quick_study.__name__, str(folder), address, str(timeouts.log), str(timeouts.lost)],
        env=hosted_cluster.environment(folder.parent),
        text=True,
        stderr=subprocess.PIPE,
    )


def says(folder: Path, words: str) -> Callable[[], bool]:
    log = folder / "study.log"
    return lambda: log.exists() and words in log.read_text()


@pytest.mark.ray
@pytest.mark.timeout(1200)
def test_a_store_that_keeps_its_state_may_be_away_for_twenty_seconds(tmp_path: Path) -> None:
    study, kept = tmp_path / "study", tmp_path / "store"
    kept.mkdir()
    storage = {"gcs_storage": "rocksdb", "gcs_storage_path": str(kept)}
    # Driver and nodes are patient: on a busy machine a store may take half a minute to start.
    with hosted_cluster.host(tmp_path, **storage, gcs_rpc_server_reconnect_timeout_s="300") as cluster:
        driver = drive(study, cluster.address, Timeouts(log=5, lost=100))
        assert wait_until(says(study, "trial 0 pauses"), seconds=600)
        cluster.do("kill-store")
        time.sleep(20)
        cluster.do("start-store")
        _, said = driver.communicate(timeout=540)

    assert driver.returncode == 0, said
    log = (study / "study.log").read_text()
    # Once for each silence; a busy machine may add one.
    assert log.count(f"{STORE} has not answered for ") == log.count(f"{STORE} answers again after ") >= 1
    assert "search is over" in log
    assert "worker lost" not in log


@pytest.mark.ray
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("comes_back", "told"), [(True, "now belongs to another cluster"), (False, "has not answered")]
)
def test_a_store_that_forgets_ends_the_study_which_resumes_in_a_new_cluster(
    tmp_path: Path, *, comes_back: bool, told: str
) -> None:
    study = tmp_path / "study"
    with hosted_cluster.host(tmp_path) as cluster:
        driver = drive(study, cluster.address, Timeouts(log=2, lost=100 if comes_back else 8))
        assert wait_until(says(study, "trial 0 pauses"), seconds=600)
        cluster.do("kill-store")
        if comes_back:
            time.sleep(5)
            cluster.do("start-store")
        _, said = driver.communicate(timeout=300)
    assert driver.returncode == control_store.GONE, said
    resume = f"automl resume {study} (or submit the study again)"
    assert said == f"automl: the Ray cluster is lost; all results are saved: {resume}\n"
    assert says(study, f"{STORE} {told}")()
    before = len(Journal.read(study, metric=METRIC).trials()[0].measurements)

    again = drive(study, "local", Timeouts())
    _, said = again.communicate(timeout=540)

    assert again.returncode == 0, said
    assert before >= 2
    assert says(study, "search is over")()


@pytest.mark.ray
@pytest.mark.timeout(1200)
def test_a_stop_takes_thirty_seconds_at_most_also_where_a_trial_never_answers(tmp_path: Path) -> None:
    study = tmp_path / "study"
    study.mkdir()
    (study / quick_run.HANG).touch()
    driver = drive(study, "local", Timeouts())
    assert wait_until(lambda: any(study.glob("trials/*/epochs")), seconds=600)
    time.sleep(1)

    driver.send_signal(signal.SIGTERM)
    _, said = driver.communicate(timeout=300)  # more than 30 s for a busy machine; the trial would never end

    assert driver.returncode in {0, STOPPED}, f"not in an orderly way, nor at the end of our timeouts: {said}"
    assert says(study, "study stops: SIGTERM")()
