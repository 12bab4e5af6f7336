"""Verb on the labels of a study's data set: audit."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer

from automl.apps.cli.messages import print_json, print_line, readable
from automl.apps.cli.options import Json, Lang, Storage, StudyFolder
from automl.storage.place import study_folder

if TYPE_CHECKING:
    from automl.data.audit.records import Suspect
    from automl.pipeline.audit import AuditReport

SHOWN: Final = 10
Models = Annotated[int, typer.Option(help="Number of the study's models that predict at most, the best first.")]
Split = Annotated[
    list[str] | None, typer.Option("--split", help="train, val or test; repeatable; default: train and val.")
]
Folds = Annotated[
    int,
    typer.Option(
        help="Train so many models, each without a part of the images, and ask each about its part: they cannot have "
        "learned a wrong label of it. 0: ask the study's models."
    ),
]
Epochs = Annotated[int, typer.Option(help="Epochs of each training of --folds; 0: as many as the best model had.")]


@readable
def audit(
    study: StudyFolder, *, storage: Storage = None, models: Models = 5, split: Split = None, lang: Lang = "en",
    folds: Folds = 0, epochs: Epochs = 0, json: Json = False,
) -> None:  # fmt: skip
    """Rank suspect labels of a study's data set by the predictions of its models; writes audit.html and audit.json."""
    from automl.apps import api

    opened = api.open_study(study_folder(study, api.place_at(storage).storage))
    with _progress():
        splits = tuple(split) if split else None
        report = opened.audit(models=models, splits=splits, lang=lang, folds=folds, epochs=epochs)
    if json:
        print_json(report)
        return
    for line in summary(report):
        print_line(line)
    print_line(str(opened.audit_page))


@contextmanager
def _progress() -> Iterator[None]:
    """Show log lines on standard error during a block: standard output has the result alone."""
    logger, handler = logging.getLogger("automl"), logging.StreamHandler(sys.stderr)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)


def summary(report: "AuditReport") -> list[str]:
    """Return the counts and the most suspicious labels as lines."""
    kinds = [suspect.kind for suspect in report.suspects]
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(sorted(kinds))) or "none"
    looked = ", ".join(f"{report.labels[split]} labels in {count} images of {split}"
                       for split, count in report.images.items())  # fmt: skip
    models = (
        f"{report.folds} trainings, each without the images it is asked about"
        if report.folds
        else ", ".join(report.models)
    )
    scored = "estimated probability of an error" if report.learned else "rules, no probability: few labels"
    head = [f"{looked}; models: {models}", f"suspect labels: {len(kinds)} ({counts}); score: {scored}"]
    return head + [_line(number, one) for number, one in enumerate(report.suspects[:SHOWN], start=1)]


def _line(number: int, one: "Suspect") -> str:
    where = f"{one.labels}:{one.line}" if one.line else str(one.image)
    what = {
        "missed": f"{one.cls}: not found by the models",
        "extra": f"no label, but the models see {one.suggested_cls}",
        "wrong class": f"{one.cls}, but the models see {one.suggested_cls}",
        "loose box": f"{one.cls}: the models agree on another box",
    }[one.kind]
    return f"{number:3d}  {one.score:.2f}  {one.kind}: {what} ({len(one.models)} of {one.asked} models)  {where}"
