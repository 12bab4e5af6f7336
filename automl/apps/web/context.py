"""Context of the pages: the storage, the jobs that were started, and the language of a request."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from starlette.requests import HTTPConnection

from automl.apps.web.jobs import Jobs
from automl.apps.web.live import LiveStudies
from automl.apps.web.machine import Machine
from automl.storage.layout import SPEC
from automl.storage.place import Place
from automl.study.errors import StudyError
from automl.tracking.report import Language

LANGUAGE_COOKIE: Final = "automl-language"
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""Names of studies and models, as the description's schema has them: no separator, no leading dot."""


@dataclass(frozen=True, slots=True)
class Context:
    """What the pages share."""

    app: FastAPI
    place: Place
    jobs: Jobs
    live: LiveStudies
    language: Language | None = None
    """Language of first visits; None: that of the browser."""
    loopback: bool = True
    """Whether only this computer reaches the page."""
    address: str = field(default="")
    """Address of the page without its token."""
    machine: Machine = field(init=False)

    def __post_init__(self) -> None:
        """Measure the machine of this storage."""
        object.__setattr__(self, "machine", Machine(self.place.storage))

    def language_of(self, request: HTTPConnection | None) -> Language:
        """Return the language of a request: as chosen, else the default, else the browser's."""
        cookie = request.cookies.get(LANGUAGE_COOKIE, "") if request else ""
        if cookie in tuple(Language):
            return Language(cookie)
        if self.language or request is None:
            return self.language or Language.EN
        accepted = request.headers.get("accept-language", "").lower()
        return Language.ZH if accepted.startswith("zh") else Language.EN

    def study(self, name: str) -> Path:
        """Return the folder of a study that a browser named.

        Raises:
            StudyError: the name is none, or there is no such study in the storage.
        """
        folder = self.place.study(self._checked(name))
        if not (folder / SPEC).is_file():
            raise StudyError(f"{name}: must be the name of a study in {folder.parent}, but there is none")
        return folder

    def model(self, name: str) -> Path:
        """Return the registry folder of a model that a browser named.

        Raises:
            StudyError: the name is none, or there is no such model in the storage.
        """
        folder = self.place.registry(self._checked(name)).folder
        if not folder.is_dir():
            raise StudyError(f"{name}: must be the name of a model in {folder.parent}, but there is none")
        return folder

    def _checked(self, name: str) -> str:
        """Return a name that forms no path, and whose folder does not lead out of the storage."""
        if not NAME.fullmatch(name):
            raise StudyError(f"name: must be letters, digits, '.', '_' and '-', but got {name[:80]!r}")
        root = self.place.storage.resolve()
        for folder in (self.place.study(name), self.place.registry(name).folder):
            if not folder.resolve().is_relative_to(root):
                raise StudyError(f"{name}: must be inside of the storage, but is a link out of it")
        return name
