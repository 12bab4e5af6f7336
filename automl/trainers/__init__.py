"""Trainers: the protocol that each satisfies, and the registry that returns the one of a job."""

from automl.trainers.compared import Compared, Comparison, Probe
from automl.trainers.protocol import OnEpoch, Timing, Trainer
from automl.trainers.registration import chosen, register, trainer_of

__all__ = ["Compared", "Comparison", "OnEpoch", "Probe", "Timing", "Trainer", "chosen", "register", "trainer_of"]
