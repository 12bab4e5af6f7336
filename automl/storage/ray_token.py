"""Token with which a process talks to Ray, found as Ray 2.60 finds it; usable before Ray is imported."""

import os
from pathlib import Path


def required() -> bool:
    """Return True unless this process's environment switches authentication off."""
    return os.environ.get("RAY_AUTH_MODE", "token").lower() == "token"


def path() -> Path:
    """Return the file of the token, which need not exist.

    Raises:
        RuntimeError: there is no home folder.
    """
    return Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")


def text() -> str:
    """Return the token.

    Raises:
        OSError: there is none.
    """
    return os.environ.get("RAY_AUTH_TOKEN") or path().read_text(encoding="utf-8").strip()
