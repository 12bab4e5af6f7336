"""The Ray bridge on a real embedded Ray, with trainings of milliseconds."""

import json
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.util.state import list_actors

from automl import cluster
from automl.cluster import launcher, resources, training
from automl.study import Answer, Kind, State
from automl.study.errors import ExportError, StudyError
from automl.study.spec_parts import MOST
from tests.conftest import ENDLESS, tiny_job_at
from tests.guarded_worker import wait_until
from tests.scripted_source import Jobs, all_gone, terminate_when

pytestmark = pytest.mark.ray


@pytest.mark.usefixtures("dashboard")
def test_jobs_run_to_their_end_or_are_stopped_where_the_source_says(tmp_path: Path, data: Path) -> None:
    jobs = [replace(tiny_job_at(tmp_path / str(number), data), number=number) for number in range(3)]
    source = Jobs(jobs)
    source.stop_trial_at = {1: 2}
    source.patience = 2

    cluster.run(source, cluster.slots(gpus="auto", cpus="auto", concurrent="auto"))

    assert {number: ending.state for number, ending in source.endings.items()} == {
        0: State.COMPLETED,
        2: State.COMPLETED,
    }
    assert [m.epoch for m in source.heard[1]] == [1, 2]
    assert all_gone()


def test_ray_s_dashboard_names_an_actor_after_its_study_and_what_it_trains(
    dashboard: str, tmp_path: Path, data: Path
) -> None:
    folders = ("trials/0007_yolo11n_sgd_lr1e-2", "confirm/trial7_seed1000002")
    for number, name in enumerate(folders):
        job = replace(tiny_job_at(tmp_path / "cards" / name, data), number=7 + number)
        cluster.run(Jobs([job]), cluster.slots(gpus=0, cpus="auto", concurrent=1))

    def named() -> dict[str, str]:
        actors = list_actors(dashboard, detail=True, limit=1000)
        return {actor.repr_name: actor.class_name for actor in actors if "cards" in actor.repr_name}

    expected = {"trials of cards": "Training", "re-trainings of cards": "Training"}
    assert wait_until(lambda: named() == expected), named()


@pytest.mark.usefixtures("dashboard")
def test_a_worker_imports_no_ray_tune_and_shares_the_environment_of_idle_ones(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: Path
) -> None:
    def train(actor: Any) -> dict[str, Any]:
        from ray import get_runtime_context  # noqa: PLC0415  (a pickled function brings the modules that it names)

        found = {"modules": [*sys.modules], "environment": dict(get_runtime_context().runtime_env)}
        (tmp_path / "found.json").write_text(json.dumps(found))
        return training.Training.train(actor)

    monkeypatch.setattr(launcher, "Training", type("Training", (training.Training,), {"train": train}))
    source = Jobs([replace(tiny_job_at(tmp_path / "0", data), number=0)])

    cluster.run(source, cluster.slots(gpus=0, cpus="auto", concurrent=1))

    assert source.endings[0].state is State.COMPLETED
    found = json.loads((tmp_path / "found.json").read_text())
    assert not {"ray.tune", "ray.train", "ray.data", "pandas", "torch"} & {*found["modules"]}
    assert not found["environment"]


@pytest.mark.usefixtures("dashboard")
def test_a_trial_whose_worker_is_killed_goes_on_from_its_checkpoint(tmp_path: Path, data: Path) -> None:
    source = Jobs([replace(tiny_job_at(tmp_path / "0", data, epochs=4), number=0)], concurrent=1)
    source.kill_at = {(0, 1)}
    source.kill_training_at = {(0, 3)}

    source.retries = 2
    cluster.run(source, cluster.slots(gpus=0, cpus="auto", concurrent=1))

    assert len(source.losses) == 2
    for _, loss in source.losses:
        assert loss.kind is Kind.WORKER
        assert loss.cause.startswith("ActorDiedError: The actor died unexpectedly")
        assert loss.node
    assert source.endings[0].state is State.COMPLETED, source.endings[0].cause
    log = (tmp_path / "0" / "log.txt").read_text()
    assert "checkpoint: resumes after epoch" in log


@pytest.mark.usefixtures("dashboard")
def test_a_trial_that_keeps_losing_its_worker_fails_with_that_cause(tmp_path: Path, data: Path) -> None:
    source = Jobs([replace(tiny_job_at(tmp_path / "0", data), number=0)], concurrent=1)
    source.kill_at = {(0, 1)}

    cluster.run(source, cluster.slots(gpus=0, cpus="auto", concurrent=1))

    assert source.endings[0].state is State.FAILED
    assert source.endings[0].cause.startswith("ActorDiedError: ")


@pytest.mark.usefixtures("dashboard")
def test_sigterm_stops_in_an_orderly_way_and_leaves_no_process(tmp_path: Path, data: Path) -> None:
    source = Jobs([replace(tiny_job_at(tmp_path / str(n), data, epochs=ENDLESS), number=n) for n in range(2)])
    killer = threading.Thread(target=terminate_when, args=(lambda: len(source.heard) == 2,))
    killer.start()

    source.retries = 3
    cluster.run(source, cluster.slots(gpus=0, cpus="auto", concurrent="auto"))
    killer.join()

    assert source.stopping
    assert not source.endings
    assert all_gone()
    assert (tmp_path / "0" / "last.pt").exists()


@pytest.mark.usefixtures("dashboard")
def test_more_gpus_than_any_node_has_are_refused_instead_of_waited_for() -> None:
    with pytest.raises(
        StudyError, match=r"resources\.gpus: must be at most what one node has, but got 1 and the largest"
    ):
        cluster.slots(gpus=1, cpus="auto", concurrent="auto")
    with pytest.raises(StudyError, match=r"resources\.cpus: must be at most what one node has, but got 1000"):
        cluster.slots(gpus=0, cpus=1000, concurrent="auto")


def test_resources_follow_the_shape_of_the_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = [{"CPU": 32.0, "GPU": 8.0}, {"CPU": 16.0, "GPU": 2.0}, {"CPU": 4.0}]
    nodes = [{"Alive": True, "NodeManagerHostname": "node", "Resources": shape} for shape in shapes]
    monkeypatch.setattr(ray, "nodes", lambda: nodes)

    assert resources.slots(gpus="auto", cpus="auto", concurrent="auto") == resources.Slots(1.0, 4.0, 10, most=MOST)
    assert resources.slots(gpus=0.5, cpus="auto", concurrent="auto") == resources.Slots(0.5, 2.0, 20, most=MOST)
    assert resources.slots(gpus=1, cpus=16, concurrent="auto") == resources.Slots(1.0, 16.0, 3, most=MOST)
    assert resources.slots(gpus=1, cpus="auto", concurrent=5) == resources.Slots(1.0, 4.0, 5, most=5)


@pytest.mark.parametrize(("share", "held"), [(0.1, 10), (0.2, 5), (0.25, 4), (0.3, 3), (0.5, 2), (0.6, 1), (1, 1)])
def test_a_share_of_a_gpu_is_never_made_of_two(share: float, held: int) -> None:
    assert resources.fit(1000, 1, 1, share) == held
    assert resources.fit(1000, 8, 1, share) == 8 * held
    assert resources.fit(3, 8, 1, share) == 3


@pytest.mark.usefixtures("dashboard")
def test_work_on_the_cluster_returns_or_raises_what_it_would_here() -> None:
    slots = resources.Slots(0, 1, 1)

    assert cluster.call(max, ([3, 5],), slots) == 5
    with pytest.raises(ExportError, match="no such graph"):
        cluster.call(broken, (), slots)


def broken() -> None:
    raise ExportError("no such graph")


def test_ray_client_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(StudyError, match="must not be a Ray Client address"),
        cluster.connected(address="ray://head:10001", log=tmp_path / "ray.log"),
    ):
        pass


@pytest.mark.usefixtures("dashboard")
def test_a_storage_that_workers_can_use_passes_and_leaves_nothing(tmp_path: Path) -> None:
    cluster.probe(tmp_path)

    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("dashboard")
def test_a_storage_that_workers_cannot_use_is_named_with_the_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @ray.remote(num_cpus=0)
    def blind(token: str, trainer: str) -> str:  # noqa: ARG001
        return resources._problem(Path(token).with_name("elsewhere") / "token")

    monkeypatch.setattr(resources, "_probe", blind)

    with pytest.raises(StudyError, match=r"must be writable from every node, but is not from .*: No such file"):
        cluster.probe(tmp_path)


@pytest.mark.usefixtures("dashboard")
def test_a_node_that_is_lost_while_it_is_asked_is_no_reason_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "_answer", lambda _reference: "no answer: NodeDiedError: it is gone")
    with pytest.raises(StudyError, match=r"must be writable from every node, but is not from .*: no answer"):
        cluster.probe(tmp_path)
    monkeypatch.setattr(resources, "_is_alive", lambda _node: False)
    cluster.probe(tmp_path)


@pytest.mark.usefixtures("dashboard")
def test_a_failure_of_the_source_reaches_the_caller_as_it_is(tmp_path: Path, data: Path) -> None:
    class Full(Jobs):
        def measured(self, *_args: Any, **_kwargs: Any) -> Answer:
            raise OSError(28, "No space left on device", str(tmp_path))

    source = Full([replace(tiny_job_at(tmp_path / str(n), data, epochs=ENDLESS), number=n) for n in range(2)])

    source.retries = 3
    with pytest.raises(OSError, match="No space left on device"):
        cluster.run(source, cluster.slots(gpus=0, cpus="auto", concurrent="auto"))
    assert all_gone()
