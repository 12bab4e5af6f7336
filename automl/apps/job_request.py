"""What is submitted to a head: working directory, command, name of the study, token; no Ray is imported for it."""

import os
import re
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from automl.study.errors import StudyError
from automl.study.text import shell_line
from automl.study.yaml_io import read_yaml

ADDRESS: Final = "http://127.0.0.1:8265"
"""The head on this machine."""
SCRIPT: Final = Path("automl", "search.py")
DEFAULT: Final = Path("search_spaces", "smoke.yaml")
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
TENSORBOARD_PORT: Final = 6006
SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Submission:
    """A study to submit, before anything is sent."""

    folder: Path
    """Working directory that is uploaded."""
    study: str
    data: str
    command: str


def head_address(given: str | None) -> str:
    """Return the address of the job API: the given one, else $RAY_API_SERVER_ADDRESS, else this machine's head."""
    return given or os.environ.get("RAY_API_SERVER_ADDRESS") or ADDRESS


def use_token() -> None:
    """Set the environment variables by which Ray finds the token; call it before Ray is imported.

    Raises:
        StudyError: there is none.
    """
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    if os.environ["RAY_AUTH_MODE"] != "token" or os.environ.get("RAY_AUTH_TOKEN"):
        return
    path = Path(os.environ.setdefault("RAY_AUTH_TOKEN_PATH", str(Path.home() / ".ray" / "auth_token")))
    if not path.is_file() or not path.stat().st_size:
        raise StudyError(
            f"{path}: must contain the cluster's token, but does not; copy it from the head, or start one: "
            "launch/local.sh"
        )


def submission(spec: Path | None, options: Mapping[str, Sequence[str]], *, plan: bool = False) -> Submission:
    """Return what to submit for a description and options of `automl search`, each with its values.

    Raises:
        StudyError: the description or the model is not in the folder that is uploaded, or `data` is relative.
    """
    folder = working_directory(spec)
    inside = _inside(spec, folder, what="a description") if spec else DEFAULT
    raw = read_yaml(folder / inside) if (folder / inside).is_file() else {}
    overrides = {"name": "", "data": ""} | dict(pair.split("=", 1) for pair in options.get("--set", ()) if "=" in pair)
    name = str([*options.get("--name", ()), overrides["name"] or raw.get("name", inside.stem)][0])
    data = str([*options.get("--data", ()), overrides["data"] or raw.get("data", "sample")][0])
    words: list[str] = [str(inside)]
    for option, values in options.items():
        words += [part for value in values for part in (option, _on_nodes(option, value, folder))]
    program = ["python", str(SCRIPT)] if (folder / SCRIPT).is_file() else ["automl", "search"]
    command = shell_line(*program, *words, *(["--plan"] if plan else []))
    return Submission(folder, "" if plan or not NAME.fullmatch(name) else name, data, command)


def checks(spec: Path | None, storage: Path | None, *, json: bool) -> Submission:
    """Return what to submit for `automl doctor` on the cluster."""
    folder = working_directory(spec)
    inside = [str(_inside(spec, folder, what="a description"))] if spec else []
    place = ["--storage", str(storage.absolute())] if storage else []
    options = ["--address", "auto", *place, *(["--json"] if json else [])]
    program = "import sys; from automl.apps.cli import app; app(sys.argv[1:])"
    return Submission(folder, "", "", shell_line("python", "-c", program, "doctor", *inside, *options))


def working_directory(spec: Path | None) -> Path:
    """Return the folder to upload: the checkout that runs, else that of the current folder, else that folder itself."""
    here, ours = Path.cwd(), Path(__file__).absolute().parents[2]
    if (here / SCRIPT).is_file():
        return here
    if (ours / "pyproject.toml").is_file() and (spec is None or spec.absolute().is_relative_to(ours)):
        return ours
    return here


def _inside(path: Path, folder: Path, *, what: str) -> Path:
    whole = Path(os.path.normpath(path.absolute()))
    if not whole.is_file():
        raise StudyError(f"{path}: must be {what} in {folder}, but is no file")
    if not whole.is_relative_to(folder):
        raise StudyError(
            f"{path}: must be {what} in {folder}, since only that folder is uploaded with the job, but is elsewhere; "
            "copy it there, or run the command in its folder"
        )
    return whole.relative_to(folder)


def _on_nodes(option: str, value: str, folder: Path) -> str:
    """Return the value of an option as the job must read it."""
    if option == "--data" and value != "sample" and not Path(value).is_absolute():
        raise StudyError(f"{value}: --data must be an absolute path on the cluster's nodes, but is relative")
    if option == "--model" and not Path(value).is_absolute() and Path(value).is_file():
        return str(_inside(Path(value), folder, what="a model"))
    return value


def tensorboard_at(address: str) -> str:
    """Return the address of a TensorBoard on the head's machine, empty if none answers."""
    url = f"http://{urlsplit(address).hostname}:{TENSORBOARD_PORT}/"
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{url}data/environment", timeout=SECONDS) as answer:
            return url if answer.status == 200 else ""
    except (OSError, ValueError, urllib.error.URLError):
        return ""


def next_step(status: int) -> str:
    """Return what to do after a job with this exit status."""
    known: dict[int, str] = {
        0: "done",
        2: "a mistake in the input, named above; mend it and submit again",
        75: "the cluster was lost, nothing else; submit the same again to resume it",
        130: "stopped; submit the same again to resume it",
        143: "stopped; submit the same again to resume it",
    }
    return known.get(status, "the log above has the cause")


def token_settings() -> str:
    """Return the environment variables of a command for the same head, to be typed; never the token itself."""
    path: Any = os.environ.get("RAY_AUTH_TOKEN_PATH")
    given = shell_line(path) if path and "RAY_AUTH_TOKEN" not in os.environ else ""
    return "RAY_AUTH_MODE=token " + (f"RAY_AUTH_TOKEN_PATH={given} " if given else "")
