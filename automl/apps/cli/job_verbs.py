"""Verbs on a head's jobs and the messages of a study: submit, stop, notify."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from automl.apps.cli.messages import print_line, readable
from automl.apps.cli.options import Data, FewerGpus, Model, Name, Plan, Set, SpecFile, Storage
from automl.apps.cli.study_verbs import overrides_of
from automl.study.errors import StudyError
from automl.study.text import shell_line

if TYPE_CHECKING:
    from automl.cluster.jobs import Jobs

LAST_LINES: Final = 20
"""Lines of the log that are shown of a job that ran before this command."""
Head = Annotated[
    str | None,
    typer.Option(help="Head's job API; default: $RAY_API_SERVER_ADDRESS, else http://127.0.0.1:8265."),
]
Detach = Annotated[bool, typer.Option("--detach", help="Return when the job is accepted; do not follow its log.")]


@readable
def submit(
    spec: SpecFile = None, *, data: Data = None, model: Model = None, name: Name = None, set_: Set = None,
    storage: Storage = None, address: Head = None, plan: Plan = False, fewer_gpus: FewerGpus = False,
    detach: Detach = False,
) -> None:  # fmt: skip
    """Submit a study to a running cluster and follow its log; a study that runs there already is followed."""
    from automl.apps import job_request

    given = {"--data": data, "--model": model, "--name": name}
    options = {option: [value] for option, value in given.items() if value is not None} | {"--set": set_ or []}
    wanted = job_request.submission(spec, options, plan=plan)
    job_request.use_token()
    from automl.cluster import jobs, upload

    sent = upload.measured(wanted.folder)
    for line in sent.lines():
        _say(line)
    sent.refuse_oversize()
    place = str(storage.absolute()) if storage else os.environ.get("AUTOML_STORAGE", "")
    head = jobs.Jobs(job_request.head_address(address))
    command = wanted.command + (" --fewer-gpus" if fewer_gpus else "")
    request = jobs.Request(wanted.study, place, wanted.data, command, sent)
    job, new = head.submit(request, {"AUTOML_STORAGE": place} if place else {})
    _announce(head, job, request.study, place, new=new)
    if not new and (running := head.info(job).entrypoint) != command:
        _say(f"  its options are others: {running}; to run it with yours, stop it and submit again")
    if not detach:
        raise typer.Exit(_follow(head, job, new=new))


@readable
def stop(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="Name of a study that a submitted job runs.")],
    *, storage: Storage = None, address: Head = None,
) -> None:  # fmt: skip
    """Stop the job of a study in an orderly way: running trials are saved, and the next `automl submit` resumes it."""
    from automl.apps import job_request

    job_request.use_token()
    from automl.cluster import jobs

    head = jobs.Jobs(job_request.head_address(address))
    found = head.running(study, str(storage.absolute()) if storage else None)
    if found is None:
        raise StudyError(
            f"study {study}: must have a running job at {head.address}, but has none; `automl status` says where a "
            "study runs, and Ctrl-C or SIGTERM stops one that was not submitted"
        )
    _say(f"job {found.submission_id}: stopping; running trials are saved")
    ended = head.stop(str(found.submission_id))
    # An orderly stop that ends before Ray has noted its own is FAILED there: the exit status says what it was.
    _say(f"job {found.submission_id}: {job_request.next_step(jobs.exit_status(ended))}")


@readable
def notify(spec: SpecFile = None, *, set_: Set = None) -> None:
    """Send a test message by the webhook or the command of a description's `notify`."""
    from automl.apps import api
    from automl.pipeline.run import DEFAULT_SPEC
    from automl.tracking import notification

    described = api.describe(spec or DEFAULT_SPEC, {}, overrides_of({}, set_))
    if described.notify is None:
        raise StudyError(
            f"{spec or DEFAULT_SPEC}: must have notify.webhook or notify.command, but has none; add one, or pass "
            "--set notify.webhook=https://chat.example.org/alarm"
        )
    event = notification.event_of(described.name, "test", "a test message of automl notify", "")
    found = notification.send(described.notify, event)
    for way, problem in found.items():
        print_line(f"{way}: {problem or 'sent'}")
    if any(found.values()):
        raise StudyError("notify: must be sent, but was not, as said above; mend it, a study would go on without it")


def _say(line: str) -> None:
    print_line(line, file=sys.stderr)


def _announce(head: "Jobs", job: str, study: str, storage: str, *, new: bool) -> None:
    """Print the job's id and the commands and pages that show it."""
    from automl.apps import job_request

    settings = job_request.token_settings()
    ours = shell_line("automl", "stop", study, "--address", head.address) if study else ""
    typed = shell_line("--address", head.address, job)
    folder = Path(storage, "runs", study) if study and storage else None
    board = job_request.tensorboard_at(head.address)
    _say(f"job {job}: submitted" if new else f"job {job}: runs this study already; nothing was submitted")
    if ours:
        _say(f"  stop:        {ours}")
    _say(f"  status:      {settings}ray job status {typed}")
    _say(f"  log:         {settings}ray job logs --follow {typed}")
    token = os.environ.get("RAY_AUTH_TOKEN_PATH", "RAY_AUTH_TOKEN")
    _say(f"  dashboard:   {head.address}/#/jobs/{job} (it asks for the token: the content of {token})")
    if folder:
        _say(f"  TensorBoard: {board or shell_line('tensorboard', '--logdir', folder)}")


def _follow(head: "Jobs", job: str, *, new: bool) -> int:
    """Print the log until the job ends; return its exit status. Ctrl-C ends the following, not the job."""
    from automl.apps import job_request

    shown = 0 if new else _print_last(head.log(job))
    try:
        status = head.follow(job, _print, shown=shown)
    except KeyboardInterrupt:
        _say(f"job {job}: no longer followed, it continues; the same command follows it again")
        return 130
    _say(f"job {job}: exit status {status}: {job_request.next_step(status)}")
    return status


def _print_last(log: str) -> int:
    """Print the last lines of a log; return its length in characters."""
    from automl.study.text import log_text

    lines = log.splitlines(keepends=True)
    if len(lines) > LAST_LINES:
        _say(f"({len(lines) - LAST_LINES} earlier lines of the log are left out)")
    _print(log_text("".join(lines[-LAST_LINES:])))
    return len(log)


def _print(text: str) -> None:
    print(text, end="", flush=True)
