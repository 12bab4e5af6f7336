"""Launcher: runs the jobs of a source through Ray Tune and passes reports to the source."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from ray import tune
from ray.train._internal.storage import StorageContext
from ray.tune.execution import class_cache
from ray.tune.experiment.trial import _TrialInfo
from ray.util import register_serializer

from automl.cluster import capacity
from automl.cluster.connection import handling_signals
from automl.cluster.handle import Handle
from automl.cluster.resources import Slots
from automl.cluster.training import Training
from automl.cluster.tune_hooks import Callback, Scheduler, Searcher, Stop, name
from automl.storage import outage, scratch
from automl.trials.source import JobSource

MOST_PENDING: Final = 10_000
"""Trials that may wait for resources in Ray; the source limits them to fewer."""


def run(source: JobSource, resources: Slots) -> None:
    """Run all jobs of the source, until it is over or stopping.

    Ray Tune retries nothing: the source gets each loss of a worker and queues the trial again. A trial's own failure
    arrives as an ending, not as a Ray error. A paused trial has no process and no resources; the actor that it had runs
    the next job of the same resources (`kept_actors`).
    """
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(MOST_PENDING)
    _lighten_actors()
    handle = Handle(source)
    with (
        scratch.folder() as records,
        _graceful_stop(source),
        outage.retries_end_when(lambda: source.stopping),
        capacity.watched(resources) as watch,
    ):
        handle.places, handle.fitted = (lambda: watch.places), resources.concurrent
        handle.more_wanted = resources.wants_more
        if len({*resources.demands}) > 1 or 0 < resources.gpus < 1:  # such a trial may need a larger share
            handle.waiting.shapes = lambda: watch.shapes
        tune.Tuner(
            type("Training", (Training,), {"usual_cpus": resources.cpus}),
            tune_config=tune.TuneConfig(
                search_alg=Searcher(handle),
                scheduler=Scheduler(handle),
                num_samples=-1,
                reuse_actors=True,
                trial_name_creator=name,
                trial_dirname_creator=name,
            ),
            run_config=tune.RunConfig(
                name="jobs",
                storage_path=str(records),
                stop=Stop(handle),
                callbacks=[Callback(handle)],
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                verbose=0,
            ),
        ).fit()
    if handle.failure:
        raise handle.failure


def _lighten_actors() -> None:
    """Let a trial start in a worker that is ready, and without Ray Tune.

    Ray starts a new process for an actor that has environment variables of its own; Ray Tune gives it some that only
    its own functions read. And a worker would import Ray Tune for the arguments that our actors do not use.
    """
    vars(class_cache).update(DEFAULT_ENV_VARS={}, ENV_VARS_TO_PROPAGATE=frozenset())
    for argument in (StorageContext, _TrialInfo):
        register_serializer(argument, serializer=lambda _: "", deserializer=str)


@contextmanager
def _graceful_stop(source: JobSource) -> Iterator[None]:
    """Convert Ctrl-C, SIGTERM and SIGHUP to a graceful stop; a second one ends the process at once.

    Ray installs its own SIGTERM handler, which would end the process without a message. A signal that is ignored, as
    under nohup, stays ignored.
    """

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        if source.stopping:
            os._exit(128 + number)
        source.stop(signal.Signals(number).name)

    with handling_signals(stop):
        yield
