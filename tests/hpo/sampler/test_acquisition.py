"""Where to try next: failures are avoided, prices weighed, nothing is tried twice, large studies are bounded."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from automl.hpo.sampler import acquisition
from automl.hpo.sampler.acquisition import CANDIDATES, HISTORY_LIMIT, LEADING, Proposal
from automl.hpo.sampler.encoding import Encoding
from automl.hpo.sampler.gaussian_process import POSTERIOR_LIMIT
from automl.hpo.sampler.observations import Observations, ObservedTrial
from automl.hpo.sampler.transfer_prior import TransferPrior
from automl.study import EndReason, Params
from automl.study.space import Choice, Integer, Real
from tests.builders import METRIC, measurement, space_of
from tests.played_trials import Story, sampler_of
from tests.simulated_study import number

REGIONS = space_of(optimizer=Choice(("SGD", "AdamW"), "SGD"), lr0=Real(0.0, 1.0, 0.5))
SMALL = space_of(optimizer=Choice(("SGD", "AdamW", "Adam"), "SGD"), batch=Integer(1, 4, 2))
"""Of twelve points."""


def height(params: Params) -> float:
    """A value that no region is better in."""
    return 0.5 - abs(number(params["lr0"]) - 0.3) / 5


def played(cause: str, *, count: int = 30, kind: EndReason | None = None) -> Story:
    """Every trial with AdamW fails."""
    story = Story(sampler_of(REGIONS))
    for _ in range(count):
        params, _ = story.sampler.draw()
        if params["optimizer"] == "AdamW":
            story.fail(cause, kind=kind)
        else:
            story.complete(height)
    return story


@pytest.mark.slow
def test_where_trials_failed_fewer_are_tried() -> None:
    story = played("out of memory")
    drawn = [params["optimizer"] for params in story.drawn("model")]
    assert drawn.count("AdamW") <= len(drawn) // 4


@pytest.mark.slow
def test_a_lost_worker_says_nothing_about_the_params() -> None:
    lost, failed = (
        [params["optimizer"] for params in played("the same text", kind=kind).drawn("model")]
        for kind in (EndReason.LOST, EndReason.CRASH)
    )
    assert lost.count("AdamW") >= 3 * max(failed.count("AdamW"), 1)


def test_a_failure_that_showed_values_is_no_result() -> None:
    story = Story(sampler_of(REGIONS))
    for value in (0.2, 0.4, 0.3):
        story.complete(lambda _params, value=value: value)  # type: ignore[misc]
    seen = list(story.sampler._seen.values())
    seen[1].infeasible = True
    assert [trial.has_value for trial in seen] == [True, False, True]


@pytest.mark.slow
def test_of_two_regions_alike_the_cheaper_is_tried_more() -> None:
    counts = []
    for price in (20.0, 0.05):
        story = Story(sampler_of(REGIONS))
        for _ in range(24):
            story.complete(height, seconds=lambda params, price=price: price if params["optimizer"] == "SGD" else 1.0)  # type: ignore[misc]
        drawn = [params["optimizer"] for params in story.drawn("model")]
        counts.append(drawn.count("SGD") / len(drawn))
    assert counts[0] + 0.1 < counts[1]


@pytest.mark.slow
def test_a_dear_region_that_is_better_is_not_given_up() -> None:
    story = Story(sampler_of(REGIONS))
    for _ in range(24):
        story.complete(
            lambda params: height(params) + 0.4 * (params["optimizer"] == "SGD"),
            seconds=lambda params: 3.0 if params["optimizer"] == "SGD" else 1.0,
        )
    drawn = [params["optimizer"] for params in story.drawn("model")]
    assert drawn.count("SGD") > len(drawn) / 2


@pytest.mark.slow
def test_no_params_are_tried_twice_while_there_are_others() -> None:
    story = Story(sampler_of(SMALL))
    for _ in range(30):
        tried = [trial.params for trial in story.trials]
        trial = story.complete(lambda params: number(params["batch"]) / 10)
        left = {tuple(sorted(params.items())) for params in tried}
        if story.origins[-1] == "model" and len(left) < 12:
            assert trial.params not in tried
    assert len({tuple(sorted(trial.params.items())) for trial in story.trials}) == 12
    assert "model" in story.origins[-3:], "a space that is used up still gives an answer"


def test_the_price_of_a_proposal_is_bounded() -> None:
    encoding, generator = Encoding(REGIONS), np.random.default_rng(0)
    seen = [ObservedTrial(point) for point in encoding.draw(POSTERIOR_LIMIT + 50, generator)]
    for trial, spread in zip(seen, generator.random(len(seen)), strict=True):
        trial.record([measurement(1, float(spread))], METRIC)
    made = Proposal(encoding, Observations.of(seen), TransferPrior(encoding, ()), 6)
    assert made._model is not None
    assert len(made._model._process._X_all) == POSTERIOR_LIMIT
    assert REGIONS.contains(encoding.decode(made.best(generator)))
    assert len(made._candidates(generator, encoding)) == CANDIDATES


def test_what_runs_is_kept_away_from() -> None:
    encoding = Encoding(space_of(lr0=Real(0.0, 1.0, 0.5)))
    seen = [ObservedTrial(np.array([share])) for share in (0.0, 0.2, 0.5, 0.9, 1.0)]
    for trial, value in zip(seen, (0.1, 0.3, 0.6, 0.2, 0.1), strict=True):
        trial.record([replace(measurement(6, value), epoch=1)], METRIC)
        trial.runs = False
    made = Proposal(encoding, Observations.of(seen), TransferPrior(encoding, ()), 1)
    found = []
    for draw in range(4):
        found.append(made.best(np.random.default_rng(draw)))
        made.runs(found[-1])
    shares = sorted(float(point[0]) for point in found)
    assert min(high - low for low, high in pairwise(shares)) > 0.02


def observed(value: float, *, epochs: int = 1) -> ObservedTrial:
    trial = ObservedTrial(np.array([value]))
    for epoch in range(1, epochs + 1):
        trial.record([measurement(epoch, value)], METRIC)
    return trial


def test_of_a_large_history_the_best_and_an_even_share_of_the_others_are_used() -> None:
    trials = [observed(value / 5000) for value in np.random.default_rng(0).permutation(5000)]
    indices, weights = acquisition._history(np.array([trial.best for trial in trials]))
    kept = [trials[index] for index in indices]
    bests = sorted((trial.best for trial in kept), reverse=True)
    assert len(kept) == len(weights) == HISTORY_LIMIT
    assert bests[:LEADING] == [(4999 - rank) / 5000 for rank in range(LEADING)]
    assert weights.sum() == 5000
    assert np.median(np.repeat([trial.best for trial in kept], weights.astype(int))) == pytest.approx(0.5, abs=0.002)


def test_quantiles_of_weighted_values_are_those_of_all_values() -> None:
    few = acquisition.normal_quantiles([0.3, 0.1, 0.2], np.array([1.0, 3.0, 2.0]))
    every = acquisition.normal_quantiles([0.3, 0.1, 0.1, 0.1, 0.2, 0.2], np.ones(6))
    assert few.tolist() == pytest.approx(every[[0, 1, 4]].tolist())


def test_curves_of_a_large_history_have_few_lengths_and_keep_those_of_rungs() -> None:
    curves = [*([[0.1] * 50] * 300), *([0.1] * length for length in range(1, 200))]
    lengths = {len(curve) for curve in acquisition._cut(curves)}
    assert 50 in lengths
    assert len(lengths) <= 20
    assert acquisition._cut([[float("nan")] * 10 + [0.2]])[0][-1] == 0.2
