"""The HTTP service as a Ray Serve application: `serve deploy launch/serve.yaml`, or `serve run launch/serve.yaml`.

Ray's proxy accepts the connections, so its deadlines and its limit of connections hold, not those of `connection`. All
else is the service that `automl serve` runs: limits of bodies and images, thresholds, the alias that is followed. Each
replica follows the alias by itself, so that for one poll two versions may answer; each answer names its own.
"""

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import cv2
from fastapi import FastAPI
from ray import serve
from ray.serve import Application

from automl.apps.registry import referred
from automl.apps.serve import service
from automl.apps.serve.follower import following, opened
from automl.apps.serve.hosts import ANY, Hosts
from automl.apps.serve.images import MAX_PIXELS, Limits
from automl.study.errors import StudyError

POLL_SECONDS: Final = 2.0
DEFAULTS: Final[Mapping[str, Any]] = {
    "storage": None, "poll": POLL_SECONDS, "max_pixels": MAX_PIXELS, "allowed_hosts": (ANY,)
}  # fmt: skip
"""Arguments of the application; a request reaches a replica through Ray's proxy, under whatever name that has."""


@serve.deployment(name="detector", max_ongoing_requests=64)
@serve.ingress()
class Replica:
    """A replica: one process with the model, and the thread that follows the alias."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        """Load the model.

        Raises:
            RegistryError: it does not exist, was changed, or cannot be served.
        """
        cv2.setNumThreads(1)
        logging.getLogger("automl").setLevel(logging.INFO)
        storage = Path(given["storage"]) if given["storage"] else None
        self._given, self._serving = given, opened(*referred(given["model"], None, storage))
        self._stack = ExitStack()
        self._stack.enter_context(following(self._serving, every=float(given["poll"])))

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Return the service; Ray Serve calls this once in each replica."""
        hosts = Hosts(allowed=self._given["allowed_hosts"])
        return service.app(self._serving, hosts, Limits(int(self._given["max_pixels"])))

    def __del__(self) -> None:
        """End the thread that follows the alias."""
        self._stack.close()


def application(args: dict[str, Any]) -> Application:
    """Return the application for the `args` of launch/serve.yaml.

    Raises:
        StudyError: an argument is missing or unknown.
    """
    if unknown := set(args) - {*DEFAULTS, "model"}:
        raise StudyError(f"args: must be model, {', '.join(DEFAULTS)}, but got {', '.join(sorted(unknown))}")
    if not args.get("model"):
        raise StudyError("args.model: must be MODEL[@VERSION], such as boards@champion, but is missing")
    return Replica.bind({**DEFAULTS, **args})  # type: ignore[attr-defined]
