"""`resources.gpus: auto` in a whole study on a stand-in GPU: probed, shared, outgrown; and where nothing is shared."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from automl import cluster
from automl.cluster import Node, Slots
from automl.cluster.resources import slots_of
from automl.data import check
from automl.data.record import DataSet
from automl.pipeline import machine, packing
from automl.pipeline.search import run_context
from automl.pipeline.session import Session
from automl.storage import job_file
from automl.storage.journal import Journal
from automl.storage.layout import TRIAL_LOG
from automl.storage.place import Place
from automl.study import Kind, Trial
from automl.study.demand import Demand
from automl.study.packing import Packing, Reading, TrainingStructure, probed_in
from automl.study.spec import StudySpec
from automl.study.spec_parts import ResourcesSpec
from automl.study.yaml_io import read_yaml
from automl.tracking.console import Progress
from automl.tracking.diagnosis import findings_file
from automl.trainers import registration
from automl.trials import gpu_probe
from automl.trials.gpu_probe import Order
from tests import packed_trainer, tiny_trainer
from tests.builders import METRIC, spec_of
from tests.simulated_study import attach

ROOT = Path(__file__).parents[2]
DESCRIPTION = {
    "name": "packed",
    "model": tiny_trainer.MODEL,
    "budget": {"trials": 7},
    "ladder": {"min_epochs": 3, "max_epochs": 6},
    "space": {"lr0": {"low": 0.001, "high": 0.1, "default": 0.01, "log": True}},
    "train": {"optimizer": "SGD", "imgsz": 32, "batch": 8, "epoch_seconds": packed_trainer.EPOCH_SECONDS},
    "confirm": {"seeds": 2},
    "export": {"engine": "none", "end_to_end": False},
    "resources": {"gpus": "auto"},
}
DRIVER = f"""
import runpy
from automl.cluster import capacity, waiting
vars(waiting)["SECONDS"] = vars(capacity)["LOOK_SECONDS"] = 1.0
runpy.run_path({str(ROOT / "automl" / "search.py")!r}, run_name="__main__")
"""
"""A driver that lets no job wait for long."""
SMALL = TrainingStructure(tiny_trainer.MODEL, 32, 8)


@pytest.fixture
def checked(data: Path) -> DataSet:
    return check.check(data, read_yaml(data), splits=("train", "val", "test"))


class Cluster:
    """Nodes and answers of probes in place of a cluster, and what was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *nodes: Node, copies: dict[tuple[int, str], int]) -> None:
        self.asked: list[tuple[int, str, float]] = []
        self.copies = copies
        shapes = [(node.cpus, node.gpus) for node in nodes]
        for name, value in {
            "nodes": lambda: [*nodes], "call": self.call, "ACCELERATOR": "accelerator_type:",
            "slots": lambda **wanted: slots_of(shapes, **wanted),
        }.items():  # fmt: skip
            monkeypatch.setattr(cluster, name, value, raising=False)

    def call(self, work: object, given: tuple[Order], slots: Slots, *, resource: str) -> Packing:
        assert work is gpu_probe.probe_here
        imgsz, kind = tiny_trainer.image_size(given[0].job), resource.removeprefix("accelerator_type:")
        self.asked.append((imgsz, kind, slots.cpus))
        copies = self.copies.get((imgsz, kind), 1)
        readings = {count: Reading(100.0 * count, 0.1 * count) for count in range(1, copies + 1)}
        return Packing(copies, readings, "why", kind)


def session_of(folder: Path, spec: StudySpec, data: DataSet) -> Session:
    folder.mkdir(exist_ok=True)
    journal = Journal.create(folder, name=spec.name, metric=spec.metric)
    progress = Progress(folder / "study.log", console=Console(quiet=True))
    attach(progress)
    return Session(spec, Place(folder), folder, data, folder / "data.yaml", journal, progress)


SIZES = {"imgsz": {"choices": [32, 64, 96], "default": 32}}
OWN = {"exceptions": [{"when": {"imgsz": [96]}, "gpus": 1.0}]}
NODES = (Node("a", 16, 2, "H100"), Node("b", 8, 1, "L4"), Node("head", 4, 0))


@pytest.fixture
def two_kinds(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setenv(registration.CHOSEN, tiny_trainer.registered())
    return Cluster(monkeypatch, *NODES, copies={(32, "H100"): 4, (32, "L4"): 2})


@pytest.fixture
def opened(tmp_path: Path, checked: DataSet) -> Session:
    """An open study of one structure."""
    return session_of(tmp_path / "s", spec_of(name="s", train={"batch": 8}), checked)


def test_each_structure_is_probed_on_each_kind_of_gpu_and_the_fewest_copies_count(
    tmp_path: Path, two_kinds: Cluster, checked: DataSet
) -> None:
    spec = spec_of(name="s", space=SIZES, resources=OWN, train={"batch": 8})
    session, whole = session_of(tmp_path / "s", spec, checked), Slots(1.0, 8.0, 3, 1_000_000)
    packed = packing.shared(session, whole)
    assert two_kinds.asked == [(32, "H100", 8.0), (32, "L4", 8.0), (64, "H100", 8.0), (64, "L4", 8.0)]
    context = run_context(session, packed)
    demands = [context.demand({"imgsz": imgsz}) for imgsz in (32, 64, 96)]
    assert demands == [Demand(4, 0.5), Demand(8, 1), Demand(8, 1)]
    assert packed.concurrent == 6
    job = context.job(tmp_path, number=1, params={"imgsz": 32}, seed=0)
    assert (job.gpus, job.cpus, job.threads) == (0.5, 4, 4)
    assert packing.shared(session_of(tmp_path / "s", spec, checked), whole) == packed, "read from the journal"
    assert len(two_kinds.asked) == 4


@pytest.mark.parametrize(
    ("resources", "gpus", "said"),
    [
        ({}, 0.0, ["no node has a GPU that trials could share, so they use the CPU; if GPU nodes are to join, set"]),
        ({"concurrent": 1}, 1.0, ["no GPU is shared, since it has 8 CPU cores and a trial needs 1 or more, with"]),
        ({"gpus": 0.5}, 0.5, []),
    ],
)
def test_where_nothing_is_shared_it_is_said_and_nothing_is_probed(
    opened: Session, two_kinds: Cluster, resources: dict[str, object], gpus: float, said: list[str]
) -> None:
    opened.spec = spec_of(name="s", space=SIZES, resources=resources)
    whole = Slots(gpus, 8.0, 3, 1_000_000)
    assert packing.shared(opened, whole) == whole
    assert not two_kinds.asked
    log = opened.folder / "study.log"
    messages = [line.partition("Z ")[2] for line in log.read_text().splitlines()] if log.exists() else []
    assert [line.removeprefix("resources.gpus: auto: ").rpartition(" resources.")[0] for line in messages] == said


@pytest.mark.usefixtures("two_kinds")
def test_a_structure_that_cannot_be_probed_gets_a_whole_gpu_and_a_warning(
    opened: Session, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cluster, "call", lambda *_given, **_more: Packing(1, {}, "torch sees no CUDA GPU"))
    packed = packing.shared(opened, Slots(1.0, 8.0, 3, 1_000_000))
    assert run_context(opened, packed).demand({}) == Demand(8, 1)
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == len(NODES) - 1, "one for each kind of GPU"
    assert "a trial gets a whole GPU, since nothing could be measured: torch sees no CUDA GPU" in warnings[0]


class Packed:
    """A study on one stand-in GPU with four CPU cores, by its command line."""

    def __init__(self, home: Path, data: Path) -> None:
        self.home, self.folder, self.record = home, home / "runs" / "packed", home / "record.txt"
        (home / "study.yaml").write_text(yaml.safe_dump(DESCRIPTION | {"data": str(data)}))

    def start(self) -> subprocess.Popen[str]:
        environment = {
            **os.environ, "HOME": str(self.home), "AUTOML_STORAGE": str(self.home), "PYTHONPATH": str(ROOT),
            registration.REGISTERED: f"{packed_trainer.NAME}={packed_trainer.__name__}",
            registration.CHOSEN: packed_trainer.NAME, packed_trainer.RECORD: str(self.record),
            "RAY_OVERRIDE_RESOURCES": json.dumps({"CPU": 4, "GPU": 1}),
        }  # fmt: skip
        command = [sys.executable, "-c", DRIVER, str(self.home / "study.yaml")]
        return subprocess.Popen(command, cwd=self.home, env=environment, text=True, stdout=subprocess.PIPE)

    def lines(self, kind: str | tuple[str, ...]) -> list[list[str]]:
        """Return the words of the recorded lines of one or more kinds, in their order."""
        text = self.record.read_text() if self.record.exists() else ""
        return [line.split() for line in text.splitlines() if line.startswith(kind)]

    def trials(self) -> list[Trial]:
        return Journal.read(self.folder, metric=METRIC).trials()

    def log(self) -> str:
        return (self.folder / "study.log").read_text()


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Packed:
    """A study that was stopped in its search and resumed."""
    made = Packed(tmp_path_factory.mktemp("packed"), data)
    first = made.start()
    while not made.lines("begin") and first.poll() is None:
        time.sleep(0.05)
    first.send_signal(signal.SIGTERM)
    first.communicate()
    second = made.start()
    said, _ = second.communicate()
    assert second.returncode == 0, said
    return made


@pytest.mark.parametrize(
    ("resources", "nodes", "expected"),
    [
        ({}, [(16, 2)], 8),
        ({}, [(16, 2), (4, 2)], 2),
        ({"cpus": 3.0}, [(16, 2)], 2),
        ({"cpus": 9.0}, [(16, 2)], 0),
        ({"concurrent": 1}, [(16, 2)], 1),
    ],
)
def test_a_trial_that_shares_a_gpu_has_a_core_at_least(
    resources: dict[str, object], nodes: list[tuple[float, float]], expected: int
) -> None:
    given = [Node("n", cpus, gpus) for cpus, gpus in nodes]
    assert packing.copies_allowed(ResourcesSpec.model_validate(resources), given)[1] == expected


def packing_lines(spec: StudySpec) -> Iterator[str]:
    return machine.packing(spec.resources, spec.search_space)


def test_a_preview_says_what_auto_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(registration.CHOSEN, tiny_trainer.registered())
    sizes = {"imgsz": {"choices": [32, 64], "default": 32}, "batch": {"low": 4, "high": 8, "default": 4}}
    (line,) = packing_lines(spec_of(space=sizes))
    assert line.startswith("resources.gpus: auto: this machine has no CUDA GPU, so trials here use the CPU; ")
    assert "a probe of 2 structures (model, image size, batch)" in line
    own = [{"when": {"imgsz": [64]}, "gpus": 1.0}]
    (line,) = packing_lines(spec_of(space=sizes, resources={"exceptions": own}))
    assert "a probe of 1 structure (model" in line
    monkeypatch.setattr(tiny_trainer, "gpu_count", lambda: 2)
    (line,) = packing_lines(spec_of(space=sizes))
    assert line.startswith("resources.gpus: auto: a probe of 2 structures")
    assert line.endswith("finds before the first trial how many share a GPU: up to 8")
    assert not [*packing_lines(spec_of(resources={"gpus": 1}))]


@pytest.mark.ray
@pytest.mark.timeout(900)
class TestStudy:
    """What a study on a stand-in GPU does."""

    def test_each_structure_is_probed_once_although_the_study_was_resumed(self, study: Packed) -> None:
        tried = [(int(imgsz), int(copies)) for _, imgsz, copies in study.lines("probe")]
        assert tried == [(32, 1), (32, 2), (32, 3), (32, 4)]
        (found,) = probed_in(Journal.read(study.folder, metric=METRIC).notes()).items()
        assert found[0] == (SMALL, "")
        assert (found[1].copies, found[1].device) == (3, packed_trainer.DEVICE)
        assert "packing of tiny.yaml at 32 px, batch 8: 3 trials share a GPU: 300 images/s in all, " in study.log()
        assert study.log().count("packing: up to 3 trials train at a time") == 2

    def test_trials_and_retrainings_get_the_share_of_their_structure(self, study: Packed) -> None:
        folders = [*study.folder.glob("trials/*"), *study.folder.glob("confirm/*")]
        outgrown = study.folder / "trials" / f"{packed_trainer.OUTGROWS:04d}"
        shares = {job_file.read(one).gpus for one in folders if not one.name.startswith(outgrown.name)}
        assert shares == {0.3333}
        assert max(int(beside) for _, _, _, beside in study.lines("begin")) == 3

    def test_a_trial_that_outgrows_its_share_is_moved_to_a_larger_one(self, study: Packed) -> None:
        trial = study.trials()[packed_trainer.OUTGROWS]
        assert [loss.kind for loss in trial.losses if loss.kind is not Kind.NODE] == [Kind.MEMORY]
        assert [measurement.epoch for measurement in trial.measurements][:2] == [1, 2]
        assert trial.ending is None or not trial.ending.cause
        (folder,) = study.folder.glob(f"trials/{trial.number:04d}*")
        assert job_file.read(folder).gpus == 0.6666
        assert "gets 0.6666 of a GPU in place of 0.3333, since memory ran out" in study.log()
        assert "attempt 2" in (folder / TRIAL_LOG).read_text() or "attempt 3" in (folder / TRIAL_LOG).read_text()

    def test_a_trial_far_slower_than_the_probe_is_a_finding(self, study: Packed) -> None:
        (folder,) = study.folder.glob(f"trials/{packed_trainer.SLOW:04d}*")
        names = [finding.name for finding in findings_file.read(folder)]
        assert "slower than probed" in names
        assert f"trial {packed_trainer.SLOW}, epoch" in study.log()
