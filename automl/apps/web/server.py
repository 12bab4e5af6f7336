"""Server of the web page: NiceGUI's pages behind the guard, on one socket."""

import ipaddress
import os
import socket
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

import uvicorn
from fastapi import FastAPI
from nicegui import ui
from starlette.staticfiles import StaticFiles

from automl.apps.serve.__main__ import bound, listen
from automl.apps.serve.hosts import Hosts
from automl.apps.web.context import Context
from automl.apps.web.jobs import Jobs
from automl.apps.web.live import LiveStudies
from automl.apps.web.pages import PAGES
from automl.apps.web.security import Access, Guard
from automl.storage.place import Place
from automl.study.errors import StudyError
from automl.tracking.report import Language

LEAST_PASSWORD: Final = 12
PASSWORD: Final = "AUTOML_WEB_PASSWORD"
"""Environment variable with the password."""
RECONNECT_SECONDS: Final = 60.0
"""Until a page whose connection was lost is given up and loads again. NiceGUI waits 0.4 times as long for the answer to
a ping: with 10 s, browsers on a machine at its limit (answers after more than 4 s) were cut off."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the page listens, and who may open it."""

    host: str = "127.0.0.1"
    port: int = 8090
    language: Language | None = None
    password: str = ""
    allowed: tuple[str, ...] = ()
    """Names in the Host header that are answered besides the usual ones."""
    head: str = ""
    """Address of the job API of the cluster that runs the studies; empty: this machine runs them."""

    @property
    def loopback(self) -> bool:
        """Return True if only this computer reaches the page."""
        return is_loopback(self.host)

    @property
    def address(self) -> str:
        """Return the address of the page."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Return True for an address, or the name, of this computer alone.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def password_of(file: Path | None) -> str:
    """Return the password in a file, else in the environment; empty if there is none.

    Raises:
        StudyError: the file cannot be read, or the password is too short.
    """
    try:
        found = file.read_text(encoding="utf-8").strip() if file else os.environ.get(PASSWORD, "")
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"--password-file: {file}: must be a text file that can be read, but {error}") from None
    if (file or found) and len(found) < LEAST_PASSWORD:
        raise StudyError(f"the password must have at least {LEAST_PASSWORD} characters, but has {len(found)}")
    return found


def application(place: Place, settings: Settings, access: Access) -> Guard:
    """Return the page as an ASGI application; one a process, since NiceGUI keeps its pages globally."""
    app = FastAPI(title="automl", docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/static", StaticFiles(directory=str(resources.files("automl.apps.web").joinpath("static"))))
    context = Context(
        app, place, Jobs(place.storage, settings.head), LiveStudies(), settings.language, settings.loopback,
        settings.address,
    )  # fmt: skip
    for page in PAGES:
        page.add(context)
    ui.run_with(
        app, title="automl", dark=None, tailwind=False, show_welcome_message=False, storage_secret=None,
        reconnect_timeout=RECONNECT_SECONDS,
    )  # fmt: skip
    return Guard(app, access=access, hosts=Hosts(settings.host, settings.allowed), port=settings.port)


def serve(place: Place, settings: Settings) -> None:
    """Serve the page until a signal ends the process.

    Raises:
        StudyError: the storage cannot be used, or others could reach the page without a password.
        RegistryError: the address is in use or not of this machine.
    """
    if not settings.loopback and not settings.password:
        raise StudyError(
            f"--host: must be a loopback address, or come with a password, but got {settings.host}; pass "
            f"--password-file FILE, or set ${PASSWORD}"
        )
    if not place.storage.is_dir():
        raise StudyError(f"{place.storage}: must be a storage, a folder with runs/ and models/, but does not exist")

    def announce(token: str) -> None:
        print(f"for another browser: {settings.address}/?token={token}", flush=True)  # noqa: T201

    access = Access(settings.password, announce)
    with bound(settings.host, settings.port) as listener:
        app = application(place, settings, access)
        listen(listener, settings.host)
        print(startup(place, settings, access), flush=True)  # noqa: T201
        run(app, listener)


def startup(place: Place, settings: Settings, access: Access) -> str:
    """Return the message of the start, with the link that opens the page once."""
    unencrypted = "" if settings.loopback else "\nnote: HTTP is not encrypted; put it behind a proxy with TLS"
    cluster = f"studies run as jobs of {settings.head}\n" if settings.head else ""
    return f"storage {place.storage}\n{cluster}open {settings.address}/?token={access.token}{unencrypted}"


def run(app: Guard, listener: socket.socket) -> None:
    """Answer requests on a listening socket."""
    config = uvicorn.Config(
        app, loop="asyncio", http="h11", ws="websockets-sansio", log_level="warning", access_log=False, lifespan="on",
        server_header=False, timeout_graceful_shutdown=2,
    )  # fmt: skip
    uvicorn.Server(config).run(sockets=[listener])
