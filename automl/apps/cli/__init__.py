"""The `automl` command, one function a verb; the verbs call the functions of the Python API (`apps/api.py`).

A verb imports what it calls when it is called, so that help, version and completion load no heavy vendor (decision 7).
"""

from collections.abc import Callable
from importlib import metadata
from itertools import pairwise
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand

from automl.apps.cli import (
    audit_verb,
    board_verbs,
    data_verbs,
    description_verbs,
    detection_verbs,
    device_verbs,
    doctor_verb,
    job_verbs,
    label_verbs,
    registry_verbs,
    site_verb,
    steering_verbs,
    study_verbs,
    version_verbs,
    web_verb,
)

DISTRIBUTION: Final = "yolo-automl-ray"
"""Name on the package index; the import package and the command are named `automl`."""

VERBS: Final[tuple[tuple[str, Callable[..., None]], ...]] = (
    ("search", study_verbs.search),
    ("check", study_verbs.check),
    ("doctor", doctor_verb.doctor),
    ("submit", job_verbs.submit),
    ("stop", job_verbs.stop),
    ("notify", job_verbs.notify),
    ("resume", study_verbs.resume),
    ("cancel", steering_verbs.cancel),
    ("enqueue", steering_verbs.enqueue),
    ("status", study_verbs.status),
    ("studies", data_verbs.studies),
    ("tensorboard", board_verbs.tensorboard),
    ("project", board_verbs.project),
    ("dashboard", board_verbs.dashboard),
    ("report", study_verbs.report),
    ("audit", audit_verb.audit),
    ("bundle-site", site_verb.bundle_site),
    ("sample", data_verbs.sample),
    ("import", label_verbs.import_),
    ("field", label_verbs.field),
    ("labels", label_verbs.labels),
    ("init", description_verbs.init),
    ("schema", description_verbs.schema),
    ("promote", registry_verbs.promote),
    ("rollback", registry_verbs.rollback),
    ("verify", registry_verbs.verify),
    ("history", registry_verbs.history),
    ("diff", version_verbs.diff),
    ("card", version_verbs.card),
    ("sign", version_verbs.sign),
    ("push", version_verbs.push),
    ("replay", version_verbs.replay),
    ("export", registry_verbs.export),
    ("device-kit", device_verbs.device_kit),
    ("device-built", device_verbs.device_built),
    ("serve", registry_verbs.serve),
    ("predict", detection_verbs.predict),
    ("watch", detection_verbs.watch),
    ("web", web_verb.web),
)
"""Verbs, in the order of `automl --help`."""

app = typer.Typer(
    no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]}, pretty_exceptions_enable=False,
)  # fmt: skip


class Verb(TyperCommand):
    """Command that refuses an empty argument: that of an unset shell variable would select a default unnoticed."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401  (of the click inside Typer)
        """Check that no argument is empty, then parse them."""
        for before, word in pairwise(["", *args]):
            option, equals, value = word.partition("=")
            if not word or (equals and not value and option.startswith("--")):
                where = option or (before if before.startswith("-") else "an argument")
                raise typer.BadParameter(f"{where}: must not be empty; is a variable of the shell unset?", ctx=ctx)
        return super().parse_args(ctx, args)


for _name, _verb in VERBS:
    app.command(name=_name, cls=Verb)(_verb)


def _print_version(requested: bool) -> None:  # noqa: FBT001 - Typer passes the value of the option by position
    if requested:
        print(f"automl {metadata.version(DISTRIBUTION)}")
        raise typer.Exit


@app.callback()
def main(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Hyperparameter search for Ultralytics YOLO, from a data set to a champion."""
