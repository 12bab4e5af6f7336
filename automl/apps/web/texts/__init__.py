"""Texts of the web page in English and Chinese: each key with both, so that none can lack."""

from collections.abc import Mapping
from dataclasses import dataclass

from automl.tracking.report import Language

Table = Mapping[str, tuple[str, str]]
"""Key to the English and the Chinese text; values in braces are filled in."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts of one table in one language."""

    language: Language
    table: Table

    def __call__(self, key: str, **values: object) -> str:
        """Return a text with its values; a key that the table lacks is a `KeyError`."""
        return self.table[key][self.language is Language.ZH].format(**values)

    def named(self, prefix: str, name: str) -> str:
        """Return the text of a name such as a state; the name itself where the table lacks it."""
        key = f"{prefix}.{name}"
        return self(key) if key in self.table else name
