"""The confirmation: same seeds for both sides, a bound that is honest, weights chosen without the judged split."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from scipy import stats

from automl.hpo import statistics
from automl.storage import job_file
from automl.storage.journal import Journal
from automl.study import Answer, Ending, Job, Kind, Loss, Measurement, Params, Score
from automl.study.results import DEFAULT
from automl.study.space import Real
from automl.study.spec_parts import ResourcesSpec
from automl.tracking.console import Progress
from automl.tracking.tensorboard_writer import Board, BoardSettings
from automl.trials import retrainings as trials_retrainings
from automl.trials.listener import Listeners
from automl.trials.retrainings import Retrainings
from tests.builders import METRIC, measurement, space_of
from tests.conftest import job_at
from tests.simulated_study import attach
from tests.tracking.test_tensorboard_writer import read

WINNER: Params = {"lr0": 0.02, "optimizer": "SGD"}
DEFAULTS: Params = {"lr0": 0.01, "optimizer": "SGD"}


def pattern(folder: Path, *, seed: int = 0) -> Job:
    return Job(
        folder=folder, number=0, params={}, seed=seed, epochs=6, model="m.yaml", data="d.yaml", metric=METRIC,
        settings={"imgsz": 64}, split="test",
    )  # fmt: skip


def scores(values: Sequence[float]) -> list[Score]:
    return [Score(seed, value, {METRIC: value}, Path(f"{seed}/best.pt")) for seed, value in enumerate(values)]


def lower(ours: Sequence[float], theirs: Sequence[float], *, confidence: float = 0.9) -> float:
    return statistics.gain(scores(ours), scores(theirs), confidence=confidence).low


PARAMS: Mapping[str, Params] = {"trial1": WINNER, DEFAULT: DEFAULTS}


def both(seeds: int) -> dict[str, range]:
    return {"trial1": range(seeds), DEFAULT: range(seeds)}


def test_both_sides_meet_the_same_fresh_seeds(tmp_path: Path) -> None:
    jobs = trials_retrainings.plan(pattern(tmp_path, seed=5), PARAMS, both(3))
    seeds = {side: [job.seed for name, job in jobs.items() if name.startswith(side)] for side in PARAMS}
    assert seeds["trial1"] == seeds[DEFAULT] == [1_000_005, 1_000_006, 1_000_007]
    assert {name: dict(job.params) for name, job in jobs.items()} == {
        f"{side}_seed{seed}": dict(params) for seed in seeds[DEFAULT] for side, params in PARAMS.items()
    }


def test_every_re_training_has_its_own_number_and_folder_and_the_judged_split(tmp_path: Path) -> None:
    first = trials_retrainings.plan(pattern(tmp_path), PARAMS, both(3))
    second = trials_retrainings.plan(pattern(tmp_path), PARAMS, {"trial1": (3, 4)}, before=len(first))
    jobs = [*first.values(), *second.values()]
    assert sorted(job.number for job in jobs) == list(range(8))
    assert len({job.folder for job in jobs}) == 8
    assert all(job.folder.is_relative_to(tmp_path / "confirm") for job in jobs)
    assert {(job.split, job.epochs) for job in jobs} == {("test", 6)}


def test_bounds_that_share_the_error_are_those_of_the_smaller_error() -> None:
    ours, theirs = scores([0.52, 0.55, 0.50]), scores([0.40, 0.48, 0.45])
    shared = statistics.gain(ours, theirs, confidence=0.9, share=0.2)
    assert shared.low == pytest.approx(statistics.gain(ours, theirs, confidence=0.98).low)
    assert shared.confidence == 0.9


def test_a_failed_re_training_has_no_score(tmp_path: Path) -> None:
    assert trials_retrainings.score(pattern(tmp_path), Ending(cause="lost")) is None
    found = trials_retrainings.score(pattern(tmp_path), Ending(final=measurement(6, 0.5)))
    assert found is not None
    assert (found.value, found.weights) == (0.5, tmp_path / "best.pt")


values = st.lists(st.integers(0, 1000).map(lambda value: value / 1000), min_size=2, max_size=6)


@given(values, values)
def test_the_bound_lies_below_the_difference_of_the_means(ours: list[float], theirs: list[float]) -> None:
    found = statistics.gain(scores(ours), scores(theirs), confidence=0.9)
    assert found.difference == pytest.approx(mean(ours) - mean(theirs))
    assert found.low <= found.difference + 1e-12


@given(values, values)
def test_more_confidence_never_raises_the_bound(ours: list[float], theirs: list[float]) -> None:
    assert lower(ours, theirs, confidence=0.95) <= lower(ours, theirs, confidence=0.8) + 1e-12


@given(values, values, st.integers(0, 500))
def test_a_better_challenger_never_lowers_the_bound(ours: list[float], theirs: list[float], more: int) -> None:
    assert lower([value + more / 1000 for value in ours], theirs) >= lower(ours, theirs) - 1e-9


def test_the_bound_is_that_of_welch() -> None:
    ours, theirs = [0.52, 0.55, 0.50], [0.40, 0.48, 0.45, 0.41]
    expected = stats.ttest_ind(ours, theirs, equal_var=False, alternative="greater").confidence_interval(0.9).low
    assert lower(ours, theirs) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("ours", "theirs", "difference", "low"),
    [
        ([0.5], [0.4, 0.4], 0.1, -inf),
        ([0.5, 0.5], [0.4], 0.1, -inf),
        ([], [0.4], 0.0, -inf),
        ([0.5, 0.5], [0.4, 0.4], 0.1, 0.1),
        ([0.5, 0.5], [0.5, 0.5], 0.0, 0.0),
    ],
)
def test_the_edges_of_the_bound(ours: list[float], theirs: list[float], difference: float, low: float) -> None:
    found = statistics.gain(scores(ours), scores(theirs), confidence=0.9)
    assert found.difference == pytest.approx(difference)
    assert found.low == pytest.approx(low)


def test_the_bound_holds_as_often_as_it_says() -> None:
    rng = stats.norm(0, 1)
    draws = rng.rvs(size=(600, 2, 3), random_state=1)
    misses = sum(lower(list(ours), list(theirs)) > 0 for ours, theirs in draws)
    assert misses / 600 < 0.13


def test_the_judged_value_is_read_under_its_present_and_its_earlier_name(
    tmp_path: Path,
) -> None:
    job = replace(job_at(tmp_path, Path("data.yaml")), split="test")
    for tag in ("test/map50_95", METRIC):
        found = trials_retrainings.score(job, Ending(final=Measurement(6, {tag: 0.4}, 1.0)))
        assert found
        assert found.value == 0.4


@dataclass
class Ends:
    """Remembers the endings it was handed."""

    seen: list[tuple[int, Ending]] = field(default_factory=list)

    def __call__(self, job: Job, ending: Ending) -> None:
        self.seen.append((job.number, ending))


def retrainings(folder: Path, ends: Ends, *, concurrent: int = 2) -> Retrainings:
    jobs = trials_retrainings.plan(pattern(folder), PARAMS, both(2))
    progress = Progress(folder / "study.log", console=Console(quiet=True))
    attach(progress)
    return Retrainings(
        deque(jobs.values()),
        {job.number: name for name, job in jobs.items()},
        concurrent,
        progress,
        ResourcesSpec(),
        ends,
    )


def test_no_more_re_trainings_run_than_there_are_places(tmp_path: Path) -> None:
    source = retrainings(tmp_path, Ends())
    assert [bool(source.next_job()) for _ in range(3)] == [True, True, False]
    handed = []
    for number, ending in enumerate([Ending(final=measurement(6, 0.5)), Ending(cause="lost"), Ending(cause="lost")]):
        source.ended(number, ending)
        handed.append((bool(source.next_job()), source.over))
    assert handed == [(True, False), (True, False), (False, False)]
    source.ended(3, Ending(cause="lost"))
    assert source.over


def test_what_a_re_training_was_told_stands_in_its_folder(tmp_path: Path) -> None:
    job = retrainings(tmp_path, Ends()).next_job()
    assert job is not None
    assert job_file.read(job.folder) == job


def test_an_ending_said_twice_is_handed_on_once(tmp_path: Path) -> None:
    ends = Ends()
    source = retrainings(tmp_path, ends)
    source.next_job()
    for ending in (Ending(final=measurement(6, 0.5)), Ending(cause="late")):
        source.ended(0, ending)
    assert ends.seen == [(0, Ending(final=measurement(6, 0.5)))]


def test_a_re_training_is_never_stopped_early(tmp_path: Path) -> None:
    source = retrainings(tmp_path, Ends())
    source.next_job()
    assert all(source.measured(0, measurement(epoch, 0.0), node="n") is Answer.CONTINUE for epoch in range(1, 7))


def test_the_table_shows_the_best_so_far_and_what_runs(tmp_path: Path) -> None:
    source = retrainings(tmp_path, Ends())
    for number in range(2):
        source.next_job()
        for epoch, value in enumerate([0.1, 0.4, 0.2], start=1):
            source.measured(number, measurement(epoch, value), node="n")
    source.ended(1, Ending(cause="x"))
    assert [list(row) for row in source.view().rows] == [
        ["default_seed1000000", "RUNNING", "3/6", "0.4000"],
        ["trial1_seed1000000", "ENDED", "3/6", "0.4000"],
    ]


def test_a_stop_and_a_loss_are_told(tmp_path: Path) -> None:
    source = retrainings(tmp_path, Ends())
    source.next_job()
    source.lost(0, Loss(Kind.NODE, "node lost"))
    assert source.next_job() is not None
    before = source.stopping
    source.stop("SIGTERM")
    assert (before, source.stopping) == (False, True)
    log = (tmp_path / "study.log").read_text()
    assert "default_seed1000000 lost its worker and is retried: node lost" in log
    assert "study stops: SIGTERM; 1 re-trainings continue when it is resumed" in log


def recorded(folder: Path, *, board: Board | None = None) -> Retrainings:
    source = retrainings(folder, Ends())
    source.journal = Journal.create(folder, name="s", metric=METRIC)
    source.listeners = Listeners((board,) if board else ())
    return source


def test_epochs_and_losses_of_a_re_training_survive_a_restart_of_the_driver(tmp_path: Path) -> None:
    source = recorded(tmp_path)
    source.next_job()
    for epoch in (1, 2):
        source.measured(0, measurement(epoch, 0.1 * epoch), node="n")
    source.lost(0, Loss(Kind.WORKER, "died"))

    again = recorded(tmp_path)
    again.next_job()
    again.measured(0, measurement(1, 0.1), node="n")  # a worker reports all that its folder holds
    again.measured(0, measurement(3, 0.4), node="m")
    again.lost(0, Loss(Kind.WORKER, "died again"))

    journal = Journal.read(tmp_path, metric=METRIC)
    assert [loss.cause for loss in journal.retraining_losses("default_seed1000000")] == ["died", "died again"]
    assert [m.epoch for m in journal.retraining_measurements("default_seed1000000")] == [1, 2, 3]
    assert journal.retraining_measurements("trial1_seed1000000") == ()


def test_the_retry_budget_of_a_re_training_is_not_forgotten_between_sessions(tmp_path: Path) -> None:
    for session in range(ResourcesSpec().retries + 1):
        source = recorded(tmp_path)
        source.next_job()
        source.lost(0, Loss(Kind.WORKER, f"died {session}"))
        ends = source.on_end
        assert isinstance(ends, Ends)
        assert bool(ends.seen) is (session == ResourcesSpec().retries)


def test_a_re_training_has_a_tensorboard_run_like_a_trial(tmp_path: Path) -> None:
    space = space_of(lr0=Real(1e-4, 0.1, 0.01))
    source = recorded(tmp_path, board=Board(tmp_path, space, BoardSettings(metric=METRIC)))
    job = source.next_job()
    assert job is not None
    for epoch in (1, 2):
        source.measured(0, measurement(epoch, 0.1 * epoch), node="n")
    source.ended(0, Ending(final=measurement(2, 0.2)))

    found = read(job.folder)

    assert [step for step, _ in found.scalars[METRIC]] == [1, 2]
    assert [value for _, value in found.scalars[METRIC]] == pytest.approx([0.1, 0.2])
    assert found.scalars.keys() >= {"val/loss", "time/seconds_per_epoch", "best/map50_95", "trial/outcome"}
    assert "params" in found.texts
