"""Places of a study while nodes join and leave, and what each job names; in virtual time."""

from pathlib import Path

from automl.study import Job, Kind, Loss
from tests.builders import spec_of
from tests.simulated_study import Clock, open_search, saturating, simulate

MODELS = {"model": {"choices": ["tiny.yaml", "small.yaml"], "default": "tiny.yaml"}}


def test_a_node_that_joins_is_used_and_one_that_leaves_takes_no_running_trial(tmp_path: Path) -> None:
    source = open_search(tmp_path, spec_of(budget={"trials": 12}))
    first = source.next_job()
    assert first
    assert source.next_job() is None
    source.resize(3)
    assert [job.number for job in (source.next_job(), source.next_job()) if job] == [1, 2]
    assert source.next_job() is None
    source.resize(1)
    assert (len(source._live), source.next_job()) == (3, None)


def test_each_job_names_the_resources_of_its_structure(tmp_path: Path) -> None:
    exception = {"when": {"model": ["small.yaml"]}, "cpus": 2.0, "gpus": 0.5, "memory_gb": 4.0}
    resources = {"exceptions": [exception], "memory_gb": 1.0}
    source = open_search(tmp_path, spec_of(space=MODELS, budget={"trials": 9}, resources=resources))
    found = simulate(source, lambda _job, _epoch: 0.5, clock=Clock())

    def needs(job: Job) -> tuple[float, float, float, int]:
        return job.cpus, job.gpus, job.memory_gb, job.threads

    assert {(job.params["model"], needs(job)) for job in found} == {
        ("tiny.yaml", (0.0, 1.0, 1.0, 1)), ("small.yaml", (2.0, 0.5, 4.0, 2)),
    }  # fmt: skip


def test_gpu_hours_count_the_gpus_of_each_trial(tmp_path: Path) -> None:
    exception = {"when": {"optimizer": ["SGD"]}, "gpus": 0.25}
    source = open_search(tmp_path, spec_of(resources={"exceptions": [exception]}, budget={"trials": 1, "gpu_hours": 1}))
    simulate(source, saturating, clock=Clock())
    assert source.limits.spending.gpu_seconds_left() == 3600 - 6 * 10 * 0.25


def test_a_trial_whose_memory_ran_out_gets_a_larger_share_of_a_gpu(tmp_path: Path) -> None:
    exception = {"when": {"optimizer": ["SGD"]}, "gpus": 0.25}
    source = open_search(tmp_path, spec_of(resources={"exceptions": [exception]}))
    first = source.next_job()
    source.lost(0, Loss(Kind.MEMORY, "gone"))
    again = source.next_job()
    assert first
    assert again
    assert [(job.number, job.gpus, job.attempt) for job in (first, again)] == [(0, 0.25, 1), (0, 0.5, 2)]
