"""Sampler: Bayesian optimisation with Optuna's Gaussian process over the forecast final values of trials.

Uses no clock, no files and no Ray. `Sampler` draws params and records every trial.
"""

from automl.hpo.sampler.importance import importances
from automl.hpo.sampler.sampler import Prior, Sampler

__all__ = ["Prior", "Sampler", "importances"]
