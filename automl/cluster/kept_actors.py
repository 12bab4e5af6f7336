"""Actors that Ray Tune keeps for the next trial of the same resources (its `reuse_actors`).

An actor trains nothing itself, so that the next trial gets a clean process all the same. Ray Tune would also keep an
actor that was killed, and one for as long as nothing is to be started: both are prevented here.
"""

import time
from collections.abc import Callable
from math import inf
from typing import Any, Final

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.tune.experiment import Trial as RayTrial

IDLE_SECONDS: Final = 5.0
"""After so long without a trial an actor is ended: its CPU and GPU may be wanted by another study, and a node of an
autoscaler ends when it is idle. Longer than any wait between two jobs of a study that has some."""

RELEASE_SECONDS: Final = 2.0
"""An actor that has not released its training after so long is not kept."""
SILENT_SECONDS: Final = 20.0
"""After an actor that did not answer none is waited for so long: others of its node would hold the driver as well."""


class Releases:
    """Ends the trainings of trials that pause or stop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Use a clock in seconds."""
        self._clock = clock
        self._silent_until = -inf

    def release(self, controller: Any, trial: RayTrial) -> None:  # noqa: ANN401
        """End the training of a trial, and keep its actor for the next one if it answers."""
        seconds = 0.0 if self._clock() < self._silent_until else RELEASE_SECONDS
        try:
            ray.get(trial.temporary_state.ray_actor.release.remote(), timeout=seconds)
        except GetTimeoutError:
            if seconds:
                self._silent_until = self._clock() + SILENT_SECONDS
            never_keep(controller, trial)
        except RayError:
            never_keep(controller, trial)


def never_keep(controller: Any, trial: RayTrial) -> None:  # noqa: ANN401
    """Make Ray Tune end the actor of a trial with it: its process was killed."""
    tune = _tune(controller)
    tune._started_actors.discard(tune._trial_to_actor.get(trial))


class IdleActors:
    """Ends actors without a trial."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Use a clock in seconds."""
        self._clock = clock
        self._since: float | None = None

    def look(self, controller: Any) -> None:  # noqa: ANN401
        """End the actors that have had no trial for `IDLE_SECONDS`; called at each step of Ray Tune."""
        tune = _tune(controller)
        if not tune._actor_cache.num_cached_objects:
            self._since = None
            return
        now = self._clock()
        self._since = now if self._since is None else self._since
        if now - self._since >= IDLE_SECONDS:
            tune._cleanup_cached_actors(force_all=True)
            self._since = None


def _tune(controller: Any) -> Any:  # noqa: ANN401
    """Return Ray Tune's controller: a scheduler gets a wrapper that warns where private names are read."""
    return controller._tune_controller
