"""Ray's token file: made, and kept, readable by its owner alone. Ray itself makes it with the modes of the umask."""

import logging
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from automl.storage import ray_token

LOG: Final = logging.getLogger(__name__)
OTHERS: Final = 0o077
"""Rights of group and others."""


def secure(*, make: bool) -> None:
    """Take the rights of others from the token file and its folder; `make` it where Ray would, for a new cluster.

    Whoever reads the token can run code as its owner: several ports of Ray listen on every interface.
    """
    if os.environ.get("RAY_AUTH_TOKEN") or not ray_token.required():
        return
    if given := os.environ.get("RAY_AUTH_TOKEN_PATH"):
        _close(Path(given))
        return
    try:
        path = ray_token.path()
    except RuntimeError:  # no home: Ray says so
        return
    if make:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(file, "w", encoding="ascii") as writer:
                writer.write(secrets.token_hex(32))
    for place in (path.parent, path):
        _close(place)


def _close(path: Path) -> None:
    """Take the rights of others from a file of ours."""
    try:
        held = path.stat()
        if held.st_uid == os.geteuid() and stat.S_IMODE(held.st_mode) & OTHERS:
            path.chmod(stat.S_IMODE(held.st_mode) & ~OTHERS)
            LOG.info(f"{path} could be read by others, and now by its owner alone: Ray's token")
    except FileNotFoundError:
        return
    except OSError as error:
        LOG.warning(f"{path} contains Ray's token and should be readable by its owner alone, but {error.strerror}")
