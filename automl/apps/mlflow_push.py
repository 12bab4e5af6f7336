"""Push of a version to an MLflow server, as `automl push` does it."""

import os
from pathlib import Path

from automl.apps.registry import Registry, referred
from automl.study import server_address
from automl.study.errors import RegistryError
from automl.tracking.mlflow import model_registry
from automl.tracking.mlflow.client import Client
from automl.tracking.mlflow.model_registry import Pushed


def push_version(text: str, uri: str, *, storage: Path | None) -> Pushed:
    """Push the version `NAME@VERSION` after a check of every byte; credentials are MLflow's own environment variables.

    Raises:
        RegistryError: the version is missing or damaged, or the server refuses it.
    """
    if mistake := server_address.mistake(uri):
        raise RegistryError(f"--to: {mistake}")
    folder, version = referred(text, None, storage)
    registry = Registry(folder)
    whole = registry.stored.verified(int(registry.path(version).name))
    aliases = {alias.replace("/", "-"): number for alias, number in registry.aliases.items()}  # no slash in MLflow's
    return model_registry.push(Client(uri, dict(os.environ)), whole, name=registry.name, aliases=aliases)
