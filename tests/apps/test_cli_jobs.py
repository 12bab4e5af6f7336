"""`automl submit` and `automl stop` against a stand-in for a head's job API."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray.job_submission import JobDetails
from typer.testing import CliRunner, Result

from automl.apps.cli import app
from automl.cluster import jobs, upload
from automl.study.errors import StudyError
from tests.fake_head import TOKEN, FakeHead, fake_head

pytestmark = pytest.mark.filterwarnings("ignore:ssl=None is deprecated:DeprecationWarning")  # Ray's own call


@pytest.fixture
def head(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHead]:
    monkeypatch.setattr(jobs, "AGAIN_SECONDS", 0.01)
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    with fake_head() as served:
        monkeypatch.setenv("RAY_API_SERVER_ADDRESS", served.address)
        monkeypatch.setenv("NO_PROXY", "")
        yield served


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with a description, a secret and a data set."""
    folder = tmp_path / "tree"
    for name in ("automl/search.py", "spaces/cards.yaml", "data/a.png", ".env", "deep/keys/a.pem"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("name: cards\n")
    (folder / ".rayignore").write_text("/data/\n")
    monkeypatch.chdir(folder)
    return folder


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_a_study_is_uploaded_followed_and_its_exit_status_is_that_of_the_command(head: FakeHead, tree: Path) -> None:
    head.log, head.status, head.code = "one\n\x1b[31mtwo\x1b[0m\n", "FAILED", 75
    done = run("submit", "spaces/cards.yaml", "--set", "budget.trials=2", "--storage", "/nfs/a b")
    assert done.exit_code == 75
    assert done.stdout == "one\ntwo\n"
    job = head.jobs["automl-cards-1"]
    assert job["entrypoint"] == "python automl/search.py spaces/cards.yaml --set budget.trials=2"
    assert job["metadata"] == {"job_name": "cards", "study": "cards", "storage": "/nfs/a b", "data": "sample"}
    variables = job["runtime_env"]["env_vars"]
    assert (variables["RAY_JOB_STOP_SIGNAL"], variables["AUTOML_STORAGE"]) == ("SIGTERM", "/nfs/a b")
    assert "left out, by .gitignore, .rayignore or as a secret: .env, data/, deep/" in done.stderr
    with zipfile.ZipFile(io.BytesIO(head.uploads[0])) as sent:
        names = {name for name in sent.namelist() if not name.endswith("/")}
    assert names == set(upload.measured(tree).sizes) == {".rayignore", "automl/search.py", "spaces/cards.yaml"}
    assert "dashboard:" in done.stderr
    assert "tensorboard --logdir '/nfs/a b/runs/cards'" in done.stderr
    assert TOKEN not in done.stderr.replace("is given", "")
    assert done.stderr.splitlines()[-1].endswith("exit status 75: the cluster was lost, nothing else; submit the same "
                                                 "again to resume it")  # fmt: skip


@pytest.mark.usefixtures("tree")
def test_a_study_that_runs_already_is_followed_and_nothing_is_submitted(head: FakeHead) -> None:
    head.status = "RUNNING"
    assert run("submit", "spaces/cards.yaml", "--detach").exit_code == 0
    head.log = "".join(f"line {number}\n" for number in range(50))
    head.jobs["automl-cards-1"]["status"] = "RUNNING"
    detached = run("submit", "spaces/cards.yaml", "--detach")
    assert "runs this study already; nothing was submitted" in detached.stderr
    assert list(head.jobs) == ["automl-cards-1"]
    other = run("submit", "spaces/cards.yaml", "--detach", "--set", "budget.trials=9")
    assert "its options are others: python automl/search.py spaces/cards.yaml" in other.stderr
    running = jobs.Jobs(head.address)
    head.jobs["automl-cards-1"]["status"] = "SUCCEEDED"
    shown: list[str] = []
    assert running.follow("automl-cards-1", shown.append, shown=len("line 0\n" * 10)) == 0
    assert "".join(shown) == "".join(f"line {number}\n" for number in range(10, 50))


@pytest.mark.usefixtures("tree")
def test_of_two_submissions_at_the_same_time_one_finds_the_job_of_the_other(head: FakeHead) -> None:
    head.rival = {"study": "cards", "storage": ""}
    done = run("submit", "spaces/cards.yaml", "--detach")
    assert "job automl-cards-1: runs this study already" in done.stderr
    assert len(head.jobs) == 1


@pytest.mark.usefixtures("tree")
def test_a_cut_connection_is_made_again_and_no_line_is_lost_or_shown_twice(head: FakeHead) -> None:
    head.broken = 2
    head.log = "one\ntwo\nthree\n"
    assert run("submit", "spaces/cards.yaml").stdout == head.log


@pytest.mark.usefixtures("tree")
def test_a_study_is_stopped_by_name(head: FakeHead) -> None:
    head.add("automl-cards-1", {"study": "cards", "storage": "/nfs"}, status="RUNNING")
    assert run("stop", "cards", "--storage", "/other").exit_code == 2
    done = run("stop", "cards")
    assert (done.exit_code, head.stopped) == (0, ["automl-cards-1"])
    again = run("stop", "cards")
    assert again.exit_code == 2
    assert f"study cards: must have a running job at {head.address}, but has none" in again.stderr


@pytest.mark.parametrize(
    ("words", "law"),
    [
        (["none.yaml"], "none.yaml: must be a description in"),
        (["../cards.yaml"], "since only that folder is uploaded with the job, but is elsewhere"),
        (["spaces/cards.yaml", "--data", "boards/data.yaml"], "--data must be an absolute path on the cluster's nodes"),
    ],
)
def test_what_would_fail_on_the_cluster_is_refused_before_it_is_sent(
    head: FakeHead, tree: Path, words: list[str], law: str
) -> None:
    (tree.parent / "cards.yaml").write_text("name: cards\n")
    done = run("submit", *words)
    assert done.exit_code == 2
    assert law in done.stderr
    assert not head.jobs


@pytest.mark.usefixtures("tree")
def test_a_wrong_token_no_token_and_no_head_are_one_line_each(
    head: FakeHead, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = run("stop", "cards", "--address", "http://127.0.0.1:1")
    assert (nowhere.exit_code, len(nowhere.stderr.splitlines())) == (2, 1)
    assert "or start one: launch/local.sh" in nowhere.stderr
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "none"))
    missing = run("stop", "cards", "--address", head.address)
    assert missing.exit_code == 2
    assert f"{tmp_path / 'none'}: must contain the cluster's token, but does not" in missing.stderr


def test_an_upload_beyond_the_limit_names_the_largest_files(tree: Path) -> None:
    (tree / "film.avi").write_bytes(b"x" * 1000)
    with pytest.raises(StudyError, match=r"the largest files are film\.avi \(1\.0 kB\)"):
        upload.measured(tree).refuse_oversize(1000)


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [("SUCCEEDED", 0, 0), ("FAILED", 2, 2), ("FAILED", -9, 137), ("FAILED", None, 1), ("STOPPED", None, 130),
     ("STOPPED", 0, 130)],
)  # fmt: skip
def test_the_exit_status_of_a_job_is_that_of_a_shell(status: str, code: int | None, expected: int) -> None:
    found = JobDetails(type="SUBMISSION", entrypoint="", status=status, driver_exit_code=code)
    assert jobs.exit_status(found) == expected
