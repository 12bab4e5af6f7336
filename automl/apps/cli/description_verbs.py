"""Verbs on descriptions: init, schema."""

from pathlib import Path
from typing import Annotated

import typer

from automl.apps.cli.messages import (
    CHECKING,
    print_line,
    print_progress,
    readable,
    refuse_existing,
    refuse_unwritable,
    write_file,
)
from automl.apps.cli.options import Force, Out
from automl.study.text import shell_line


@readable
def init(
    data: Annotated[str, typer.Argument(metavar="DATA", help="A data.yaml, its folder or archive, or `sample`.")],
    *,
    out: Out = None,
    model: Annotated[str | None, typer.Option(help="Weights (.pt) or model YAML; default: yolo11n.")] = None,
    force: Force = False,
) -> None:
    """Write a commented description for a data set: model, image size, batch, ladder, space, cost forecast."""
    print_progress(CHECKING)
    from automl.apps import api
    from automl.pipeline import first_description

    target = out or Path(first_description.file_name(data))
    refuse_existing(target, force=force)
    refuse_unwritable(target)
    found = first_description.write(data, api.place_at(None), folder=target.absolute().parent, model=model)
    write_file(target, found.text, force=force)
    for warning in found.preview.warnings:
        for line in f"warning: {warning}".split("\n"):
            print_line(line)
    if found.from_scratch:
        print("note: no pretrained weights were found; trials start from random weights (see `model` in the file)")
    print_line(found.preview.time.summary())
    print_line(f"{target} written; next: {shell_line('automl', 'search', target)}")


@readable
def schema(*, out: Out = None, force: Force = False) -> None:
    """Print the JSON Schema of descriptions, with the documentation of every key, or write it to a file."""
    from automl.study import schema as description_schema

    if out is None:
        print(description_schema.text(), end="")
    else:
        write_file(out, description_schema.text(), force=force)
        print_line(str(out))
