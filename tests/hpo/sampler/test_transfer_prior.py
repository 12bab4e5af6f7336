"""Warm start: earlier studies lead where they agree with this one, and are outvoted where they do not."""

from collections.abc import Callable, Sequence
from statistics import mean

import numpy as np
import pytest
from scipy.stats import norm, rankdata

from automl.hpo.sampler.encoding import Encoding
from automl.hpo.sampler.transfer_prior import TOP, TransferPrior
from automl.study import Evidence, Params, PastEvidence
from automl.study.space import Choice, Real
from tests.builders import space_of
from tests.played_trials import Judge, Story, sampler_of
from tests.simulated_study import number

SPACE = space_of(lr0=Real(0.0, 1.0, 0.5), mixup=Real(0.0, 1.0, 0.5))
ENCODING = Encoding(SPACE)
GRID = [{"lr0": one / 5, "mixup": other / 5} for one in range(6) for other in range(6)]


def good(params: Params) -> float:
    """What is true of this study: best at (0.9, 0.2)."""
    return 0.9 - 0.5 * (number(params["lr0"]) - 0.9) ** 2 - 0.5 * (number(params["mixup"]) - 0.2) ** 2


def bad(params: Params) -> float:
    return 1 - good(params)


def told(judge: Judge, *, name: str = "a", similarity: float = 1.0, trials: Sequence[Params] = GRID) -> PastEvidence:
    """Return what a study of which this holds brings."""
    values = [judge(params) for params in trials]
    scores = norm.ppf((rankdata(values) - 0.5) / len(values))
    found = tuple(Evidence(params, float(score)) for params, score in zip(trials, scores, strict=True))
    return PastEvidence(name, similarity, found)


def points_of(count: int, *, seed: int = 0) -> np.ndarray:
    return ENCODING.draw(count, np.random.default_rng(seed))


def scores_of(points: np.ndarray, judge: Judge) -> np.ndarray:
    return np.asarray(norm.ppf((rankdata([judge(ENCODING.decode(point)) for point in points]) - 0.5) / len(points)))


def played(count: int, *earlier: PastEvidence, judge: Judge = good, seed: int = 0) -> Story:
    story = Story(sampler_of(SPACE, seed=seed, earlier=earlier))
    for _ in range(count):
        story.complete(judge)
    return story


def test_the_default_is_first_whatever_was_learnt_before() -> None:
    story = played(3, told(good))
    assert (story.trials[0].params, story.origins[0]) == (SPACE.defaults(), "default")
    assert "earlier" in story.origins[1:]


def test_an_earlier_study_that_holds_leads_there_at_once() -> None:
    warm, cold = (mean(good(trial.params) for trial in played(6, *given).trials[1:]) for given in ([told(good)], []))
    assert warm > 0.85 > cold


def test_an_earlier_study_that_misleads_is_outvoted_after_twenty_trials() -> None:
    transfer, points = TransferPrior(ENCODING, [told(bad)]), points_of(20)
    assert np.ptp(transfer.expected(points)) > 0.5
    transfer.update_weights(points, scores_of(points, good))
    assert transfer.expected(points).tolist() == [0.0] * 20


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_a_misled_study_comes_round(seed: int) -> None:
    story = played(26, told(bad), seed=seed)
    assert max(good(trial.params) for trial in story.trials) > 0.87
    assert mean(good(trial.params) for trial in story.trials[20:]) > mean(
        good(trial.params) for trial in story.trials[1:6]
    )


def test_of_two_earlier_studies_the_one_that_agrees_is_heard() -> None:
    transfer, points = TransferPrior(ENCODING, [told(bad), told(good, name="b")]), points_of(20)
    transfer.update_weights(points, scores_of(points, good))
    assert np.corrcoef(transfer.expected(points), scores_of(points, good))[0, 1] > 0.9


def test_trust_grows_with_agreement_and_starts_with_similarity() -> None:
    points = points_of(20)
    spreads = []
    for similarity in (0.1, 0.4, 1.0):
        transfer = TransferPrior(ENCODING, [told(good, similarity=similarity)])
        spreads.append(float(np.ptp(transfer.expected(points))))
        for few in (3, 20):
            transfer.update_weights(points[:few], scores_of(points[:few], good))
        assert np.ptp(transfer.expected(points)) > spreads[-1]
    assert spreads == sorted(spreads)


@pytest.mark.parametrize("scores", [[0.0, 0.0, 0.0, 0.0], [0.3, -0.3]], ids=["equal", "two"])
def test_what_shows_no_ranks_changes_no_sign_of_trust(scores: list[float]) -> None:
    transfer, points = TransferPrior(ENCODING, [told(good)]), points_of(20)
    before = transfer.expected(points)
    transfer.update_weights(points[: len(scores)], np.array(scores))
    after = transfer.expected(points)
    assert np.corrcoef(before, after)[0, 1] == pytest.approx(1)
    assert 0 < np.ptp(after) < np.ptp(before), "trials that say nothing still weigh against a mere belief"


@pytest.mark.parametrize("count", [0, 1, 2])
def test_fewer_than_three_trials_are_no_evidence(count: int) -> None:
    little = told(good, trials=GRID[:count]) if count else PastEvidence("a", 1.0, ())
    assert not TransferPrior(ENCODING, [little])
    warm, cold = played(9, little), played(9)
    assert warm.trials == cold.trials
    assert "earlier" not in warm.origins


def test_three_trials_are() -> None:
    assert TransferPrior(ENCODING, [told(good, trials=GRID[:2]), told(good, trials=GRID[:3])])


def test_candidates_are_the_best_trials_of_earlier_studies_and_points_near_them() -> None:
    transfer = TransferPrior(ENCODING, [told(good)])
    found = transfer.candidates(40, np.random.default_rng(0))
    worst_of_the_best = sorted(map(good, GRID))[-TOP]
    assert {tuple(point) for point in found[:20]} <= {tuple(point) for point in ENCODING.encode(GRID)}
    assert min(good(ENCODING.decode(point)) for point in found[:20]) > worst_of_the_best - 1e-9
    assert len({tuple(point) for point in found[20:]}) == 20
    assert all(SPACE.contains(ENCODING.decode(point)) for point in found)


def test_an_earlier_study_with_equal_scores_leads_nowhere() -> None:
    story = played(8, PastEvidence("a", 1.0, tuple(Evidence(params, 0.0) for params in GRID)))
    assert all(SPACE.contains(trial.params) for trial in story.trials)


def test_a_warm_start_is_drawn_alike_in_every_session() -> None:
    whole = played(9, told(good), told(bad, name="b", similarity=0.3))
    again = Story(sampler_of(SPACE, earlier=[told(good), told(bad, name="b", similarity=0.3)]))
    for trial in whole.trials[:8]:
        again.sampler.add(trial)
    again.trials = whole.trials[:8]
    assert again.start().params == whole.trials[8].params


@pytest.mark.slow
def test_where_what_was_learnt_fails_here_the_study_turns_away() -> None:
    """The best choice of the earlier study does not fit into this machine's memory."""
    space = space_of(batch=Choice(("small", "large"), "small"), lr0=Real(0.0, 1.0, 0.5))
    judge: Callable[[Params], float] = lambda params: number(params["lr0"]) + (params["batch"] == "large")  # noqa: E731
    trials = [{"batch": batch, "lr0": step / 9} for batch in ("small", "large") for step in range(10)]
    story = Story(sampler_of(space, earlier=[told(judge, trials=trials)]))
    for _ in range(30):
        params, _ = story.sampler.draw()
        if params["batch"] == "large":
            story.fail()
        else:
            story.complete(judge)
    late = [trial.params["batch"] for trial in story.trials[20:]]
    assert late.count("large") <= 5
