"""How a study stays below its quota, and what it says where it cannot."""

from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from automl.pipeline.session import claim
from automl.storage.journal import Journal
from automl.study import Ending, State
from automl.study.errors import StudyError
from automl.study.load import stored
from automl.study.spec_parts import ResourcesSpec
from automl.trials import quota
from automl.trials.quota import model_of
from automl.trials.retrainings import Retrainings
from tests.builders import METRIC, SPEC, measurement, spec_of, trial_of
from tests.simulated_checkpoints import MB, Disk, best, opened, sized, study_of, weights
from tests.simulated_study import Clock, simulate


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "workers", "quota"),
    [("promotion", 1, 9), ("promotion", 3, 19), ("promotion", 4, 40), ("stopping", 3, 18), ("promotion", 3, 12)],
)
def test_the_folder_is_below_its_quota_at_every_moment(tmp_path: Path, kind: str, workers: int, quota: float) -> None:
    spec, disk = study_of(kind, trials=60, keep=5, quota=quota / 1000), Disk(tmp_path)
    source = opened(tmp_path, spec, workers=workers, need=disk.needed)

    simulate(source, disk.curve, clock=Clock())
    source.close()

    assert disk.most <= quota * MB
    assert disk.most > (quota - 6) * MB, "what is there is used"
    assert source.finished
    assert len(source.trials) == 60
    assert any(trial.state is State.COMPLETED for trial in source.trials)
    reasons = [trial.ending.text for trial in source.trials if trial.ending and trial.state is State.PRUNED]
    out = [reason for reason in reasons if reason.startswith("storage quota: ")]
    assert bool(out) is (kind == "promotion")
    assert {*best(source, 1)} <= weights(source).keys()


def test_of_the_paused_trials_the_worst_of_the_lowest_rung_ends_first() -> None:
    paused = [trial_of(0, [0.3]), trial_of(1, [0.1, 0.2]), trial_of(2, [0.2]), trial_of(3, []), trial_of(4, [0.2])]
    assert [trial.number for trial in quota.worst_first(paused, METRIC)] == [3, 4, 2, 0, 1]


def test_a_paused_trial_that_ends_to_make_room_keeps_no_weights(tmp_path: Path) -> None:
    source = opened(tmp_path, study_of("promotion", quota=0.006), workers=1, need=(disk := Disk(tmp_path)).needed)
    first = source.next_job()
    assert first is not None
    source.measured(0, measurement(1, disk.curve(first, 1)), node="a")
    assert weights(source) == {0: {"last.pt", "best.pt"}}

    second = source.next_job()

    assert second is not None
    assert second.number == 1
    assert source.trials[0].state is State.PRUNED
    assert weights(source) == {}


def test_no_trial_ends_and_none_gives_up_weights_in_vain(tmp_path: Path) -> None:
    source = opened(tmp_path, study_of("promotion", quota=0.0069), need=(disk := Disk(tmp_path)).needed)
    first = source.next_job()
    assert first is not None
    source.measured(0, measurement(1, disk.curve(first, 1)), node="a")

    assert source.next_job() is not None
    assert source.next_job() is None, "one trial runs; with the paused one gone there were no room for another yet"

    assert source.trials[0].state is State.RUNNING
    assert weights(source) == {0: {"last.pt", "best.pt"}}


@pytest.mark.slow
def test_a_quota_killed_and_resumed_is_kept_all_the_same(tmp_path: Path) -> None:
    spec, disk = study_of("promotion", trials=30, quota=0.014), Disk(tmp_path)
    for count in (5, 9, 17, 99):
        source = opened(tmp_path, spec, need=disk.needed)
        simulate(source, disk.curve, clock=Clock(), until=lambda: len(source.trials) > count)  # noqa: B023

    assert source.finished
    assert disk.most <= 14 * MB


def test_a_study_stopped_by_its_quota_resumes_with_a_higher_one(
    tmp_path: Path,
) -> None:
    disk = Disk(tmp_path)
    source = opened(tmp_path, study_of("promotion", quota=0.003), need=disk.needed)
    law = (
        r"storage quota: .* in use, 0 running.* 4.* MB more.*retention.quota_gb is 0.003.*nothing runs.*higher.*resume"
    )
    with pytest.raises(StudyError, match=law):
        simulate(source, disk.curve, clock=Clock())

    resumed = opened(tmp_path, study_of("promotion", quota=0.02), need=disk.needed)
    simulate(resumed, disk.curve, clock=Clock())
    assert resumed.finished


def test_a_job_that_waits_for_room_is_told_once(tmp_path: Path) -> None:
    spec, disk = study_of("stopping", quota=0.006), Disk(tmp_path)
    source = opened(tmp_path, spec, need=disk.needed)

    assert source.next_job() is not None
    assert [source.next_job() for _ in range(3)] == [None] * 3

    log = (tmp_path / "study.log").read_text()
    assert log.count("no job starts until a running one frees space: storage quota: ") == 1
    source.ended(0, Ending(cause="out of memory"))
    assert source.next_job() is not None


def test_without_a_quota_no_folder_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_given: object) -> dict[str, int]:
        pytest.fail("must not be asked")

    monkeypatch.setattr("automl.trials.quota._sizes", never)
    source = opened(tmp_path, study_of("promotion"), workers=2)
    simulate(source, Disk(tmp_path).curve, clock=Clock())
    assert source.finished


def test_links_to_the_users_images_do_not_count(tmp_path: Path) -> None:
    sized(tmp_path / "mine" / "a.jpg", 50 * MB)
    study = tmp_path / "study"
    (study / "data" / "images").mkdir(parents=True)
    (study / "data" / "images" / "a.jpg").symlink_to(tmp_path / "mine" / "a.jpg")
    (study / "data" / "all").symlink_to(tmp_path / "mine")
    source = opened(study, study_of("promotion", quota=0.02))
    assert source._quota.used() < MB


@pytest.mark.parametrize("seen", [1, 3])
def test_a_new_model_needs_its_forecast_and_a_known_one_at_most_twice_its_size(tmp_path: Path, seen: int) -> None:
    models = {"choices": ["a.yaml", "b.yaml"], "default": "a.yaml"}
    spec = spec_of(space={"model": models, "lr0": SPEC["space"]["lr0"]}, retention={"quota_gb": 1.0})
    keeper = opened(tmp_path, spec)._quota
    keeper.needs = {"a.yaml": 20 * MB, "b.yaml": 90 * MB}
    small = keeper.context.job(tmp_path / "trials" / "0", number=0, params={"model": "a.yaml"}, seed=0)
    for name in ("last.pt", "best.pt"):
        sized(small.folder / name, seen * MB)

    keeper.measure(small)

    assert model_of(small) == "a.yaml"
    assert keeper._need("a.yaml") == 2 * 3 * seen * MB
    assert keeper._need("b.yaml") == 90 * MB


def test_a_quota_may_change_while_a_study_is_under_way_and_nothing_else_may(tmp_path: Path) -> None:
    claim(tmp_path, spec_of())
    Journal.create(tmp_path, name="small", metric=METRIC)
    changed: dict[str, Any] = {"keep": 2, "quota_gb": 7.5}

    claim(tmp_path, spec_of(retention=changed))

    assert stored(tmp_path / "study.yaml").retention.model_dump() == changed
    with pytest.raises(
        StudyError, match=r"(?s)same description.*seed: 0 there, 1 here \(the trials so far were drawn.*\)\nchoose"
    ):
        claim(tmp_path, spec_of(seed=1, retention={"keep": 9}))


def test_a_re_training_waits_for_room_and_those_that_ended_in_the_search_make_way(tmp_path: Path) -> None:
    spec, disk = study_of("stopping", quota=0.01), Disk(tmp_path)
    search = opened(tmp_path, spec, need=disk.needed)
    simulate(search, disk.curve, clock=Clock())
    before = sum(map(len, weights(search).values()))
    keeper = quota.restored(search.context, search.trials, needs={spec.model: disk.needed})
    jobs = [
        search.context.job(tmp_path / "confirm" / name, number=n, params={"lr0": 0.01}, seed=n)
        for n, name in enumerate("ab")
    ]
    source = Retrainings(
        deque(jobs), {0: "a", 1: "b"}, 2, search.table, ResourcesSpec(), keeper.retrained, keeper.admit
    )

    assert source.next_job() == replace(jobs[0], attempt=1)
    assert source.next_job() is None
    assert sum(map(len, weights(search).values())) == before - 2, "no more make way than must, and none in vain"
    for epoch in (1, 2):
        disk.curve(jobs[0], epoch)
    source.ended(0, Ending(final=measurement(6, 0.5)))
    assert source.next_job() == jobs[1]
    assert disk.most <= 10 * MB
