"""Optuna Dashboard on a study's journal, read-only.

The journal is an Optuna journal file, so `optuna-dashboard journal.log` opens it as well. But the dashboard can write
notes, attributes and states into the file it shows, without the checksums of this journal, which `automl resume` would
then refuse as damaged. Here every request that could write is refused, so a running study can be watched.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, make_server

from automl.storage.layout import JOURNAL
from automl.study.errors import StudyError

READING: Final = ("GET", "HEAD")
REFUSED: Final = b'{"reason": "automl dashboard shows a study and changes nothing in it"}'
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
"""A WSGI application (PEP 3333)."""


class _Quiet(WSGIRequestHandler):
    """The standard library's handler, without a line for each request."""

    def log_message(self, *_given: object) -> None:
        """Write nothing."""


def application(folder: Path) -> Application:
    """Return the dashboard of a study's folder.

    Raises:
        StudyError: Optuna Dashboard is not installed.
    """
    try:
        import optuna_dashboard  # noqa: PLC0415  (an optional package)
    except ModuleNotFoundError:
        raise StudyError(
            "optuna-dashboard: must be installed, but is not; pip install 'yolo-automl-ray[dashboard]'"
        ) from None
    return read_only(optuna_dashboard.wsgi(str(folder / JOURNAL)))


def read_only(inner: Application) -> Application:
    """Return an application that refuses with 403 every request but those that read."""

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in READING:
            return inner(environ, start)
        start("403 Forbidden", [("Content-Type", "application/json"), ("Content-Length", str(len(REFUSED)))])
        return [REFUSED]

    return answer


def serve(folder: Path, *, host: str, port: int) -> None:
    """Serve the dashboard until the process is interrupted.

    Raises:
        StudyError: the package is missing, or the address is in use.
    """
    shown = application(folder)
    try:
        server = make_server(host, port, shown, handler_class=_Quiet)
    except OSError as error:
        raise StudyError(f"--port: must be free on {host}, but {port} is not: {error.strerror}") from None
    with server:
        server.serve_forever()
