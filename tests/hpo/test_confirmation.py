"""The contest: an A/A study finds nothing, a planted gain is found, and no more is spent than allowed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from automl.hpo import confirmation
from automl.hpo.confirmation import ConfirmationPlan
from automl.hpo.error_spending import EARLY_SHARE, RESERVE
from automl.hpo.looks import CHOOSING_SEEDS, OPENING_SEEDS
from automl.hpo.rounds import Retraining, Round, Stage, last_look
from automl.study import Gates, Score, Trial
from automl.study.confirmation_end import ConfirmationEnd, Why
from automl.study.results import DEFAULT
from benchmarks.winners import World, description, tally
from tests.builders import METRIC, completed, failed, pruned, spec_of

OPEN = ConfirmationPlan(ranking=((7, 0.50), (3, 0.49), (9, 0.40)), default=0.40, gates=Gates(), retrainings=24)
FORMER = Round(Stage.OPENING, {"trial7": (0, 1, 2), DEFAULT: (0, 1, 2)}, "trial7", share=EARLY_SHARE)
"""The opening of a confirmation that an earlier version began."""
JITTER = (-0.01, 0.0, 0.01, -0.005, 0.005, 0.0, 0.01, -0.01, 0.0)


def reached(height: float, count: int, *, on_val: float | None = None) -> dict[int, Retraining]:
    """Return re-trainings round a height; on val round another one if given."""
    on_val = height if on_val is None else on_val
    return {
        offset: Retraining(on_val + JITTER[offset % 9], Score(offset, height + JITTER[offset % 9], {}, Path("best.pt")))
        for offset in range(count)
    }


def play(open_contest: ConfirmationPlan, heights: Mapping[str, tuple[float, float]], *begun: Round) -> list[Round]:
    """Play all rounds; a side reaches its two heights, on val and on the judged split."""
    rounds = [*begun]
    while played := open_contest.next_round(rounds, results_after(rounds, heights)):
        rounds.append(played)
    return rounds


def results_after(
    rounds: Sequence[Round], heights: Mapping[str, tuple[float, float]]
) -> dict[str, dict[int, Retraining]]:
    counts = {side: max(o for r in rounds for o in r.wanted.get(side, ())) + 1 for r in rounds for side in r.wanted}
    return {side: reached(heights[side][1], count, on_val=heights[side][0]) for side, count in counts.items()}


@pytest.mark.slow
def test_an_a_a_study_says_no_gain_in_at_least_95_of_100() -> None:
    assert tally(World(), description(), 300).rate <= 0.05


@pytest.mark.slow
def test_a_planted_gain_is_found_in_80_of_100_studies_for_at_most_18_retrainings() -> None:
    found = tally(World(1.5), description(), 300)
    assert found.rate >= 0.8
    assert found.spent <= 18
    assert found.most <= description().retrainings[1]


@pytest.mark.slow
@pytest.mark.parametrize("places", [1, 8])
@pytest.mark.parametrize("most", [9, 31])
def test_the_lower_bound_is_at_most_the_true_gain_in_95_of_100_at_each_stop(most: int, places: int) -> None:
    found = tally(World(1.5, places=places, seed=3), description(retrainings=most), 300)
    assert found.covered >= 0.95 * found.runs


@pytest.mark.slow
def test_a_planted_gain_of_twice_the_noise_is_found_in_at_least_90_of_100() -> None:
    assert tally(World(2.0), description(), 300).rate >= 0.9


def test_an_a_a_study_of_the_default_s_own_params_trains_the_default_alone() -> None:
    found = tally(World(alike=True), description(), 10)
    assert (found.found, found.spent) == (0, 3)


def test_a_large_gain_ends_with_the_opening() -> None:
    rounds = play(OPEN, {"trial7": (0.5, 0.5), "trial3": (0.5, 0.5), DEFAULT: (0.4, 0.4)})
    assert [(played.stage, played.size, played.planned) for played in rounds] == [(Stage.OPENING, 6, 24)]


@pytest.mark.parametrize(("gap", "chosen"), [(0.014, {"trial3"}), (0.016, set())])
def test_finalists_are_those_within_the_noise_of_the_best(gap: float, chosen: set[str]) -> None:
    near = replace(OPEN, ranking=((7, 0.42), (3, 0.42 - gap)), default=None)
    rounds = play(near, {"trial7": (0.41, 0.41), "trial3": (0.41, 0.41), DEFAULT: (0.4, 0.4)})
    noise = near.noise(results_after(rounds[:1], {"trial7": (0.41, 0.41), DEFAULT: (0.4, 0.4)}))
    assert noise == pytest.approx(0.01)
    assert {side for played in rounds if played.stage is Stage.CHOOSING for side in played.wanted} == chosen


@pytest.mark.parametrize(("begun", "since"), [((), 0), ((FORMER,), CHOOSING_SEEDS)])
def test_the_finalist_is_chosen_on_val_and_what_chose_it_judges_only_at_its_level(
    begun: tuple[Round, ...], since: int
) -> None:
    heights = {"trial7": (0.40, 0.41), "trial3": (0.43, 0.41), DEFAULT: (0.40, 0.40)}
    rounds = play(OPEN, heights, *begun)
    judging = rounds[2]
    assert [played.stage for played in rounds[:3]] == [Stage.OPENING, Stage.CHOOSING, Stage.JUDGING]
    assert (judging.side, judging.since) == ("trial3", since)
    gain = OPEN.gain(judging, results_after(rounds[:3], heights))
    assert min(score.seed for score in gain.challenger) == since
    turned = replace(OPEN).next_round(rounds[:2], results_after(rounds[:2], heights | {"trial7": (0.40, 0.45)}))
    assert turned is not None
    assert turned.side == "trial3"  # what the judged split says chooses nothing


def test_a_hopeless_challenger_costs_no_more_than_opening_and_choice() -> None:
    rounds = play(OPEN, {"trial7": (0.3, 0.3), "trial3": (0.3, 0.3), DEFAULT: (0.4, 0.4)})
    assert [played.stage for played in rounds] == [Stage.OPENING, Stage.CHOOSING]
    assert last_look(rounds).stage is Stage.OPENING


def test_more_noise_asks_for_more_seeds_where_looks_divide_the_error() -> None:
    quiet, loud = (replace(OPEN, finalists=1, retrainings=20), replace(OPEN, finalists=1, retrainings=20))
    spent = []
    for one, scale in ((quiet, 1.0), (loud, 1.8)):
        wide = {
            side: {
                offset: Retraining(0.0, Score(offset, height + scale * JITTER[offset], {}, Path()))
                for offset in range(3)
            }
            for side, height in (("trial7", 0.425), (DEFAULT, 0.40))
        }
        following = one.next_round([FORMER], wide)
        assert following is not None
        spent.append(following.size)
    assert spent[0] < spent[1]


@pytest.mark.parametrize("most", [4, 6, 7, 9, 12, 20, 33, 48])
@pytest.mark.parametrize("gain", [-0.02, 0.0, 0.005, 0.01, 0.02])
@pytest.mark.parametrize("places", [1, 2, 8, 64])
def test_the_budget_holds_and_all_looks_have_one_level(most: int, gain: float, places: int) -> None:
    rounds = play(
        replace(OPEN, retrainings=most, places=places),
        {"trial7": (0.4, 0.4 + gain), "trial3": (0.41, 0.4 + gain), "trial9": (0.4, 0.4), DEFAULT: (0.4, 0.4)},
    )
    assert sum(played.size for played in rounds) <= most
    assert len({played.share for played in rounds if played.share}) == 1
    assert all(played.planned == (0 if most < 2 * OPENING_SEEDS else most) for played in rounds)
    wanted = [(side, offset) for played in rounds for side, offsets in played.wanted.items() for offset in offsets]
    assert len(wanted) == len(set(wanted))


@pytest.mark.parametrize("most", [6, 7, 9, 12, 20, 33])
@pytest.mark.parametrize("gain", [-0.02, 0.0, 0.01, 0.02])
def test_a_confirmation_begun_by_an_earlier_version_divides_the_error(most: int, gain: float) -> None:
    rounds = play(
        replace(OPEN, retrainings=most),
        {"trial7": (0.4, 0.4 + gain), "trial3": (0.41, 0.4 + gain), DEFAULT: (0.4, 0.4)},
        FORMER,
    )
    assert sum(played.size for played in rounds) <= most
    assert sum(played.share for played in rounds) <= 1
    assert not any(played.planned for played in rounds)
    wanted = [(side, offset) for played in rounds for side, offsets in played.wanted.items() for offset in offsets]
    assert len(wanted) == len(set(wanted))


def test_a_number_of_seeds_is_kept_to_and_looked_at_once() -> None:
    rounds = play(replace(OPEN, seeds=5, retrainings=10), {"trial7": (0.41, 0.41), DEFAULT: (0.4, 0.4)})
    assert [(played.wanted, played.share) for played in rounds] == [
        ({"trial7": tuple(range(5)), DEFAULT: tuple(range(5))}, 1 - RESERVE)
    ]


@pytest.mark.parametrize(("places", "pairs"), [(1, 1), (2, 1), (4, 2), (8, 4), (64, 4)])
def test_a_round_has_as_many_pairs_as_run_at_a_time_but_at_most_four(places: int, pairs: int) -> None:
    heights = {"trial7": (0.4, 0.41), DEFAULT: (0.4, 0.4)}
    rounds = play(replace(OPEN, retrainings=20, places=places), heights)
    assert rounds[1].wanted == {side: tuple(range(3, 3 + pairs)) for side in ("trial7", DEFAULT)}


@pytest.mark.parametrize(
    ("gain", "end"),
    [
        (0.10, ConfirmationEnd(1, Why.SHOWN)),
        (-0.05, ConfirmationEnd(1, Why.UNREACHABLE)),
        (0.005, ConfirmationEnd(8, Why.SPENT)),
    ],
)
def test_the_end_says_at_which_look_and_why(gain: float, end: ConfirmationEnd) -> None:
    heights = {"trial7": (0.4, 0.4 + gain), DEFAULT: (0.4, 0.4)}
    plan = replace(OPEN, retrainings=20)
    rounds = play(plan, heights)
    assert plan.end(rounds, results_after(rounds, heights)) == end


def test_more_re_trainings_than_planned_divide_what_the_reserve_left_of_the_error() -> None:
    heights = {"trial7": (0.4, 0.405), DEFAULT: (0.4, 0.4)}
    short = replace(OPEN, retrainings=8)
    rounds = play(short, heights)
    assert short.end(rounds, results_after(rounds, heights)) == ConfirmationEnd(2, Why.SPENT)

    further = play(replace(short, retrainings=30), heights, *rounds)[len(rounds) :]

    assert further
    assert all(played.planned == 0 for played in further)
    assert sum(played.share for played in further) < RESERVE
    assert min(min(offsets) for offsets in further[0].wanted.values()) == 4


def test_a_study_begun_by_an_earlier_version_keeps_its_limit() -> None:
    trials, spec = [completed(0, [0.5])], description()
    assert confirmation.opened(spec, trials).retrainings == 31
    assert confirmation.opened(spec, trials, begun=[FORMER]).retrainings == 20
    assert confirmation.opened(spec, trials, begun=[replace(FORMER, planned=31)]).retrainings == 31
    wanted = description(retrainings=26)
    assert confirmation.opened(wanted, trials, begun=[FORMER]).retrainings == 26


def test_no_seeds_train_nothing() -> None:
    assert replace(OPEN, seeds=0, retrainings=0).next_round([], {}) is None


def test_a_close_verdict_names_the_seeds_that_would_decide_it() -> None:
    heights = {"trial7": (0.41, 0.414), DEFAULT: (0.4, 0.4)}
    short = replace(OPEN, seeds=3, retrainings=6, finalists=1)
    rounds = play(short, heights)
    further = short.would_decide(rounds, results_after(rounds, heights))
    assert further is not None

    longer = replace(short, retrainings=6 + 2 * further)
    again = longer.next_round(rounds, results_after(rounds, heights))

    assert again is not None
    assert again.stage is Stage.JUDGING
    assert again.share < RESERVE
    assert sum(played.share for played in [*rounds, again]) < 1
    assert min(min(offsets) for offsets in again.wanted.values()) == 3


def test_what_more_seeds_cannot_decide_is_not_called_close() -> None:
    short = replace(OPEN, seeds=3, retrainings=6, finalists=1)
    for judged in (0.39, 0.5):  # behind; sure already
        heights = {"trial7": (0.41, judged), DEFAULT: (0.4, 0.4)}
        rounds = play(short, heights)
        assert short.would_decide(rounds, results_after(rounds, heights)) is None


def test_a_round_survives_the_journal() -> None:
    played = play(OPEN, {"trial7": (0.4, 0.41), "trial3": (0.43, 0.41), DEFAULT: (0.4, 0.4)})[2]
    plain = played.to_dict()
    assert Round.from_dict(plain).to_dict() == plain
    assert Round.from_dict(plain).stage is played.stage


def test_a_best_trial_that_cannot_be_trained_again_leaves_its_place_to_the_next() -> None:
    first = OPEN.next_round([], {})
    assert first is not None
    results = {DEFAULT: reached(0.4, 3)}
    second = replace(OPEN, default=None, ranking=((7, 0.41), (3, 0.405))).next_round([first], results)
    assert second is not None
    assert list(second.wanted) == ["trial3"]
    third = OPEN.next_round([first, second], results | {"trial3": reached(0.42, 2)})
    assert third is not None
    assert third.side == "trial3"


@pytest.mark.parametrize(
    ("trials", "ranking"),
    [
        ([completed(0, [0.5]), completed(1, [0.4], params={"lr0": 0.1}), completed(2, [0.6], params={"lr0": 0.2})],
         [(2, 0.6), (1, 0.4)]),
        ([completed(0, [0.5]), completed(1, [0.7])], []),
        ([completed(0, [0.5]), *(completed(n, [0.6], params={"lr0": 0.1}) for n in (1, 2))], [(1, 0.6)]),
        ([failed(0), pruned(1, [0.9, 0.2], params={"lr0": 0.1}), pruned(2, [0.95], params={"lr0": 0.2})], [(1, 0.9)]),
        ([completed(0, [0.5]), pruned(1, [0.9], params={"lr0": 0.1})], []),
    ],
)  # fmt: skip
def test_only_whole_trials_of_other_params_are_ranked(trials: list[Trial], ranking: list[tuple[int, float]]) -> None:
    found = confirmation.opened(spec_of(), trials)
    assert list(found.ranking) == ranking
    assert found.default == trials[0].best(METRIC)
