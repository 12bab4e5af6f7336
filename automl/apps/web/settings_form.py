"""Fields of a description for the form under "more": from its JSON schema, with the laws of each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from automl.apps.web.texts import Texts
from automl.apps.web.texts.settings import SETTINGS
from automl.study import schema
from automl.tracking.report import Language

SECTIONS: Final = ("budget", "ladder", "confirm", "gates", "resources", "retention", "contract")
PLAIN: Final = ("integer", "number", "null", "string", "boolean")
BOUNDS: Final = (
    ("minimum", "at_least"), ("exclusiveMinimum", "above"), ("maximum", "at_most"), ("exclusiveMaximum", "below"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a description."""

    key: str
    """Dotted, as for `--set`."""
    text: str
    """Its documentation, in English."""
    plain: Mapping[str, Any]
    """Its JSON schema."""

    def text_in(self, language: Language) -> str:
        """Return the documentation in a language; empty where it has none."""
        return self.text if language is Language.EN else SETTINGS.get(self.key, "")

    @property
    def choices(self) -> tuple[str, ...]:
        """Return the values of a key that has few; empty for others."""
        if self.plain.get("type") == "boolean":
            return ("true", "false")
        return tuple(map(str, self.plain.get("enum", ())))

    @property
    def default(self) -> str:
        """Return the default as text; empty if there is none."""
        value = self.plain.get("default")
        return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)

    def law(self, texts: Texts) -> str:
        """Return what a value must be."""
        return texts("or").join(filter(None, (_law(part, texts) for part in self.plain.get("anyOf", [self.plain]))))


def fields(section: str) -> Iterator[Field]:
    """Yield the fields of a section that have one plain value each."""
    whole = schema.schema()
    found = _resolved(whole["properties"][section], whole)
    for name, plain in found.get("properties", {}).items():
        parts = plain.get("anyOf", [plain])
        if all(
            "const" in part or part.get("type") in ("integer", "number", "null", "string", "boolean") for part in parts
        ):
            yield Field(f"{section}.{name}", plain.get("description", ""), plain)


def _resolved(plain: Mapping[str, Any], whole: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a schema, or the one that it refers to."""
    for part in (plain, *plain.get("anyOf", ())):
        if "$ref" in part:
            found: Mapping[str, Any] = whole["$defs"][part["$ref"].rpartition("/")[2]]
            return found
    return plain


def _law(part: Mapping[str, Any], texts: Texts) -> str:
    if "const" in part:
        return str(part["const"])
    if "enum" in part:
        return texts("or").join(map(str, part["enum"]))
    kind = part.get("type", "")
    limits = [texts(text, value=part[name]) for name, text in BOUNDS if name in part]
    return ", ".join([texts(kind), *limits]) if kind in ("integer", "number", "null") else ""
