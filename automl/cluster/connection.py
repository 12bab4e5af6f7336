"""Connect to a Ray cluster or start an embedded one; redirect Ray's own output to a file."""

import logging
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import FrameType
from typing import Any, Final

import ray
from ray._private import worker as ray_worker

from automl.cluster import auth_token, control_store, embedded, error_listener, own_processes, slow_start, usage_reports
from automl.cluster.exit import STOP_SIGNALS, bounded
from automl.storage import local_disk, scratch, streams
from automl.storage.outage import retry_on_outage
from automl.study.errors import StudyError
from automl.study.text import one_line, printable
from automl.trainers import registration
from automl.trials import fork_server

LOG: Final = logging.getLogger(__name__)

ENVIRONMENT: Final = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    # After this many seconds a worker that does not follow a stop or a pause is killed; Tune's own limit is 600.
    "TUNE_FORCE_TRIAL_CLEANUP_S": "20",
    "TUNE_GLOBAL_CHECKPOINT_S": "31536000",
    "TUNE_RESULT_BUFFER_LENGTH": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
    # Else Tune restarts a trial whose node was preempted by itself, and the source is not informed.
    "RAY_TRAIN_COUNT_PREEMPTION_AS_FAILURE": "1",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "RAY_DEDUP_LOGS": "0",
}
LONGEST_TMPDIR: Final = 107 - len("/ray/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store.1")
"""Maximum length in bytes of the temporary folder's path: paths of Ray's sockets have at most 107 on Linux."""
LEAST_FILES: Final = 256
"""Minimum limit of open files: with 64 Ray aborts the process in C++, without a message."""
ERRORS_OF_NODES: Final = "print_to_stdstream"
"""Ray's function that prints what nodes publish on the driver, such as the last log lines of a lost raylet."""
FORWARDED: Final = ("AUTOML_TRUST_WEIGHTS", registration.REGISTERED, registration.CHOSEN)
"""Environment variables of the driver that are set in its workers too."""


@contextmanager
def connected(
    *,
    address: str | None,
    log: Path,
    timeouts: control_store.Timeouts = control_store.Timeouts(),  # noqa: B008  (frozen)
    trains: bool = False,
) -> Iterator[str]:
    """Join the cluster this process was submitted to, or start an embedded one; yield the URL of its dashboard.

    If the block `trains`, what trainings import is imported while an embedded Ray starts.
    Ray's own messages go to `log`, in the study's folder; changes of the head are logged. If the cluster is lost,
    the process ends with exit code 75. Pass `address="auto"` to join a cluster that was started on this machine.
    """
    target = address or ("auto" if os.environ.get("RAY_ADDRESS") else "local")
    if target.startswith("ray://"):
        raise StudyError(f"{target}: must not be a Ray Client address; submit the study as a job: automl submit")
    os.environ.update(ENVIRONMENT | ({} if target == "local" else control_store.ENVIRONMENT))
    _raise_file_limit()
    dashboard_wanted = embedded.has_dashboard()
    silent = usage_reports.none() if target == "local" else nullcontext()
    lean = embedded.lean(dashboard=dashboard_wanted)
    imports = fork_server.prepared(registration.chosen()) if trains and target == "local" else nullcontext()
    with (
        local_disk.FullDiskErrors(),
        _short_socket_paths(target),
        silent,
        imports,
        lean,
        _ray_output_to(log) as stderr,
    ):
        dashboard = _join(target, log, dashboard_wanted=dashboard_wanted)
        store = ray.get_runtime_context().gcs_address
        died = own_processes.died if target == "local" else str
        watch = control_store.Watch(lambda: control_store.name_at(store), timeouts=timeouts, died=died)
        try:
            end = control_store.end_at(log.parent, to=stderr, why=lambda: watch.why)
            with control_store.watched(watch, end):
                yield dashboard
        finally:
            ray.shutdown()


@contextmanager
def _short_socket_paths(target: str) -> Iterator[None]:
    """Shorten the temporary folder's path of an embedded Ray, since socket paths have at most 107 bytes."""
    if target != "local":
        yield
        return
    with scratch.short_name(
        variable="RAY_TMPDIR" if "RAY_TMPDIR" in os.environ else "TMPDIR", most=LONGEST_TMPDIR
    ) as made:
        if made:
            LOG.info(made)
        yield


def _forwarded() -> dict[str, Any]:
    """Return the environment variables of this process that workers on other machines need."""
    variables = {name: os.environ[name] for name in FORWARDED if name in os.environ}
    return {"runtime_env": {"env_vars": variables}} if variables else {}


def _join(target: str, log: Path, *, dashboard_wanted: bool) -> str:
    """Connect this process and return the URL of the dashboard, empty if there is none."""
    before = {number: signal.getsignal(number) for number in handled_signals()}
    started = {"include_dashboard": dashboard_wanted, "dashboard_host": "127.0.0.1"}
    refuse_arguments()
    with _Joining(target, log), slow_start.allowed(), error_listener.patient():
        auth_token.secure(make=target == "local")
        try:
            context = ray.init(
                address=target,
                log_to_driver=False,
                logging_level=logging.WARNING,
                **(started if target == "local" else _forwarded()),
            )
        finally:
            # The handler that `ray.init` installs would end the process without a message.
            for number, handler in before.items():
                signal.signal(number, handler)
    # It searches for the files of loggers that are disabled.
    logging.getLogger("ray.tune.analysis.experiment_analysis").setLevel(logging.ERROR)
    return f"http://{context.dashboard_url}" if context.dashboard_url else ""


def refuse_arguments() -> None:
    """Check that arguments and working folder of this process are UTF-8: Ray stores them as text.

    Raises:
        StudyError: one is not.
    """
    for argument in (*sys.argv[1:], str(Path.cwd())):
        if (shown := printable(argument)) != argument:
            raise StudyError(
                f"{shown}: must be UTF-8, since Ray stores arguments and the working folder as text; use a symlink "
                "with a UTF-8 name"
            )


class _Joining:
    """Converts the errors of Ray, among them a bare `Exception`, on starting or joining a cluster to a StudyError.

    Ray's handler of SIGTERM, which `ray.init` installs until it returns, raises SystemExit: a graceful stop as well.
    """

    def __init__(self, target: str, log: Path) -> None:
        self.target, self.log = target, log

    def __enter__(self) -> None:
        """Begin to join."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        """Raise a StudyError in place of an error of Ray's, KeyboardInterrupt in place of its end at a signal."""
        if isinstance(error, SystemExit) and error.code == signal.SIGTERM:
            ray.shutdown()
            raise KeyboardInterrupt from error
        if kind is not None and (kind is Exception or issubclass(kind, OSError | ValueError | RuntimeError)):
            wanted = "start Ray" if self.target == "local" else f"join the Ray cluster {self.target!r}"
            reason = " ".join(str(error).split())
            raise StudyError(f"cannot {wanted}: {reason}; details in {self.log}") from error


def handled_signals() -> list[signal.Signals]:
    """Return the stop signals to handle; one that is ignored, as under nohup, stays ignored."""
    return [number for number in STOP_SIGNALS if signal.getsignal(number) != signal.SIG_IGN]


@contextmanager
def interruptible() -> Iterator[None]:
    """Make SIGTERM and SIGHUP end a block as Ctrl-C does, with KeyboardInterrupt, within a time limit."""

    def interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        raise KeyboardInterrupt

    streams.open_closed()
    streams.print_all_letters()
    with handling_signals(interrupt), bounded():
        yield


@contextmanager
def handling_signals(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Call a handler for each stop signal during a block."""
    before = {number: signal.signal(number, handler) for number in handled_signals()}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier if earlier is not None else signal.SIG_DFL)


@contextmanager
def _ray_output_to(log: Path) -> Iterator[int]:
    """Redirect Ray's log and standard error to a file; yield a descriptor of the original standard error."""
    streams.open_closed()
    sys.stderr.flush()
    file = retry_on_outage(log.parent, lambda: os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666))
    kept, printing = os.dup(2), vars(ray_worker).get(ERRORS_OF_NODES)
    os.dup2(file, 2)
    vars(ray_worker)[ERRORS_OF_NODES] = _print_to_log
    try:
        yield kept
    finally:
        vars(ray_worker)[ERRORS_OF_NODES] = printing
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(file)


def _print_to_log(data: Mapping[str, Any], ignore_prefix: bool) -> None:  # noqa: ARG001, FBT001  (Ray's own signature)
    """Write what nodes publish to standard error, which leads to the log, in place of the user's terminal."""
    with suppress(OSError):
        os.write(2, "".join(f"(raylet) {one_line(line)}\n" for line in data["lines"]).encode())


def _raise_file_limit() -> None:
    """Raise the limit of open files of this process as far as Ray needs.

    Raises:
        StudyError: the limit cannot be raised that far.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= LEAST_FILES:
        return
    if hard != resource.RLIM_INFINITY and hard < LEAST_FILES:
        raise StudyError(
            f"ulimit -n: must allow a process at least {LEAST_FILES} open files, since Ray needs them, but got {hard}; "
            f"raise it: ulimit -n 1024, or docker run --ulimit nofile=1024"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (LEAST_FILES, hard))
