"""Fork server of a node: which one the workers of a study's job use there."""

import os
import subprocess
from contextlib import suppress

import ray

from automl.trials import fork_server
from automl.trials.fork_server import Owner


def owner(trainer: str) -> Owner:
    """Return the owner of the server of a trainer on this node, in a worker of Ray: its raylet, for this job."""
    return Owner(os.getppid(), ray.get_runtime_context().get_job_id(), trainer)


def warm(trainer: str) -> None:
    """Start the server of a trainer, in a worker of Ray: it imports before the first training needs it.

    Where it cannot be started, each training says why.
    """
    with suppress(OSError, subprocess.SubprocessError):
        fork_server.start(owner(trainer))
