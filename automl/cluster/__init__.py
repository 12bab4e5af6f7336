"""Ray backend: connects, reads node resources, runs trials through Ray Tune, stops in an orderly way.

The only package that imports Ray. A `JobSource` decides what runs and when a trial stops; Ray Tune's own records are
deleted at the end, since the study's state is in its journal. A name is imported when it is used: a worker needs the
module of its actor alone, and Ray Tune costs a second and a half.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from automl.cluster.connection import connected, interruptible, refuse_arguments
    from automl.cluster.launcher import run
    from automl.cluster.remote_call import call
    from automl.cluster.resources import ACCELERATOR, Node, Slots, has, nodes, probe, slots, slots_for, slots_of

__all__ = [
    "ACCELERATOR", "Node", "Slots", "call", "connected", "has", "interruptible", "nodes", "probe", "refuse_arguments",
    "run", "slots", "slots_for", "slots_of",
]  # fmt: skip
MODULES: Final = {
    "connected": "connection", "interruptible": "connection", "refuse_arguments": "connection", "run": "launcher",
    "call": "remote_call",
}  # fmt: skip
"""Module of each name, `resources` where none is given."""


def __getattr__(name: str) -> Any:  # noqa: ANN401  (a name of any kind)
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{MODULES.get(name, 'resources')}"), name)
