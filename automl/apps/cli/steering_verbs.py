"""Verbs that steer a study from another shell: cancel, enqueue."""

from typing import Annotated

import typer

from automl.apps.cli.messages import print_line, readable
from automl.apps.cli.options import Storage, StudyFolder
from automl.storage.place import study_folder
from automl.study import ParamValue, yaml_io
from automl.study.errors import SpecError


@readable
def cancel(
    study: StudyFolder,
    trial: Annotated[int, typer.Argument(metavar="TRIAL", min=0, help="Number of the trial.")],
    *,
    storage: Storage = None,
) -> None:
    """End one trial that runs, waits or is paused; the study goes on."""
    from automl.apps import api

    print_line(api.open_study(study_folder(study, api.place_at(storage).storage)).cancel(trial))


@readable
def enqueue(
    study: StudyFolder,
    params: Annotated[
        list[str], typer.Argument(metavar="NAME=VALUE...", help="Params; others have the default of the space.")
    ],
    *,
    storage: Storage = None,
) -> None:
    """Try params next; in a study that does not run, when it is resumed. The trial counts as one of the budget."""
    from automl.apps import api

    given: dict[str, ParamValue] = {}
    for pair in params:
        name, equals, value = pair.partition("=")
        if not equals:
            raise SpecError([f"{pair}: must be NAME=VALUE, such as lr0=0.01"])
        given[name] = yaml_io.read_value(value)
    print_line(api.open_study(study_folder(study, api.place_at(storage).storage)).enqueue(given))
