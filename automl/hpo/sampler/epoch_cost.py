"""Cost model: seconds of an epoch by params, linear in the logarithm."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from automl.hpo.sampler.encoding import Encoding, Points, Vector
from automl.study.space import Choice


@dataclass(frozen=True, slots=True)
class Cost:
    """A fitted model."""

    _encoding: Encoding
    _slopes: Vector

    @classmethod
    def fit(cls, encoding: Encoding, points: Points, seconds: Vector) -> Self:
        """Fit the mean seconds of an epoch (each above 0); a ridge of one observation per coefficient."""
        logs = np.log(seconds)
        columns = _columns(encoding, points)
        normal = columns.T @ columns + np.eye(columns.shape[1])
        return cls(encoding, np.linalg.solve(normal, columns.T @ (logs - logs.mean())))

    def log(self, points: Points) -> Vector:
        """Return the logarithm of an epoch's seconds, up to a constant."""
        return np.asarray(_columns(self._encoding, points) @ self._slopes)


def _columns(encoding: Encoding, points: Points) -> Points:
    columns = []
    for column, parameter in enumerate(encoding.space.parameters.values()):
        if isinstance(parameter, Choice):
            columns.append(points[:, column, None] == np.arange(len(parameter.choices)))
        else:
            columns.append(points[:, column, None] - 0.5)
    return np.concatenate(columns, axis=1, dtype=float)
