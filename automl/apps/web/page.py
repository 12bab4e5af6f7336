"""Page of the web page: its path, its entry in the menu, and the function that adds its routes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from automl.apps.web.context import Context
from automl.tracking.report import Language

BUILD_SECONDS: Final = 60.0
"""For the content of a page. NiceGUI's own limit of 3 s ends in an error page where the machine is busy with trials."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page, or a group of routes."""

    path: str
    add: Callable[[Context], None]
    """Registers the routes."""
    titles: tuple[str, str] | None = None
    """Entry in the menu, in English and Chinese; None: it has none."""

    def title(self, language: Language) -> str:
        """Return the entry in the menu."""
        return (self.titles or ("", ""))[language is Language.ZH]
