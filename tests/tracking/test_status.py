"""A study at a glance: every trial a row, what matters a column, what is left a guess."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.study import Kind, Loss, Trial
from automl.study.spec import StudySpec
from automl.tracking import status
from automl.trials.heartbeat import Beat
from automl.trials.job_clock import Elapsed
from tests.builders import METRIC, SPEC, completed, failed, pruned, spec_of, trial_of
from tests.tracking.report.test_page import FACTS

MINUTE = Elapsed.of_search(60, 2)
TRIALS = [completed(0, [0.1, 0.2, 0.5, 0.4, 0.3, 0.3]), pruned(1, [0.0, 0.1]), failed(2), trial_of(3, [0.2])]


def rows(trials: list[Trial], **changes: object) -> list[dict[str, str]]:
    view = status.of_trials(spec_of(**changes), trials, elapsed=MINUTE)
    return [dict(zip(view.columns, row, strict=True)) for row in view.rows]


def test_every_trial_is_a_row_with_its_state_and_best_value() -> None:
    found = rows(TRIALS)
    assert [(row["trial"], row["state"], row["epoch"], row["map50_95"]) for row in found] == [
        ("0", "COMPLETED", "6/6", "0.5000"),
        ("1", "PRUNED", "2/6", "0.1000"),
        ("2", "FAILED", "0/6", ""),
        ("3", "RUNNING", "1/6", "0.2000"),
    ]


def test_an_unended_trial_shows_what_it_will_reach_and_an_ended_one_what_it_did() -> None:
    trials = [
        completed(0, [0.1, 0.2, 0.3, 0.4, 0.4, 0.5]),
        pruned(1, [0.0, 0.1]),
        failed(2),
        trial_of(3, [0.2, 0.3, 0.35, 0.4]),
    ]
    column = [row["by epoch 6"] for row in rows([*trials, trial_of(4)])]
    assert column[:3] == ["", "", ""] == [*column[4:], "", ""]
    final, low, high = map(float, column[3].replace("(", "").replace(")", "").replace("..", " ").split())
    assert 0.2 <= low <= final <= high <= 1.0


@pytest.mark.parametrize(
    "trials",
    [
        [trial_of(0, [0.25])],
        [completed(0, [0.1] * 6), trial_of(1, [0.2])],
        [trial_of(0, [0.2, 0.2]), trial_of(1, [0.2, 0.2])],
    ],
    ids=["one value", "one value, others known", "all the same"],
)
def test_where_nothing_is_known_of_a_trial_s_end_nothing_is_said(trials: list[Trial]) -> None:
    assert set(status.expected(trials, metric=METRIC, epochs=6, model=spec_of().model).values()) <= {""}


@given(st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=5), min_size=1, max_size=6))
def test_a_forecast_has_a_width_and_no_upper_end_at_the_ceiling(values: list[list[float]]) -> None:
    trials = [trial_of(number, curve) for number, curve in enumerate(values)]
    for number, said in status.expected(trials, metric=METRIC, epochs=6, model=spec_of().model).items():
        assert len(values[number]) >= 2
        assert "1.00)" not in said
        if said:
            low, high = said.partition("(")[2].rstrip(")").split("..")
            assert not high or float(low) < float(high)


def test_only_a_trial_that_runs_has_time_left() -> None:
    assert [row["time left"] for row in rows(TRIALS)] == ["", "", "", "10s"]


@pytest.mark.parametrize(("idle", "left"), [("WAITING", "10s"), ("PAUSED", "")])
def test_a_trial_that_does_not_run_now_says_so(idle: str, left: str) -> None:
    view = status.of_trials(spec_of(), TRIALS, elapsed=MINUTE, idle={3: idle})
    assert [row[1] for row in view.rows] == ["COMPLETED", "PRUNED", "FAILED", idle]
    assert view.rows[3][-1] == left


@pytest.mark.parametrize(("scheduler", "state"), [("promotion", "PAUSED"), ("stopping", "RUNNING")])
def test_a_reader_of_the_journal_takes_a_trial_at_a_rung_for_paused(scheduler: str, state: str) -> None:
    ladder = {"min_epochs": 2, "max_epochs": 6, "scheduler": scheduler}
    trials = [trial_of(0, [0.1]), trial_of(1, [0.1, 0.2]), trial_of(2, [0.1, 0.2, 0.3]), pruned(3, [0.1, 0.2])]
    assert [row["state"] for row in rows(trials, ladder=ladder)] == ["RUNNING", state, "RUNNING", "PRUNED"]


def test_paused_trials_count_as_done_in_the_guess_of_what_is_left() -> None:
    view = status.of_trials(spec_of(), [trial_of(0, [0.1, 0.2]), trial_of(1, [0.1, 0.2]), trial_of(2)], elapsed=MINUTE)
    ended = "small: 0 of 4 trials ended, 2 paused, best map50_95 0.2000 (trial 0, the baseline), 1m00s"
    assert view.title == f"{ended}, about 1m36s to 1m48s left"


def test_a_parameter_that_was_not_drawn_is_a_dash() -> None:
    found = rows([trial_of(0, params={"lr0": 0.01})])
    assert (found[0]["lr0"], found[0]["optimizer"]) == ("0.01", "-")


@pytest.mark.parametrize(
    ("trials", "title"),
    [
        ([], "small: 0 of 4 trials ended, 1m00s"),
        ([trial_of(0)], "small: 0 of 4 trials ended, 1m00s"),
        (
            TRIALS,
            "small: 3 of 4 trials ended, best map50_95 0.5000 (trial 0, the baseline), 1m00s, about 56s to 1m08s left",
        ),
    ],
)
def test_the_title_tells_how_far_the_study_is(trials: list[Trial], title: str) -> None:
    assert status.of_trials(spec_of(), trials, elapsed=MINUTE).title == title


def that_matter(spec: StudySpec, trials: list[Trial]) -> list[str]:
    return status.important_params(spec.search_space, trials, metric=spec.metric, epoch=spec.ladder.first_rung)


def test_of_a_large_space_the_parameters_that_matter_are_shown() -> None:
    part = {"low": 0.0, "high": 1.0, "default": 0.5}
    names = [f"p{number}" for number in range(8)]
    spec = spec_of(space=dict.fromkeys(names, part))
    assert that_matter(spec, []) == names[:5]
    trials = []
    for number in range(30):
        shuffled = dict.fromkeys(names, number * 11 % 30 / 30)
        trials.append(completed(number, [number / 30] * 6, params={**shuffled, "p7": number / 30}))
    found = that_matter(spec, trials)
    assert found[0] == "p7"
    assert len(found) == 5


def test_a_small_space_is_shown_as_a_whole() -> None:
    assert that_matter(spec_of(), TRIALS) == list(SPEC["space"])


def test_of_a_large_space_the_parameters_in_which_the_trials_differ_are_shown() -> None:
    part = {"low": 0.0, "high": 1.0, "default": 0.5}
    names = [f"p{number}" for number in range(8)]
    spec = spec_of(space=dict.fromkeys(names, part))
    trials = [
        completed(number, [0.1] * 6, params={**dict.fromkeys(names, 0.5), "p6": number / 10, "p7": 1.0})
        for number in range(3)
    ]
    assert that_matter(spec, trials) == ["p6"]
    view = status.of_trials(spec, trials, elapsed=MINUTE)
    assert (view.optional, view.more) == (["curve", "p6", "by epoch 6", "time left"], 7)


def test_the_best_row_is_that_of_the_title() -> None:
    view = status.of_trials(spec_of(), [trial_of(0, [0.1]), trial_of(1, [0.3]), trial_of(2)], elapsed=MINUTE)
    assert view.best == 1
    assert "best map50_95 0.3000 (trial 1, baseline 0.1000)" in view.title
    assert status.of_trials(spec_of(), [trial_of(0)], elapsed=MINUTE).best is None


def test_a_trial_without_a_worker_waits() -> None:
    now = datetime.now(UTC)
    fresh = Beat(0, "a", 7, "2026-01-02T03:04:05.000+00:00", now.isoformat())
    old = replace(fresh, at=(now - timedelta(hours=2)).isoformat())
    trials = [trial_of(0, [0.1]), trial_of(1, [0.1]), trial_of(2), completed(3, [0.1] * 6), trial_of(4, [0.1, 0.2])]
    beats = {0: fresh, 1: old, 2: None, 4: None}
    ladder = spec_of().ladder
    assert status.idle_states(trials, ladder, beats=beats) == {2: "WAITING", 4: "PAUSED"}
    assert status.idle_states(trials, ladder, beats=beats, driven=False) == {1: "WAITING", 2: "WAITING", 4: "PAUSED"}


def test_a_driver_that_runs_is_told_and_so_is_what_to_do_where_none_does() -> None:
    now = datetime.now(UTC)
    beat = Beat(0, "a", 7, "2026-01-02T03:04:05.000+00:00", now.isoformat())
    old = replace(beat, at=(now - timedelta(hours=2)).isoformat())

    assert status.driver(beat, finished=False, folder="runs/x").startswith("driver on a, process 7, since 2026-01-02T")
    assert status.driver(None, finished=True, folder="runs/x") == "study is finished"
    told = status.driver(old, finished=False, folder="runs/x")
    assert told.startswith("no driver is running: resume with automl resume runs/x; last driver on a, process 7")
    assert told.endswith("last heartbeat 2h00m ago")


def test_a_running_trial_s_node_and_the_verdict_are_told() -> None:
    notes = {
        "seconds": 3.0,
        "confirm:default_seed1": {},
        "promotion": FACTS | {"reasons": ["refused: too slow"], "accepted": False, "version": 3},
    }
    lost = (Loss(Kind.NODE, "its node died", epoch=0),)
    trials = [
        replace(trial_of(0), node="10.0.0.1", losses=lost),
        trial_of(1),
        failed(2),
        trial_of(3, [0.1, 0.2]),
    ]
    now = datetime.now(UTC)
    beat = Beat(2, "b", 77, "2026-01-02T03:04:05.000+00:00", (now - timedelta(seconds=200)).isoformat())
    assert status.where(trials, spec_of().ladder, notes=notes, beats={1: beat}) == [
        "trial 0 waits for a worker, last ran on 10.0.0.1; lost its worker once, last after epoch 0, "
        "node: its node died",
        "trial 1 does not respond, on b, process 77, since 2026-01-02T03:04:05Z, last heartbeat 3m20s ago, attempt 2",
        "confirmed: default_seed1",
        "gate refused: too slow",
        "what ships: trial0_seed1000001: map50_95 0.5990 (0.5100..0.6800) on 40 images of test (95% interval), chosen "
        "on val",
        "against a plain yolo train: +0.3000 (+0.2000..+0.4000) (95% interval), the mean of 2 models",
        "the params of trial 0 are better: map50_95 0.5500 against the baseline's 0.2500 on test, with 90% confidence",
        "verdict: not promoted, version 3",
    ]


def test_a_study_that_has_just_begun_has_nothing_to_tell() -> None:
    assert status.where([], spec_of().ladder, notes={}, beats={}) == []
