"""Verbs on data sets and storages: studies, sample."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from automl.apps.cli.messages import print_json, print_table, readable
from automl.apps.cli.options import Json, Seed, Storage
from automl.study.errors import StudyError


@readable
def studies(
    *,
    storage: Storage = None,
    data: Annotated[str | None, typer.Option(help="A data.yaml, or `sample`; sorts by similarity to its data.")] = None,
    json: Json = False,
) -> None:
    """List past studies; with --data, sorted by similarity of their data sets: candidates for warm_start."""
    list_studies(storage, data=data, json=json)


def list_studies(storage: Path | None, *, data: str | None = None, json: bool) -> None:
    """Print the studies of a storage.

    Raises:
        StudyError: the storage does not exist.
    """
    from automl.apps import api
    from automl.pipeline import inputs
    from automl.tracking import study_list

    place = api.place_at(storage).storage
    if not place.is_dir():
        raise StudyError(f"{place}: must be a storage, a folder with runs/ and models/, but does not exist")
    summary = inputs.summary_at(data) if data else None
    found = study_list.find(place, data=summary)
    if json:
        print_json(found)
        return
    print_table(study_list.view(found, compared=summary is not None))
    for problem in found.problems:
        print(problem, file=sys.stderr)


@readable
def sample(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder for the data set.")], *, seed: Seed = 0
) -> None:
    """Generate the sample data set: images of defects on brushed metal."""
    from automl.data import sample as sample_data

    try:
        if folder.exists() and any(folder.iterdir()):
            raise StudyError(f"{folder}: must be a new or empty folder, but contains files; choose another folder")
        print(sample_data.draw(folder, seed=seed))
    except OSError as error:
        raise StudyError(f"{folder}: must be a writable folder, but {error.strerror}") from None
