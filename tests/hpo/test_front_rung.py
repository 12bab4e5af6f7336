"""Rungs with a second objective: ranked by fronts, each structure by accuracy alone, restored as they were."""

from hypothesis import given
from hypothesis import strategies as st

from automl.hpo.asha import KINDS, PausingAsha
from automl.hpo.front_rung import FrontRung
from automl.hpo.pareto import ranking
from automl.study import Answer

points = st.lists(st.tuples(st.sampled_from([1.0, 2.0, 5.0]), st.floats(0, 1)), min_size=1, max_size=25)


@given(points)
def test_no_point_is_ranked_before_one_that_dominates_it(found: list[tuple[float, float]]) -> None:
    order = ranking([(cost, (value, -number)) for number, (cost, value) in enumerate(found)])
    assert sorted(order) == [*range(len(found))]
    for place, index in enumerate(order):
        cost, value = found[index]
        assert not any(found[later][0] <= cost and found[later][1] > value for later in order[place + 1 :])


@given(points)
def test_with_one_cost_the_order_is_that_of_a_search_without_a_second_objective(
    found: list[tuple[float, float]],
) -> None:
    for kind in KINDS.values():
        plain, fronts = kind((1, 3), 3), kind((1, 3), 3, cost=lambda _: 1.0)
        for number, (_, value) in enumerate(found):
            answers = [one.judge(number, epoch=1, value=value, loss=1.0).answer for one in (plain, fronts)]
            assert answers[0] is answers[1]
        assert plain.next_to_advance() == fronts.next_to_advance()


def test_the_best_of_a_cheap_structure_advances_before_the_second_of_a_dear_one() -> None:
    costs = dict(enumerate([9.0, 9.0, 9.0, 1.0, 1.0, 1.0]))
    scheduler = PausingAsha((1,), 3, cost=costs.__getitem__)
    values = [0.9, 0.8, 0.7, 0.3, 0.2, 0.1]
    told = [scheduler.judge(number, epoch=1, value=value) for number, value in enumerate(values)]
    assert [one.answer for one in told] == [Answer.PAUSE] * 6 or told[2].answer is Answer.PAUSE
    assert [scheduler.advance_next(), scheduler.advance_next(), scheduler.advance_next()] == [0, 3, None]
    assert told[-1].reason == "rank 6 of 6 by fronts of value against cost, top 2"


def test_a_closed_trial_keeps_its_rank_and_is_not_paused() -> None:
    rung = FrontRung(1, lambda _: 1.0)
    for number, value in enumerate((0.5, 0.7, 0.6)):
        rung.add(number, value=value, loss=1.0)
    rung.add(0, value=0.9, loss=0.0)
    rung.close(1)
    rung.close(7)
    assert [*rung.paused()] == [2, 0]
    assert [rung.rank(number) for number in range(3)] == [3, 1, 2]
    assert rung.described(0, places=0, factor=4).endswith("by fronts of value against cost, the first of 4 advances")
