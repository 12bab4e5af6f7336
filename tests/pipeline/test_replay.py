"""Replay of a version: the same curve bit for bit, else the first epoch that differs; data and files checked first."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import automl
from automl.apps.cli import app
from automl.data import check, staging
from automl.pipeline.replay import Replay
from automl.storage import curves_file, environment, job_file
from automl.storage.layout import BEST, CURVES, LINEAGE, PARAMS, SPEC, VERDICT
from automl.storage.registry import Registry
from automl.study import Job, Measurement
from automl.study.errors import AutomlError, StudyError
from automl.study.load import dump
from automl.study.yaml_io import read_yaml
from automl.trials import worker
from tests.builders import spec_of
from tests.conftest import job_at
from tests.shipped import Version, drawn, shipped

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Version:
    home = tmp_path_factory.mktemp("home")
    return shipped(home, drawn(home / "data"))


def again(registry: Registry, number: int = 1, **how: Path) -> tuple[Replay, list[str]]:
    """Replay a version; return the result and what it said."""
    said: list[str] = []
    return automl.Registry(registry.folder).replay(number, say=said.append, **how), said


def published(version: Version, change: Callable[[Path], None], name: str) -> Version:
    """Publish a version again with one file changed."""
    folder = version.folder.parents[3] / f"changed-{name}"
    shutil.copytree(version.folder, folder, dirs_exist_ok=True)
    for path in folder.iterdir():
        path.chmod(0o644)
    change(folder)
    (folder / "name.txt").write_text(name)  # else a version with further files would be the same
    number = version.registry.publish(
        {path.name: path for path in folder.iterdir() if path.name != "manifest.json"}, {}
    )
    return replace(version, number=number)


def test_a_version_is_trained_again_with_the_same_curve(version: Version) -> None:
    found, said = again(version.registry)
    assert (found.same, found.epochs, found.difference, found.environment) == (True, 3, None, ())
    assert said == [
        "environment: the same",
        "data set: as published",
        *(f"epoch {n} of 3: the same" for n in (1, 2, 3)),
    ]
    assert version.registry.verify(1) == []


def test_the_command_line_tells_the_first_difference_and_exits_with_one(version: Version) -> None:
    def change(folder: Path) -> None:
        curves = list(curves_file.read_curves(folder))
        last = curves[1]
        metrics = {**last.metrics, "val/map50": last.metrics["val/map50"] + 1e-16 + 2**-53}
        curves[1] = Measurement(last.epoch, metrics, last.seconds)
        curves_file.write_curves(folder, curves)

    other = published(version, change, "curve")
    reference = f"{version.registry.folder}@{other.number}"
    result = CliRunner().invoke(app, ["replay", reference])
    assert result.exit_code == 1, result.output
    assert "epoch 1 of 3: the same\nthe curve differs: epoch 2: val/map50: 0." in result.output
    result = CliRunner().invoke(app, ["replay", reference, "--json"])
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert (document["same"], document["difference"]["epoch"], document["difference"]["metric"]) == (
        False,
        2,
        "val/map50",
    )


def test_another_seed_is_another_curve(version: Version) -> None:
    def change(folder: Path) -> None:
        job_file.write(replace(job_file.read(folder), folder=folder, seed=5))

    found, _ = again(version.registry, published(version, change, "seed").number)
    assert found.difference is not None
    assert (found.same, found.difference.epoch) == (False, 1)


def test_packages_that_differ_are_told(version: Version) -> None:
    def change(folder: Path) -> None:
        lineage = json.loads((folder / LINEAGE).read_text())
        lineage["environment"]["packages"]["torch"] = "1.0"
        (folder / LINEAGE).write_text(json.dumps(lineage))

    found, said = again(version.registry, published(version, change, "packages").number)
    assert found.same
    assert found.environment == (f"torch: 1.0 then, {environment.packages()['torch']} now",)
    assert said[0] == f"environment: {found.environment[0]}"


def test_other_data_are_refused_before_anything_is_trained(version: Version, tmp_path: Path) -> None:
    source = drawn(tmp_path / "data")
    label = next((source.parent / "labels" / "train").glob("*.txt"))
    label.write_text("0 0.5 0.5 0.2 0.2\n")
    with pytest.raises(StudyError, match=r"must be the data set of the version, fingerprint .*, but has"):
        again(version.registry, data=source)
    with pytest.raises(StudyError, match="must be the data set of the version, but does not exist; pass --data"):
        again(version.registry, data=tmp_path / "nothing.yaml")


def test_data_that_were_moved_are_given(version: Version, tmp_path: Path) -> None:
    found, said = again(version.registry, data=drawn(tmp_path / "data"))
    assert found.same
    assert "data set: as published" in said


def test_a_training_that_fails_is_told(version: Version) -> None:
    def change(folder: Path) -> None:
        job = job_file.read(folder)
        job_file.write(replace(job, folder=folder, params={**job.params, "lr0": 2.0}))

    with pytest.raises(StudyError, match="the training ended after epoch 0: loss is not finite at epoch 1"):
        again(version.registry, published(version, change, "failing").number)


@pytest.mark.parametrize("name", [CURVES, PARAMS, SPEC])
def test_a_version_without_what_is_needed_is_one_message(version: Version, name: str) -> None:
    other = published(version, lambda folder: (folder / name).unlink(), f"without-{name}")
    with pytest.raises(AutomlError, match=f"must contain {name} to be trained again, but does not"):
        again(version.registry, other.number)


def test_a_model_file_that_is_missing_or_another_is_told(version: Version, tmp_path: Path) -> None:
    weights = tmp_path / "elsewhere" / "tiny" / "models" / "x" / "start.pt"

    def change(folder: Path) -> None:
        job_file.write(replace(job_file.read(folder), folder=folder, model=str(weights)))
        lineage = json.loads((folder / LINEAGE).read_text())
        lineage["training"]["model"]["sha256"] = "0" * 64
        (folder / LINEAGE).write_text(json.dumps(lineage))

    other = published(version, change, "model")
    with pytest.raises(
        StudyError, match=r"start\.pt: must be the model that the training began with, but does not exist"
    ):
        again(version.registry, other.number)
    moved = tmp_path / "runs" / "tiny" / "models" / "x" / "start.pt"
    moved.parent.mkdir(parents=True)
    shutil.copyfile(version.folder / BEST, moved)
    with pytest.raises(
        StudyError, match=r"runs/tiny/models/x/start\.pt: must be the model .*, SHA-256 0+, but is anot"
    ):
        again(version.registry, other.number, storage=tmp_path)


def micro(folder: Path, source: Path, *, epochs: int) -> Job:
    """Train the micro YOLO as a study does, and return its job."""
    checked = check.check(source, read_yaml(source), splits=("train", "val", "test"))
    job = job_at(folder / "trial", staging.stage(checked, folder / "data"), epochs=epochs)
    job_file.write(job)
    ending = worker.run(job, lambda _measurement: None)
    assert ending.final, ending.text
    return job


@pytest.mark.yolo
def test_a_real_training_is_the_same_bit_for_bit_in_a_fresh_process(tmp_path: Path) -> None:
    source = drawn(tmp_path / "drawn")
    job = micro(tmp_path / "study", source, epochs=2)
    spec = tmp_path / "study.yaml"
    spec.write_text(dump(spec_of(name="micro", data=str(source))))
    checked = check.check(source, read_yaml(source), splits=("train", "val", "test"))
    held = Registry(tmp_path / "models", "micro")
    files = {BEST: job.folder / BEST, PARAMS: job.folder / PARAMS, CURVES: job.folder / CURVES, SPEC: spec}
    held.publish(files, {VERDICT: {"data": checked.fingerprint}})
    found, said = again(held)
    assert (found.same, found.environment_known) == (True, False), found.difference
    assert said[-1] == "epoch 2 of 2: the same"
