"""JSON Schema of a description, for editors and validators: `automl schema`, kept as `docs/description.schema.json`.

It contains types, limits of single keys and the text of each key. Laws between keys, and the settings of Ultralytics
in `space` and `train`, are checked by `automl check` alone.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from automl.study.load import FORMAT
from automl.study.reference import field_docs
from automl.study.spec import StudySpec

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
TITLE: Final = "Description of a study of automl"


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a description, with the text of each key as its `description`."""
    found = StudySpec.model_json_schema()
    for part, fields in _parts(found):
        docs = field_docs(part)
        for name, field in fields.items():
            field.pop("title", None)
            if name in docs:
                field["description"] = docs[name]
    for part in found["$defs"].values():
        part.pop("title", None)
    version = {"type": "integer", "minimum": 1, "maximum": FORMAT, "description": "Format of the description."}
    properties = {"format": version, **found.pop("properties")}
    return {"$schema": DIALECT, **found, "title": TITLE, "properties": properties}


def text() -> str:
    """Return the JSON Schema as the text of a file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _parts(found: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name of each model and its fields."""
    yield StudySpec.__name__, found["properties"]
    for name, part in found["$defs"].items():
        yield name, part["properties"]
