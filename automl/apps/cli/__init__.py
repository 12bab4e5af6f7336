"""The `automl` command, one function a verb; the verbs call the functions of the Python API (`apps/api.py`)."""

from collections.abc import Callable
from typing import Final

import typer

from automl.apps.cli import data_verbs, registry_verbs, study_verbs

VERBS: Final[tuple[tuple[str, Callable[..., None]], ...]] = (
    ("search", study_verbs.search),
    ("check", study_verbs.check),
    ("resume", study_verbs.resume),
    ("status", study_verbs.status),
    ("studies", data_verbs.studies),
    ("report", study_verbs.report),
    ("sample", data_verbs.sample),
    ("promote", registry_verbs.promote),
    ("rollback", registry_verbs.rollback),
    ("verify", registry_verbs.verify),
    ("history", registry_verbs.history),
    ("export", registry_verbs.export),
    ("serve", registry_verbs.serve),
)
"""The verbs in the order in which `automl --help` lists them."""

app = typer.Typer(
    help="Hyperparameter search for Ultralytics YOLO, from a data set to a champion.",
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
)  # fmt: skip
for _name, _verb in VERBS:
    app.command(name=_name)(_verb)
