"""Places and devices of a session: its first line on the cluster, recorded, and compared with the session before."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from automl.cluster import Node, Slots
from automl.storage.journal import Journal
from automl.study.errors import StudyError
from automl.trials.lease import utc_now

LOG: Final = logging.getLogger(__name__)

NOTE: Final = "sessions"
"""Journal key of the places and devices of each session."""
MOST_KEPT: Final = 100
"""Maximum number of sessions in that record."""
MOST_SHOWN: Final = 8
"""Maximum number of nodes in the line."""


def declare(folder: Path, journal: Journal, slots: Slots, nodes: Sequence[Node], *, fewer_gpus: bool = False) -> None:
    """Log and record the places and devices of this session; `fewer_gpus` accepts fewer GPUs than the last one used.

    Raises:
        StudyError: the trials would use fewer GPUs than in the session before.
    """
    LOG.info(summary(slots, nodes))
    sessions = journal.notes().get(NOTE, [])
    before, now = float(sessions[-1]["gpus"]) if sessions else 0.0, slots.gpus * slots.concurrent
    if now < before and not fewer_gpus:
        raise StudyError(
            f"{folder}: must have the {before:g} GPUs that the last session of the study used, but gets {now:g} now; "
            "wait until the GPU nodes have joined, mend CUDA, or accept it with --fewer-gpus"
        )
    session = {
        "at": utc_now(), "places": slots.concurrent, "gpus": now, "gpus_each": slots.gpus, "cpus_each": slots.cpus,
        "nodes": [node.summary() for node in nodes[:MOST_SHOWN]],
    }  # fmt: skip
    journal.note(NOTE, [*sessions, session][-MOST_KEPT:])


def summary(slots: Slots, nodes: Sequence[Node]) -> str:
    """Return the places and devices in one line.

    >>> summary(Slots(gpus=1.0, cpus=8.0, concurrent=2), [Node("a", 16, 2)])
    '2 places, 1 GPU and 8 CPU cores each: a (16 CPU cores, 2 GPUs)'
    >>> summary(Slots(gpus=0.0, cpus=1.0, concurrent=1), [Node("a", 1, 0)])
    '1 place, no GPU and 1 CPU core each: a (1 CPU core, no GPU)'
    """
    gpus = f"{slots.gpus:g} GPU{'s' * (slots.gpus > 1)}" if slots.gpus else "no GPU"
    cpus = f"{slots.cpus:g} CPU core{'s' * (slots.cpus != 1)}"
    more = f" and {len(nodes) - MOST_SHOWN} more nodes" if len(nodes) > MOST_SHOWN else ""
    shown = ", ".join(node.summary() for node in nodes[:MOST_SHOWN])
    return f"{slots.concurrent} place{'s' * (slots.concurrent != 1)}, {gpus} and {cpus} each: {shown}{more}"
