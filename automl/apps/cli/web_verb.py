"""Verb of the web page: web."""

import os
from pathlib import Path
from typing import Annotated

import typer

from automl.apps.cli.messages import readable
from automl.apps.cli.options import AllowedHosts, Host, Port, Storage
from automl.study.errors import StudyError

Language = Annotated[str | None, typer.Option(metavar="LANGUAGE", help="en or zh; default: that of the browser.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option(help="File with the password for sign-in, which --host requires; or $AUTOML_WEB_PASSWORD."),
]


@readable
def web(
    *, storage: Storage = None, host: Host = "127.0.0.1", port: Port = 8090, language: Language = None,
    password_file: PasswordFile = None, allowed_host: AllowedHosts = None,
) -> None:  # fmt: skip
    """Serve the web page: train, watch, judge and download models in a browser; Ctrl-C ends it, and no study.

    Studies run on this machine; with $RAY_API_SERVER_ADDRESS as jobs of that head, in a storage that all nodes mount.
    """
    from automl.apps import api
    from automl.tracking.report import language_of

    chosen = language_of(language) if language else None
    try:
        from automl.apps.web import server
    except ModuleNotFoundError as missing:
        if missing.name != "nicegui":
            raise
        raise StudyError("automl web: needs NiceGUI, which is missing; pip install 'yolo-automl-ray[web]'") from None
    password = server.password_of(password_file)
    head = os.environ.get("RAY_API_SERVER_ADDRESS", "")
    settings = server.Settings(host, port, chosen, password, tuple(allowed_host or ()), head)
    server.serve(api.place_at(storage), settings)
