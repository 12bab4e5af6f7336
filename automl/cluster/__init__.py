"""Runs jobs on Ray: connects, looks what the nodes have, places trials through Ray Tune, stops in an orderly way.

The only package that knows Ray. What to run and when to stop a trial is asked of a `JobSource`; Ray Tune's own records
are thrown away at the end, since the study's journal is the truth.
"""

from automl.cluster.connection import connected, interruptible
from automl.cluster.launcher import run
from automl.cluster.remote_call import call
from automl.cluster.resources import Slots, probe, slots, slots_of

__all__ = ["Slots", "call", "connected", "interruptible", "probe", "run", "slots", "slots_of"]
