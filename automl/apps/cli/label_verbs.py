"""Verbs on images and labels: import, labels, field."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl.apps.cli.messages import print_json, print_line, readable
from automl.apps.cli.options import Json, Storage, StudyFolder
from automl.storage.move_log import user
from automl.study.text import shell_line

if TYPE_CHECKING:
    from automl.apps.field import FieldStatus
    from automl.apps.labels import LabelStatus
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


@readable
def labels(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="data.yaml of a data set, or its folder.")],
    *,
    propose: Annotated[
        str,
        typer.Option(
            metavar="MODEL[@VERSION]", help="Let a model, an ONNX file or .pt weights propose boxes where none are."
        ),
    ] = "",
    settle: Annotated[
        bool, typer.Option("--settle", help="Move labelled images that waited into train, val and test.")
    ] = False,
    undo: Annotated[str, typer.Option(metavar="IMAGE", help="Take back the last change of an image.")] = "",
    storage: Storage = None,
    json: Json = False,
) -> None:
    """Show how far the labels of a data set are, and who changed them last."""
    from automl.apps import labels as work

    store = work.store_at(data)
    if undo:
        store.undo(undo, by=user())
    if propose:
        keys = work.unlabelled(store)
        count = work.propose(store, work.proposer(propose, storage), keys)
        unread = f"; {len(keys) - count} cannot be read" if count < len(keys) else ""
        print_line(f"{propose} proposed boxes for {count} images without labels{unread}", file=sys.stderr)
    if settle:
        moved = work.settle(store, by=user())
        counts = ", ".join(f"{count} to {split}" for split, count in moved.images.items())
        print_line(f"moved {counts}; {moved.waiting} images wait for labels", file=sys.stderr)
    found = work.status(store)
    if json:
        print_json(found)
        return
    for line in _progress(found):
        print_line(line)


@readable
def field(
    study: StudyFolder,
    folder: Annotated[
        list[Path] | None, typer.Argument(metavar="[FOLDER]...", help="Pictures from the field, with or without notes.")
    ] = None,
    *,
    ready: Annotated[
        bool,
        typer.Option("--ready", help="Give labelled pictures a split; write the description that trains again."),
    ] = False,
    storage: Storage = None,
    json: Json = False,
) -> None:
    """Collect pictures from the field: new ones wait for labels, with boxes that the champion proposes.

    Labelled ones make the next version of the data set (--ready), on which the model is trained again.
    """
    from automl.apps import api
    from automl.apps import field as loop

    place = api.place_at(storage).storage
    state = loop.update(study, folder or (), storage=place)
    made = loop.ready(study, storage=place, by=user()) if ready else None
    if json:
        print_json(made or state)
        return
    for line in _collected(state) if folder or not ready else ():
        print_line(line)
    if made:
        counts = ", ".join(f"{count} {split}" for split, count in made.images.items() if count)
        print_line(
            f"version {made.version}: {sum(made.images.values())} new pictures ({counts}); {'; '.join(made.notes)}"
        )
        print_line(f"train again: {shell_line('automl', 'search', made.description)}")


def _collected(state: "FieldStatus") -> list[str]:
    return [
        f"{state.champion}, data set version {state.version}: {state.new} new pictures, {state.known} known ones, "
        f"{len(state.unreadable)} unreadable; the champion proposed boxes for {state.proposed}",
        *(f"unreadable: {line}" for line in state.unreadable),
        *(f"marked as wrong, but known; look at the labels: {line}" for line in state.marked),
        f"{state.waiting} pictures wait for labels, {state.labelled} are labelled: {state.data}",
    ]


def _progress(found: "LabelStatus") -> list[str]:
    counts = [
        f"{split}: " + ", ".join(f"{count} {state}" for state, count in states.items() if count)
        for split, states in found.images.items()
    ]
    last = [f"{change.at} {change.by} {change.kind} {change.image} {change.why}" for change in found.last[:10]]
    return [f"{found.source}: {len(found.names)} classes, {found.changes} changes", *counts, *last]


def _summary(found: "Imported") -> list[str]:
    counts = ", ".join(f"{count} {split}" for split, count in found.images.items() if count)
    how = f"drawn by {found.groups} groups" if found.groups else "splits of the source"
    labelled = sum(found.images.values()) > found.images["waiting"]
    next_step = ("automl", "check", "--data", found.data) if labelled else ("automl", "labels", found.data)
    return [
        f"{found.kind}: {sum(found.images.values())} images ({counts}; {how}), {found.boxes} boxes of "
        f"{len(found.names)} classes",
        *(f"note: {line}" for line in found.notes),
        *(f"warning: {line} (--split draws them again)" for line in found.leaks),
        f"{found.data}; next: {shell_line(*next_step)}",
    ]
