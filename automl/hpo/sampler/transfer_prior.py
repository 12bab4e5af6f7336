"""Transfer prior: Gaussian processes of past studies, weighted by rank correlation with this study (RGPE-style)."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from automl.hpo.sampler.encoding import Encoding, Points, Vector
from automl.hpo.sampler.gaussian_process import FIT_LIMIT, Model
from automl.study import PastEvidence

PRIOR_CORRELATION: Final = 0.5
"""The prior rank correlation with this study of a past study on a data set of similarity 1."""
PRIOR_WEIGHT: Final = 5.0
"""The weight of this prior, in trials of this study."""
TOP: Final = 8
"""Number of best trials of each past study that are candidates themselves."""


class TransferPrior:
    """The models of past studies. Scores have mean 0 and spread 1 in each study."""

    def __init__(self, encoding: Encoding, earlier: Sequence[PastEvidence]) -> None:
        """Fit a model to each study that has at least three trials."""
        self._encoding = encoding
        usable = [study for study in earlier if len(study.trials) >= 3]
        points = [encoding.encode([trial.params for trial in study.trials]) for study in usable]
        scores = [np.array([trial.score for trial in study.trials]) for study in usable]
        kinds = encoding.categorical
        pairs = zip(points, scores, strict=True)
        self._models = [Model.fit(at, score, categorical=kinds, most=FIT_LIMIT) for at, score in pairs]
        self._prior = PRIOR_CORRELATION * np.array([study.similarity for study in usable])
        best = [at[np.argsort(-score, kind="stable")[:TOP]] for at, score in zip(points, scores, strict=True)]
        turn = np.argsort(-self._prior, kind="stable")
        self._firsts = [best[study][place] for place in range(TOP) for study in turn if place < len(best[study])]
        self._tops = np.concatenate(best) if best else np.empty((0, len(encoding.space.parameters)))
        self._weights = self._shares(self._prior)

    def __bool__(self) -> bool:
        """Return True if it has any model."""
        return bool(self._models)

    def best(self, place: int) -> Points:
        """Return the `place`-th of the past studies' best trials, in turn, 0 for the best of the most similar."""
        return np.asarray(self._firsts[place])

    @property
    def places(self) -> int:
        """Return how many such trials there are."""
        return len(self._firsts)

    def update_weights(self, points: Points, scores: Vector) -> None:
        """Update the weights of the past studies by rank correlation of their predictions with these scores."""
        weight = len(scores)
        found = np.array([_correlation(model.mean(points), scores) for model in self._models])
        self._weights = self._shares((found * weight + self._prior * PRIOR_WEIGHT) / (weight + PRIOR_WEIGHT))

    def expected(self, points: Points) -> Vector:
        """Return the expected score; 0, the mean, if no past study has weight."""
        predictions = np.array([model.mean(points) for model in self._models])
        return np.asarray(self._weights @ predictions)

    def candidates(self, count: int, generator: np.random.Generator) -> Points:
        """Return `count` points: the past studies' best trials, and points near them."""
        centers = self._tops[generator.integers(len(self._tops), size=count)]
        half = count // 2
        return np.concatenate([centers[:half], self._encoding.near(centers[half:], generator, width=0.1)])

    @staticmethod
    def _shares(agreement: Vector) -> Vector:
        """Return weights proportional to agreement, with the best agreement as their sum."""
        positive = np.maximum(agreement, 0)
        total = positive.sum()
        return positive / total * positive.max() if total > 0 else np.zeros_like(positive)


def _correlation(one: Vector, other: Vector) -> float:
    if len(one) < 3 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    from scipy.stats import rankdata  # noqa: PLC0415  (half a second that most commands would spend for nothing)

    return float(np.corrcoef(rankdata(one), rankdata(other))[0, 1])
