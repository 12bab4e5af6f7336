"""Verbs on studies: search, check, resume, status, report."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from automl.apps.cli.data_verbs import list_studies
from automl.apps.cli.messages import CHECKING, print_json, print_line, print_progress, print_table, readable
from automl.apps.cli.options import (
    Address,
    Data,
    DataPage,
    FewerGpus,
    Json,
    Lang,
    Model,
    Name,
    Plan,
    Prove,
    Set,
    SpecFile,
    Storage,
    StudyFolder,
)
from automl.storage.place import study_folder
from automl.study import yaml_io
from automl.study.errors import SpecError
from automl.tracking.console import announce

if TYPE_CHECKING:
    from automl.apps import api

WATCH_SECONDS: Final = 5
CLEAR: Final = "\x1b[H\x1b[2J"
"""ANSI sequence: cursor to the top, clear the screen."""
LOADING: Final = "automl is starting: loading PyTorch and Ultralytics"


@readable
def search(
    spec: SpecFile = None, *, data: Data = None, model: Model = None, name: Name = None, set_: Set = None,
    storage: Storage = None, address: Address = None, plan: Plan = False, fewer_gpus: FewerGpus = False,
) -> None:  # fmt: skip
    """Run a study: search, confirm, export, promote; the same command resumes an interrupted study."""
    if plan:
        print_progress(CHECKING)
    else:
        announce(LOADING)
    from automl.apps import api
    from automl.pipeline.run import DEFAULT_SPEC

    overrides = overrides_of({"data": data, "model": model, "name": name}, set_)
    if plan:
        named = {**overrides, **({"name": name} if name else {})}
        print(api.check(spec or DEFAULT_SPEC, data=data, model=model, storage=storage, overrides=named))
        return
    api.search(
        spec or DEFAULT_SPEC, data=data, model=model, name=name, storage=storage, address=address, overrides=overrides,
        fewer_gpus=fewer_gpus,
    )  # fmt: skip


@readable
def check(
    spec: SpecFile = None, *, data: Data = None, model: Model = None, set_: Set = None, storage: Storage = None,
    json: Json = False, report: DataPage = None, prove: Prove = False,
) -> None:  # fmt: skip
    """Check a spec, its data and its warm start, and forecast cost, time and disk space; starts no study."""
    print_progress(CHECKING)
    from automl.apps import api
    from automl.pipeline.run import DEFAULT_SPEC

    overrides = overrides_of({"data": data, "model": model}, set_)
    found = api.check(
        spec or DEFAULT_SPEC, data=data, model=model, storage=storage, overrides=overrides, report=report,
        prove=prove,
    )  # fmt: skip
    if json:
        print_json(found)
    else:
        print(found)
    if found.proof and found.proof.refused:
        raise SpecError([f"{spec or DEFAULT_SPEC}: {mistake}" for mistake in found.proof.refused])


@readable
def resume(
    study: StudyFolder, *, storage: Storage = None, address: Address = None, fewer_gpus: FewerGpus = False
) -> None:
    """Resume an interrupted study."""
    announce(LOADING)
    from automl.apps import api

    api.open_study(study_folder(study, api.place_at(storage).storage)).resume(address=address, fewer_gpus=fewer_gpus)


@readable
def status(
    study: Annotated[
        Path | None, typer.Argument(metavar="[STUDY]", help="Folder or name of a study; without one, list all.")
    ] = None,
    *,
    storage: Storage = None,
    json: Json = False,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again every 5 seconds until the study ends.")] = False,
) -> None:
    """Show the trials of a study, also of one that runs on another machine; without STUDY, list all studies."""
    from automl.apps import api

    if study is None:
        list_studies(storage, json=json)
        return
    opened = api.open_study(study_folder(study, api.place_at(storage).storage))
    while not _print_status(opened, str(study), json=json) and watch and not json:
        time.sleep(WATCH_SECONDS)
        print(CLEAR, end="")


@readable
def report(study: StudyFolder, *, storage: Storage = None, lang: Lang = "en") -> None:
    """Write the report.html of a study again."""
    from automl.apps import api

    print_line(str(api.open_study(study_folder(study, api.place_at(storage).storage)).report(lang=lang)))


def _print_status(opened: "api.Study", shown: str, *, json: bool) -> bool:
    """Print the status of a study; return True if no driver works on it, so that it does not change."""
    from automl.tracking import study_status

    found = study_status.read(opened.folder, opened.spec, shown=shown)
    if json:
        print_json(found)
        return True
    print_table(found.table)
    for line in (found.driver_text, *found.messages, *found.structure_lines, *found.finding_lines()):
        print_line(line)
    return not found.running


def overrides_of(given: dict[str, str | None], pairs: list[str] | None) -> dict[str, Any]:
    """Return the overrides of `--set`; a key with its own option is checked under that option's name."""
    for key, value in given.items():
        if value is not None:
            yaml_io.refuse_secrets(value, where=f"--{key}")
    overrides: dict[str, Any] = {}
    for pair in pairs or []:
        yaml_io.refuse_secrets(pair, where="--set")
        key, equals, value = pair.partition("=")
        if not equals or not all(key.split(".")):
            raise SpecError([f"--set {pair}: must be KEY=VALUE, such as budget.trials=6"])
        if not value.strip():
            unset = "must have a value after the =, null for none; is a variable of the shell unset?"
            raise SpecError([f"--set {pair}: {unset}"])
        overrides[key] = yaml_io.read_value(value)
    return overrides
