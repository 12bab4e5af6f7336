"""Verbs on studies: search, check, resume, status, report."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from automl.apps.cli.data_verbs import list_studies
from automl.apps.cli.messages import print_json, print_table, readable
from automl.apps.cli.options import Address, Data, Json, Model, Name, Plan, Set, SpecFile, Storage, StudyFolder
from automl.storage.place import study_folder
from automl.study import yaml_io
from automl.study.errors import SpecError
from automl.tracking.console import announce

LOADING: Final = "automl starts; loading PyTorch and Ultralytics takes a while"


@readable
def search(
    spec: SpecFile = None, *, data: Data = None, model: Model = None, name: Name = None, set_: Set = None,
    storage: Storage = None, address: Address = None, plan: Plan = False,
) -> None:  # fmt: skip
    """Search, confirm, export and promote; the same study again goes on where it stood."""
    if not plan:
        announce(LOADING)
    from automl.apps import api
    from automl.pipeline.run import DEFAULT_SPEC

    overrides = _overrides({"data": data, "model": model, "name": name}, set_)
    if plan:
        named = {**overrides, **({"name": name} if name else {})}
        print(api.check(spec or DEFAULT_SPEC, data=data, model=model, storage=storage, overrides=named))
        return
    api.search(
        spec or DEFAULT_SPEC, data=data, model=model, name=name, storage=storage, address=address, overrides=overrides
    )


@readable
def check(
    spec: SpecFile = None, *, data: Data = None, model: Model = None, set_: Set = None, storage: Storage = None,
    json: Json = False,
) -> None:  # fmt: skip
    """Look at a spec, its data and the earlier studies it learns from, without starting anything."""
    from automl.apps import api
    from automl.pipeline.run import DEFAULT_SPEC

    overrides = _overrides({"data": data, "model": model}, set_)
    found = api.check(spec or DEFAULT_SPEC, data=data, model=model, storage=storage, overrides=overrides)
    if json:
        print_json(found)
    else:
        print(found)


@readable
def resume(study: StudyFolder, *, storage: Storage = None, address: Address = None) -> None:
    """Go on with an interrupted study."""
    announce(LOADING)
    from automl.apps import api

    api.open_study(study_folder(study, api.place_at(storage).storage)).resume(address=address)


@readable
def status(
    study: Annotated[
        Path | None, typer.Argument(metavar="[STUDY]", help="A study's folder or name; without one, list all.")
    ] = None,
    *,
    storage: Storage = None,
    json: Json = False,
) -> None:
    """Show a study's trials, also while it runs and from another machine; without a study, list all studies."""
    from automl.apps import api
    from automl.tracking import study_status

    if study is None:
        list_studies(storage, json=json)
        return
    opened = api.open_study(study_folder(study, api.place_at(storage).storage))
    found = study_status.read(opened.folder, opened.spec, shown=str(study))
    if json:
        print_json(found)
        return
    print_table(found.table)
    for line in (found.driver_text, *found.messages, *found.finding_lines()):
        print(line)


@readable
def report(study: StudyFolder, *, storage: Storage = None) -> None:
    """Write a study's report.html again."""
    from automl.apps import api

    print(api.open_study(study_folder(study, api.place_at(storage).storage)).report())


def _overrides(given: dict[str, str | None], pairs: list[str] | None) -> dict[str, Any]:
    """Return the overrides of `--set`; a key that has an option of its own is checked under the option's name."""
    for key, value in given.items():
        if value is not None:
            yaml_io.refuse_secrets(value, where=f"--{key}")
    overrides: dict[str, Any] = {}
    for pair in pairs or []:
        yaml_io.refuse_secrets(pair, where="--set")
        key, equals, value = pair.partition("=")
        if not equals:
            raise SpecError([f"--set {pair}: must be KEY=VALUE, such as budget.trials=6"])
        overrides[key] = yaml_io.read_value(value)
    return overrides
