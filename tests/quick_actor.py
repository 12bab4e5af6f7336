"""The actor of `tests.quick_study`, in a module without Ray Tune: workers of Ray that start it import the module."""

from automl.cluster import training


class Training(training.Training):
    """Does on a worker all that it does, but trains nothing."""

    run = "tests.quick_run:run"
