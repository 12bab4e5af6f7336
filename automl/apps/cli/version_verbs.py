"""Verbs on the versions of a model: diff, card, sign, replay."""

from pathlib import Path
from typing import Annotated

import typer

from automl.apps.cli.messages import print_json, print_line, readable
from automl.apps.cli.options import Json, Lang, ModelFolder, ModelVersion, OneVersion, Storage
from automl.storage.alias_history import text
from automl.study.text import document

Reference = Annotated[
    str, typer.Argument(metavar="MODEL[@VERSION]", help="Registry folder or name, and version number or alias.")
]
DIFFERENT = 1
"""Exit code of a training whose curve is another one."""


@readable
def diff(
    model: ModelFolder,
    before: Annotated[str, typer.Argument(metavar="A", help="Version number or alias.")],
    after: Annotated[str, typer.Argument(metavar="B", help="Version number or alias.")],
    *,
    storage: Storage = None,
    json: Json = False,
) -> None:
    """Compare two versions: params, description, data, metrics, gates, files, packages."""
    from automl.apps.registry import Registry, named

    found = Registry(named(model, storage)).diff(before, after)
    if json:
        print_json(found)
        return
    for line in found.lines():
        print_line(line)


@readable
def card(reference: Reference, *, storage: Storage = None, lang: Lang = "en") -> None:
    """Print the model card of a version, with its overrides and signatures."""
    from automl.apps.registry import Registry, referred

    folder, version = referred(reference, None, storage)
    print(document(Registry(folder).card(version, lang=lang)))


@readable
def sign(
    model: ModelVersion,
    *,
    key: Annotated[Path, typer.Option(help="Private key: an elliptic-curve key in PEM, without a password.")],
    version: OneVersion = None,
    storage: Storage = None,
) -> None:
    """Sign a version with your own key, in the format of OpenSSF Model Signing; `automl verify --key` checks it."""
    from automl.apps.registry import Registry, referred

    of_model, wanted = referred(model, version, storage)
    registry = Registry(of_model)
    folder = registry.path(wanted)
    print_line(f"{registry.name} version {int(folder.name)} is signed with the key {registry.sign(wanted, key=key)}")


@readable
def push(
    reference: Reference,
    *,
    to: Annotated[str, typer.Option(envvar="MLFLOW_TRACKING_URI", metavar="URI", help="Address of the MLflow server.")],
    storage: Storage = None,
    json: Json = False,
) -> None:
    """Push a version to the model registry of an MLflow server, with its files, its card and the aliases."""
    from automl.apps.mlflow_push import push_version

    found = push_version(reference, to, storage=storage)
    if json:
        print_json(found)
        return
    print_line(
        f"{found.name} version {found.number} {'is' if found.sent else 'was already'} version {found.version} there"
    )
    print_line(f"aliases there: {text(found.aliases) or 'none'}")
    for alias in found.left_out:
        print_line(f"note: {alias} is not set there, since its version was not pushed")


@readable
def replay(
    reference: Reference,
    *,
    data: Annotated[
        Path | None, typer.Option(help="Data set of the version; default: where its description says.")
    ] = None,
    storage: Storage = None,
    json: Json = False,
) -> None:
    """Train a version again and compare the curves bit for bit; exit code 1 if they differ."""
    from automl.apps.registry import Registry, referred

    folder, version = referred(reference, None, storage)
    found = Registry(folder).replay(version, data=data, storage=storage, say=_silent if json else print_line)
    if json:
        print_json(found)
    elif found.difference:
        print_line(f"the curve differs: {found.difference}")
    else:
        print_line(f"the curve of {found.epochs} epochs is the same, bit for bit")
    if not found.same:
        raise typer.Exit(DIFFERENT)


def _silent(_line: str) -> None:
    """Print nothing: JSON is one document."""
