"""Usage reports of an embedded Ray: none, and no question to a cloud's metadata service or name server for them.

Ray 2.60 asks both when its dashboard starts, also where reports are disabled, unless a cluster launcher left its
configuration in the home folder; and where they are disabled, it reports that (`usage_stats_head.py`, `usage_lib.py`).
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ray._private import services

from automl.storage import scratch

DISABLED: Final = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_USAGE_STATS_REPORT_URL": "http://127.0.0.1:9/"}
"""Port 9 (discard) of this machine, where nothing listens, in place of the vendor's server."""
BEGIN: Final = "start_api_server"
LAUNCHER_FILE: Final = "ray_bootstrap_config.yaml"
CONTENT: Final = "cluster_name: automl\nprovider: {type: local}\n"


@contextmanager
def none() -> Iterator[None]:
    """Start no dashboard that asks another machine, during a block."""
    os.environ.update(DISABLED)
    start = getattr(services, BEGIN)
    with scratch.folder() as home:
        (home / LAUNCHER_FILE).write_text(CONTENT, encoding="utf-8")
        vars(services)[BEGIN] = _at_home(start, home)
        try:
            yield
        finally:
            vars(services)[BEGIN] = start


def _at_home(start: Callable[..., Any], home: Path) -> Callable[..., Any]:
    """Return a start of the dashboard's process with another home folder, and the token of the real one."""

    def started(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        before = {name: os.environ.get(name) for name in ("HOME", "RAY_AUTH_TOKEN_PATH")}
        token = Path.home() / ".ray" / "auth_token"
        os.environ["HOME"] = str(home)
        if "RAY_AUTH_TOKEN" not in os.environ and token.is_file():
            os.environ.setdefault("RAY_AUTH_TOKEN_PATH", str(token))
        try:
            return start(*arguments, **named)
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value

    return started
