"""Verb on machine and cluster before a run: doctor."""

import os
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl.apps.cli.messages import print_json, print_line, readable
from automl.apps.cli.options import Json, Set, Storage
from automl.apps.cli.study_verbs import overrides_of

if TYPE_CHECKING:
    from automl.apps.doctor import Row
    from automl.cluster.survey import Surveyed

FAULTS_FOUND = 1


@readable
def doctor(
    spec: Annotated[Path | None, typer.Argument(metavar="[SPEC]", help="YAML file of a study to check.")] = None,
    *, set_: Set = None, storage: Storage = None,
    address: Annotated[
        str | None,
        typer.Option(help="Cluster: auto or HOST:PORT to join it, or http://HOST:8265 to submit the checks as a job."),
    ] = None,
    json: Json = False,
) -> None:  # fmt: skip
    """Check machine and cluster before a run: versions, GPUs, storage, clocks, ports, token, disks, limits."""
    if address and address.startswith(("http://", "https://")):
        raise typer.Exit(_submitted(spec, address, storage, json=json))
    from automl.apps import api
    from automl.apps import doctor as checks
    from automl.storage.node_facts import token_digest

    rows, wanted = _description(spec, set_)
    place = api.place_at(storage).storage
    target = address or ("auto" if os.environ.get("RAY_ADDRESS") else None)
    nodes = _joined(target, place, wanted) if target else [_here(place, wanted)]
    rows = [
        *rows,
        checks.token_row(socket.gethostname(), wanted=bool(target)),
        *checks.rows_of(nodes, place, token=token_digest() if target else None),
    ]
    if json:
        print_json(rows)
    else:
        for line in checks.lines(rows):
            print_line(line)
    raise typer.Exit(FAULTS_FOUND if checks.failed(rows) else 0)


def _description(spec: Path | None, set_: list[str] | None) -> "tuple[list[Row], tuple[str, ...]]":
    """Return the row of a description, and the files that each node must be able to read."""
    from automl.apps import api
    from automl.apps.doctor import FAULT, OK, Row
    from automl.study.errors import AutomlError

    if spec is None:
        return [], ()
    try:
        found = api.describe(spec, {}, overrides_of({}, set_))
    except AutomlError as error:
        return [Row("description", "", FAULT, str(error), f"automl check {spec}")], ()
    files = tuple(one for one in (found.data, found.model) if Path(one).is_absolute())
    return [Row("description", "", OK, f"study {found.name}")], files


def _here(place: Path, wanted: tuple[str, ...]) -> "Surveyed":
    from automl.cluster.survey import Surveyed
    from automl.storage.node_facts import facts

    found = facts(socket.gethostname(), place, wanted)
    return Surveyed(found.name, found.devices, found, 0.0, "")


def _joined(target: str, place: Path, wanted: tuple[str, ...]) -> "list[Surveyed]":
    from automl import cluster
    from automl.cluster import survey

    with (
        tempfile.TemporaryDirectory(prefix="automl-") as folder,
        cluster.connected(address=target, log=Path(folder) / "ray.log"),
    ):
        return survey.survey(place, wanted)


def _submitted(spec: Path | None, address: str, storage: Path | None, *, json: bool) -> int:
    """Run the same command as a job of a head, print its output, and return its exit status."""
    from automl.apps import job_request

    job_request.use_token()
    from automl.cluster import jobs, upload

    wanted = job_request.checks(spec, storage, json=json)
    sent = upload.measured(wanted.folder)
    sent.refuse_oversize()
    head = jobs.Jobs(address)
    place = str(storage.absolute()) if storage else os.environ.get("AUTOML_STORAGE", "")
    request = jobs.Request("", place, "", wanted.command, sent)
    job, _ = head.submit(request, {"AUTOML_STORAGE": place} if place else {})
    return head.follow(job, lambda text: print(text, end="", flush=True))
