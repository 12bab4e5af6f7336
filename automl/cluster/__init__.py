"""Ray backend: connects, reads node resources, runs trials through Ray Tune, stops in an orderly way.

The only package that imports Ray. A `JobSource` decides what runs and when a trial stops; Ray Tune's own records are
deleted at the end, since the study's state is in its journal.
"""

from automl.cluster.connection import connected, interruptible, refuse_arguments
from automl.cluster.launcher import run
from automl.cluster.remote_call import call
from automl.cluster.resources import Node, Slots, has, nodes, probe, slots, slots_for, slots_of

__all__ = [
    "Node", "Slots", "call", "connected", "has", "interruptible", "nodes", "probe", "refuse_arguments", "run", "slots",
    "slots_for", "slots_of",
]  # fmt: skip
