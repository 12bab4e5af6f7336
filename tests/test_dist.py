"""The distribution: what the wheel and the sdist hold, that an installed copy runs, and which tags are refused."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from automl.apps.cli import DISTRIBUTION

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
VERSION = PROJECT["version"]
FOLDERS = ("automl", "search_spaces", "docs", "launch", "examples", ".ci")
SKIPPED = shutil.ignore_patterns("__pycache__", "runs", "build")
GIT = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
pytestmark = pytest.mark.slow


def copied(target: Path) -> Path:
    """Return a copy of what the distribution is built from."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, target / name, ignore=SKIPPED)
    for path in ROOT.iterdir():
        if path.is_file() and path.name != ".git":
            shutil.copy(path, target)
    return target


def build(tree: Path, target: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHON": os.path.relpath(sys.executable, tree)}  # relative, as `make dist` gives it
    return subprocess.run([tree / ".ci" / "dist", target], env=env, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a wheel and an sdist of this tree."""
    target = tmp_path_factory.mktemp("dist")
    done = build(copied(tmp_path_factory.mktemp("tree")), target)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder outside the checkout into which the wheel was installed."""
    target = tmp_path_factory.mktemp("installed")
    (wheel,) = built.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target"]
    subprocess.run([*pip, str(target), str(wheel)], check=True, capture_output=True)
    return target


def automl(installed: Path, folder: Path, *arguments: str) -> str:
    """Run the command of an installed copy in a folder outside the checkout."""
    return run(installed, folder, str(installed / "bin" / "automl"), *arguments)


def run(installed: Path, folder: Path, *arguments: str) -> str:
    """Run Python with an installed copy in a folder outside the checkout."""
    env = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


VERBS = """
import json, os, sys
from automl.apps.cli import app
from automl.trainers import yolo
measure, timed = yolo.measure, []
def measured_once(job, **more):
    timed.append(timed[0] if timed else measure(job, **more))
    return timed[0]
yolo.measure, os.cpu_count = measured_once, lambda: 1
for words in json.loads(sys.argv[1]):
    app(words, standalone_mode=False)
assert len(timed) == 2
"""
"""Several verbs in one process, which imports what they use once. A core for trials: one training is timed, not two
side by side, and what was measured for the first verb is what the second one gets."""


def test_wheel_and_sdist_bear_the_name_of_the_distribution(built: Path) -> None:
    stem = f"{DISTRIBUTION.replace('-', '_')}-{VERSION}"
    assert sorted(path.name for path in built.iterdir()) == [f"{stem}-py3-none-any.whl", f"{stem}.tar.gz"]
    assert PROJECT["name"] == DISTRIBUTION


def test_the_wheel_holds_the_package_and_the_shipped_spaces_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.partition("/")[0].split("-")[0] for name in names} == {"automl", "yolo_automl_ray"}
    shipped = {f"automl/{path.relative_to(ROOT)}" for path in (ROOT / "search_spaces").rglob("*.yaml")}
    package = {str(path.relative_to(ROOT)) for path in (ROOT / "automl").rglob("*.py")}
    assert shipped | package <= names
    assert {"automl/docs/description.schema.json", "automl/py.typed"} <= names


def test_the_sdist_holds_what_a_build_needs(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"setup.py", "pyproject.toml", "LICENSE", "Makefile", "constraints.txt", "search_spaces/smoke.yaml"} <= names
    assert not {name for name in names if name.startswith(("tests/", "runs/"))}


def test_an_installed_copy_says_its_version_and_finds_its_own_files(installed: Path, tmp_path: Path) -> None:
    assert automl(installed, tmp_path, "--version") == f"automl {VERSION}\n"
    found = [dist.version for dist in metadata.distributions(path=[str(installed)]) if dist.name == DISTRIBUTION]
    assert found == [VERSION]


@pytest.mark.yolo
def test_an_installed_copy_writes_a_description_and_checks_the_default_study(installed: Path, tmp_path: Path) -> None:
    micro = f"{installed}/automl/search_spaces/models/micro.yaml"
    told = run(installed, tmp_path, "-c", VERBS, json.dumps([["init", "sample", "--model", micro], ["check"]]))
    assert "time: could not be measured" not in (tmp_path / "sample.yaml").read_text()
    assert f"study smoke: 16 trials of {micro}" in told


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@pytest.mark.parametrize(
    ("tag", "change", "told"),
    [
        (
            "v9.9.9",
            "",
            f"the tag of a release must be v{VERSION}, the version in pyproject.toml, but this commit's is v9",
        ),
        (f"v{VERSION}", "changed", f"a release must be built from v{VERSION} as it is, but tracked files were changed"),
    ],
)
def test_a_tag_that_is_not_the_version_or_not_the_tree_is_refused(
    tmp_path: Path, tag: str, change: str, told: str
) -> None:
    tree = tmp_path / "tree"
    (tree / ".ci").mkdir(parents=True)
    for name in (".ci/dist", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tree / name)
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "x"], ["tag", tag]):
        subprocess.run([*GIT, *words], cwd=tree, check=True)
    if change:
        (tree / "README.md").write_text(change)
    done = build(tree, tmp_path / "dist")
    assert done.returncode == 2
    assert told in done.stderr
    assert [*(tmp_path / "dist").iterdir()] == []
