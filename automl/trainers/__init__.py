"""Trainers: the protocol that each satisfies, and the registry that returns the one of a job."""

from automl.trainers.protocol import Compared, Comparison, OnEpoch, Probe, Timing, Trainer
from automl.trainers.registration import chosen, register, trainer_of

__all__ = ["Compared", "Comparison", "OnEpoch", "Probe", "Timing", "Trainer", "chosen", "register", "trainer_of"]
