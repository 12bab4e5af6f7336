"""What to try next. A Gaussian process (Optuna's own) over the final values that trials are expected to reach.

Called by `study`; knows no clock, no files and no Ray. `Sampler` draws params and is told of every trial.
"""

from automl.hpo.sampler.importance import importances
from automl.hpo.sampler.sampler import Prior, Sampler

__all__ = ["Prior", "Sampler", "importances"]
