"""What a file from elsewhere may not do, what of the environment stays there, and who may connect."""

import ast
import os
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray
import yaml
from rich.console import Console
from typer.testing import CliRunner

from automl import cluster
from automl.apps import registry
from automl.apps.cli import app
from automl.apps.cli.messages import CHECKING
from automl.data import sample
from automl.pipeline.session import opened
from automl.storage.place import Place
from automl.study import Ending, yaml_io
from automl.study.errors import SpecError, StudyError
from automl.study.load import load
from automl.tracking.report import page as report
from automl.trials import worker
from tests.builders import FakeRules, spec_of, written
from tests.conftest import job_at
from tests.simulated_study import Clock, open_search, saturating, simulate
from tests.study.test_load import TEXT

ROOT = Path(__file__).parents[1]
OURS = sorted((ROOT / "automl").rglob("*.py"))
SECRETS = {
    "RAY_AUTH_TOKEN": "token-5f2e9c",
    "AWS_SECRET_ACCESS_KEY": "aws-8d41b7",
    "AUTOML_DATABASE": "postgresql://user:pass-77ac3e@host/db",
}
LOADING = re.compile("load|eval|exec")
EXECUTED = "!!python/object/apply:os.system ['touch {}']"


@pytest.fixture(scope="module")
def calls() -> list[tuple[Path, ast.Call]]:
    """All calls in the program of a function whose name may be that of a loader, with the file in which they are."""
    texts = ((path, path.read_text()) for path in OURS)
    trees = [(path, ast.parse(text)) for path, text in texts if LOADING.search(text)]
    found = [(path, node) for path, tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [(path, call) for path, call in found if LOADING.search(last_name(call.func))]


def last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def named(call: ast.Call) -> dict[str | None, str]:
    return {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}


@pytest.mark.slow
def test_yaml_is_read_by_a_loader_that_makes_plain_values_only(calls: list[tuple[Path, ast.Call]]) -> None:
    """PyYAML's own `load` with our loaders, which make what a `SafeLoader` makes, is the one way."""
    loads = [(path, call) for path, call in calls if re.match(r"yaml\..*load", ast.unparse(call.func))]
    assert loads
    for path, call in loads:
        assert (ast.unparse(call.func), [*named(call)]) == ("yaml.load", ["Loader"]), path
    assert {named(call)["Loader"] for _, call in loads} == {"_Loader", "_FastLoader"}
    for loader in (yaml_io._Loader, yaml_io._FastLoader):
        assert issubclass(loader, yaml.constructor.SafeConstructor)
        assert not issubclass(loader, yaml.constructor.FullConstructor | yaml.constructor.UnsafeConstructor)
        assert not any(tag and "python" in tag for tag in loader.yaml_constructors)


def test_nothing_of_ours_opens_a_pickle(calls: list[tuple[Path, ast.Call]]) -> None:
    """Weights are opened by Ultralytics alone, in `automl/trainers/yolo`, with ULTRALYTICS_SAFE_LOAD set."""
    for path, call in calls:
        name = ast.unparse(call.func)
        assert name not in {"pickle.load", "pickle.loads", "eval", "exec"}, path
        if name == "torch.load" and path.parent.name != "yolo":
            assert named(call).get("weights_only") == "True", path


@pytest.mark.parametrize("place", ["name: {}", "model: {}", "train: {{imgsz: {}}}", "? {}\n: 1", "- {}"])
def test_a_description_that_asks_for_an_object_is_refused_and_nothing_runs(tmp_path: Path, place: str) -> None:
    trace = tmp_path / "trace"
    path = written(tmp_path, "spec.yaml", TEXT + place.format(EXECUTED.format(trace)))
    with pytest.raises(SpecError, match=r"spec.yaml: must be YAML, but ") as caught:
        load(path, rules=FakeRules())
    assert len(caught.value.mistakes) == 1
    assert not trace.exists()


@pytest.mark.yolo
@pytest.mark.parametrize("target", ["spec", "data", "set", "study"])
def test_an_object_in_any_file_of_a_user_is_one_message_and_exit_2(tmp_path: Path, target: str) -> None:
    trace = tmp_path / "trace"
    evil = EXECUTED.format(trace)
    spec = written(tmp_path, "spec.yaml", f"name: {evil}\n")
    data = written(tmp_path, "data.yaml", f"train: images\nval: images\nnames: {evil}\n")
    study = written(tmp_path / "runs" / "x", "study.yaml", f"format: 1\nname: {evil}\n").parent
    arguments = {
        "spec": ["check", str(spec)],
        "data": ["check", "--data", str(data)],
        "set": ["check", "--set", f"train.imgsz={evil}"],
        "study": ["status", str(study)],
    }
    found = CliRunner().invoke(app, arguments[target])
    assert found.exit_code == 2, found.output
    assert found.stderr.removeprefix(f"{CHECKING} ...\n").startswith("automl: ")
    assert "Traceback" not in found.output
    assert not trace.exists()


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return what must not be found anywhere, and set it in the environment."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    return [value.encode() for value in (*SECRETS.values(), "pass-77ac3e")]


def holding(folder: Path, secrets: list[bytes]) -> list[Path]:
    """Return the files that hold a secret."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    assert found
    return [path for path in found if any(secret in path.read_bytes() for secret in secrets)]


@pytest.mark.slow
def test_a_study_keeps_nothing_of_the_environment(tmp_path: Path, secrets: list[bytes]) -> None:
    with opened(spec_of(), Place(tmp_path), console=Console(quiet=True)) as session:
        source = open_search(session.folder, session.spec)
        simulate(source, saturating, clock=Clock())
        source.close()
        report.write(session.folder, session.spec, source.trials, None, edition=report.Edition(session.data.source))
    kinds = {path.name.split(".")[0] for path in session.folder.rglob("*") if path.is_file()}
    assert {"study", "journal", "report", "events", "params", "outcome", "data"} <= kinds
    assert holding(tmp_path, secrets) == []


@pytest.mark.yolo
def test_a_training_keeps_nothing_of_the_environment(tmp_path: Path, data: Path, secrets: list[bytes]) -> None:
    job = job_at(tmp_path / "trial", data, epochs=1)
    ending = worker.run(job, lambda _measurement: None)
    assert isinstance(ending, Ending)
    assert ending.final, ending
    assert holding(job.folder, secrets) == []


@pytest.mark.yolo
@pytest.mark.parametrize(
    "arguments",
    [
        ["--data", "https://user:pass-77ac3e@host/data.yaml"],
        ["--model", "https://user:pass-77ac3e@host/model.pt"],
        ["--set", "train.project=s3://key:pass-77ac3e@bucket"],
        ["--set", "s3://key:pass-77ac3e@bucket"],
    ],
)
def test_a_password_on_the_command_line_is_refused_and_not_repeated(tmp_path: Path, arguments: list[str]) -> None:
    found = CliRunner().invoke(app, ["search", "--storage", str(tmp_path), *arguments])
    assert found.exit_code == 2
    assert "must not contain a URL with a password" in found.stderr
    assert "pass-77ac3e" not in found.output
    assert list(tmp_path.iterdir()) == []


def test_a_password_in_the_description_of_data_is_refused_and_not_repeated(tmp_path: Path) -> None:
    path = sample.draw(tmp_path, splits={"train": 1, "val": 1, "test": 1})
    path.write_text(path.read_text() + "download: https://user:pass-77ac3e@host/x.zip\n")
    with pytest.raises(SpecError, match="must not contain a URL with a password") as caught:
        yaml_io.read_yaml(path)
    assert "pass-77ac3e" not in str(caught.value)


def test_a_model_is_served_to_this_machine_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    monkeypatch.setattr(
        os, "execve", lambda _program, given, _env: heard.extend(word for word in given if "host" in word)
    )
    stored = SimpleNamespace(path=lambda _version, *, target: target)
    monkeypatch.setattr(registry, "Registry", lambda _path: SimpleNamespace(stored=stored))
    for more in ([], ["--host", "0.0.0.0"]):
        assert CliRunner().invoke(app, ["serve", str(tmp_path), *more]).exit_code == 0
    assert heard == ["--host=127.0.0.1", "--host=0.0.0.0"]


@pytest.mark.parametrize(
    "name", ["README.md", "launch/README.md", "CONTRIBUTING.md", "Makefile", "benchmarks/README.md"]
)
def test_no_command_that_is_shown_opens_a_port_to_others(name: str) -> None:
    text = (ROOT / name).read_text()
    for opening in ("--bind_all", "0.0.0.0", "--host=", "dashboard-host=0"):
        assert opening not in text


def test_an_embedded_ray_shows_its_dashboard_to_this_machine_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, object]] = []

    def refuse(**given: object) -> None:
        asked.append(given)
        raise ConnectionError("only asked")

    monkeypatch.delenv("AUTOML_TRAINERS")
    monkeypatch.setattr(ray, "init", refuse)
    monkeypatch.setenv("AUTOML_TRUST_WEIGHTS", "1")
    for address in ("local", "192.0.2.1:6379"):
        with pytest.raises(StudyError, match="only asked"), cluster.connected(address=address, log=tmp_path / "log"):
            pass

    assert asked[0]["dashboard_host"] == "127.0.0.1"
    assert asked[1]["runtime_env"] == {"env_vars": {"AUTOML_TRUST_WEIGHTS": "1"}}
