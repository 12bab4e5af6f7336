"""`automl bundle-site`: collected from wheels on disk, verified, installed without an index."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from automl.apps.cli import app


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["bundle-site", *words])


def wheel(folder: Path, name: str, *, needs: str = "") -> None:
    """Write a wheel with one module."""
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n" + (f"Requires-Dist: {needs}\n" if needs else "")
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{name}.py", "VALUE = 1\n")
        archive.writestr(f"{info}/METADATA", about)
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that pip uses in place of an index."""
    folder = tmp_path / "index"
    folder.mkdir()
    wheel(folder, "automl_site_one", needs="automl-site-two")
    wheel(folder, "automl_site_two")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.mark.slow
@pytest.mark.usefixtures("index")
def test_a_bundle_is_verified_and_installed_without_an_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights, out = tmp_path / "yolo.pt", tmp_path / "site"
    weights.write_bytes(b"weights")
    made = run(str(out), "--requirement", "automl-site-one", "--weights", str(weights))
    assert made.exit_code == 0, made.stderr
    assert "wheels: 2 files" in made.stdout
    assert "weights: 1 files" in made.stdout
    assert (out / "requirements.txt").read_text().count("--hash=sha256:") == 2
    assert run(str(out), "--verify").exit_code == 0

    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PYTHON", sys.executable)
    environment = tmp_path / "environment"
    subprocess.run(["sh", out / "install.sh", environment], check=True, capture_output=True)
    command = [str(environment / "bin" / "python"), "-c", "import automl_site_one, automl_site_two"]
    subprocess.run(command, check=True, env={})

    (out / "weights" / "yolo.pt").write_bytes(b"others")
    (out / "sample" / "data.yaml").unlink()
    (out / "more").touch()
    changed = run(str(out), "--verify")
    assert changed.exit_code == 2
    assert changed.stdout == (
        "more: is not in the manifest\nsample/data.yaml: is missing\nweights/yolo.pt: is changed\n"
    )
    refused = subprocess.run(["sh", out / "install.sh", tmp_path / "second"], check=False, capture_output=True)
    assert refused.returncode != 0
    assert not (tmp_path / "second").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("index")
def test_a_wheel_that_cannot_be_had_leaves_no_folder(tmp_path: Path) -> None:
    missing = run(str(tmp_path / "site"), "--requirement", "automl-site-none")
    assert missing.exit_code == 2
    assert "No matching distribution found for automl-site-none" in missing.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


def test_an_existing_folder_and_missing_weights_are_refused(tmp_path: Path) -> None:
    assert "must be a new folder, but exists" in run(str(tmp_path)).stderr
    assert "must be a file, but is none" in run(str(tmp_path / "a"), "--weights", str(tmp_path / "none.pt")).stderr
    assert "must be a folder that bundle-site made" in run(str(tmp_path), "--verify").stderr
