"""Verbs on images and labels: import."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl.apps.cli.messages import print_json, print_line, readable
from automl.apps.cli.options import Json
from automl.study.text import shell_line

if TYPE_CHECKING:
    from automl.data.importing.run import Imported


@readable
def import_(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE", help="Folder or archive: YOLO, COCO, Pascal VOC, CVAT, Label Studio, or images alone."
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A new or empty folder for the YOLO data set.")],
    *,
    split: Annotated[
        str | None,
        typer.Option(metavar="TRAIN,VAL,TEST", help="Percent to draw; default: the source's splits, else 70,15,15."),
    ] = None,
    group: Annotated[
        str, typer.Option(metavar="REGEX", help="Images whose names match with the same text stay in one split.")
    ] = "",
    names: Annotated[str, typer.Option(metavar="A,B", help="Class names in their order; default: the source's.")] = "",
    json: Json = False,
) -> None:
    """Import annotated images as a YOLO data set with splits, copies of one another in one split."""
    from automl.apps import data_sets

    classes = [name.strip() for name in names.split(",") if name.strip()]
    found = data_sets.import_source(source, out, split=split, group=group, names=classes)
    if json:
        print_json(found)
        return
    for line in _summary(found):
        print_line(line)


def _summary(found: "Imported") -> list[str]:
    counts = ", ".join(f"{count} {split}" for split, count in found.images.items() if count)
    how = f"drawn by {found.groups} groups" if found.groups else "splits of the source"
    labelled = sum(found.images.values()) > found.images["waiting"]
    next_step = ("automl", "check", "--data", found.data) if labelled else ("automl", "labels", found.data)
    return [
        f"{found.kind}: {sum(found.images.values())} images ({counts}; {how}), {found.boxes} boxes of "
        f"{len(found.names)} classes",
        *(f"note: {line}" for line in found.notes),
        *(f"warning: {line.splitlines()[0]} (--split draws them again)" for line in found.leaks),
        f"{found.data}; next: {shell_line(*next_step)}",
    ]
