"""`resources.gpus: auto` in a whole study on a stand-in GPU: probed, shared, outgrown; and where nothing is shared."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from automl.cluster import Node
from automl.pipeline import machine, packing
from automl.storage import job_file
from automl.storage.journal import Journal
from automl.storage.layout import TRIAL_LOG
from automl.study import Kind, Trial
from automl.study.packing import TrainingStructure, probed_in
from automl.study.spec_parts import ResourcesSpec
from automl.tracking.diagnosis import findings_file
from automl.trainers import registration
from tests import packed_trainer, tiny_trainer
from tests.builders import METRIC, spec_of

ROOT = Path(__file__).parents[2]
DESCRIPTION = {
    "name": "packed",
    "model": tiny_trainer.MODEL,
    "budget": {"trials": 8},
    "ladder": {"min_epochs": 2, "max_epochs": 4},
    "space": {
        "lr0": {"low": 0.001, "high": 0.1, "default": 0.01, "log": True},
        "imgsz": {"choices": [32, 64], "default": 32},
    },
    "train": {"optimizer": "SGD", "batch": 8, "epoch_seconds": 0.5},
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
SMALL, LARGE = (TrainingStructure(tiny_trainer.MODEL, imgsz, 8) for imgsz in (32, 64))


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


def test_a_preview_says_what_auto_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(registration.CHOSEN, tiny_trainer.registered())
    sizes = {"imgsz": {"choices": [32, 64], "default": 32}, "batch": {"low": 4, "high": 8, "default": 4}}
    (line,) = machine.packing(spec_of(space=sizes))
    assert line.startswith("resources.gpus: auto: this machine has no CUDA GPU, so trials here use the CPU; ")
    assert "a probe of 2 structures (model, image size, batch)" in line
    own = [{"when": {"imgsz": [64]}, "gpus": 1.0}]
    (line,) = machine.packing(spec_of(space=sizes, resources={"exceptions": own}))
    assert "a probe of 1 structure (model" in line
    monkeypatch.setattr(tiny_trainer, "gpu_count", lambda: 2)
    (line,) = machine.packing(spec_of(space=sizes))
    assert line.startswith("resources.gpus: auto: a probe of 2 structures")
    assert line.endswith("finds before the first trial how many share a GPU: up to 8")
    assert not [*machine.packing(spec_of(resources={"gpus": 1}))]


@pytest.mark.ray
@pytest.mark.timeout(900)
class TestStudy:
    """What a study on a stand-in GPU does."""

    def test_each_structure_is_probed_once_although_the_study_was_resumed(self, study: Packed) -> None:
        tried = [(int(imgsz), int(copies)) for _, imgsz, copies in study.lines("probe")]
        assert sorted(tried) == [(32, 1), (32, 2), (32, 3), (32, 4), (64, 1)]
        found = probed_in(Journal.read(study.folder, metric=METRIC).notes())
        assert {one: each.copies for (one, _), each in found.items()} == {SMALL: 3, LARGE: 1}
        assert {each.device for each in found.values()} == {packed_trainer.DEVICE}
        assert "packing of tiny.yaml at 32 px, batch 8: 3 trials share a GPU: 300 images/s in all, " in study.log()
        assert "2 copies would use more than 90% of the memory" in study.log()

    def test_trials_and_retrainings_get_the_share_of_their_structure_and_train_side_by_side(
        self, study: Packed
    ) -> None:
        folders = [*study.folder.glob("trials/*"), *study.folder.glob("confirm/*")]
        shares = {
            (packed_trainer.image_size(job), job.gpus)
            for job in map(job_file.read, folders)
            if job.number != packed_trainer.OUTGROWS
        }
        assert shares <= {(32, 0.3333), (64, 1.0)}
        assert (32, 0.3333) in shares
        assert max(int(beside) for _, _, _, beside in study.lines("begin")) == 3
        assert "waits for 4 CPU cores and 1 GPUs of one node: no other starts until it has them" in study.log()

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
