"""Who keeps weights: live trials, the best of those that ended, and what ships; and how much a study may hold on disk.

The journal is the truth, so nothing here has to be remembered: who gives up what follows from the trials' records, and
is done again when a study is resumed.
"""

from automl.retention.forecast import forecast, needs
from automl.retention.keeper import Keeper, opened, worst_first
from automl.retention.weights import settled, thinned

__all__ = ["Keeper", "forecast", "needs", "opened", "settled", "thinned", "worst_first"]
