"""Verbs that show a study in a browser: tensorboard, project, dashboard."""

import os
from typing import Annotated

import typer

from automl.apps.cli.messages import print_line, readable
from automl.apps.cli.options import Host, Port, Storage, StudyFolder
from automl.storage.place import study_folder
from automl.study.errors import StudyError
from automl.study.text import amount, document, shell_line


@readable
def tensorboard(study: StudyFolder, *, storage: Storage = None, host: Host = "127.0.0.1", port: Port = 6006) -> None:
    """Serve the TensorBoard of a study; Ctrl-C ends it."""
    from automl.apps import api
    from automl.apps import tensorboard as board

    folder = study_folder(study, api.place_at(storage).storage)
    if not any(folder.rglob("events.out.tfevents.*")):
        raise StudyError(f"{folder}: must be a study whose first trial has started, but has no TensorBoard events")
    print(document(board.summary(folder, host=host, port=port)), flush=True)
    arguments = board.command(folder, host=host, port=port)
    os.execv(arguments[0], arguments)


@readable
def project(
    study: StudyFolder,
    trial: Annotated[int, typer.Argument(min=0, metavar="TRIAL", help="Number of the trial, as in `automl status`.")],
    *,
    points: Annotated[int, typer.Option(help="Most objects to show, evenly spaced over all; 2 to 10000.")] = 1000,
    storage: Storage = None,
) -> None:
    """Show how a trial's network sees the objects of the validation set, in TensorBoard's projector."""
    from automl.apps import api

    opened = api.open_study(study_folder(study, api.place_at(storage).storage))
    found = opened.project(trial, points=points)
    print_line(
        f"{found.points} of {found.total} labelled objects of val, {found.features} features each, by the best weights "
        f"of trial {trial}: {amount(found.bytes)} in {found.folder}"
    )
    print_line(f"show them: {shell_line('automl', 'tensorboard', study)}, then http://127.0.0.1:6006/#projector")


@readable
def dashboard(study: StudyFolder, *, storage: Storage = None, host: Host = "127.0.0.1", port: Port = 8080) -> None:
    """Serve Optuna Dashboard on a study's journal, read-only; Ctrl-C ends it."""
    from automl.apps import api
    from automl.apps import dashboard as optuna_board

    opened = api.open_study(study_folder(study, api.place_at(storage).storage))
    count = len(opened.trials)  # a missing or damaged journal is named here
    print_line(
        f"Optuna Dashboard of {opened.folder}, {count} trials, read-only: http://{host}:{port}/dashboard/studies/0"
    )
    optuna_board.serve(opened.folder, host=host, port=port)
