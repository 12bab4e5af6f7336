"""Reference of the description's keys: `docs/description.md`, made from the field docs of `StudySpec`.

    python -m automl.study.reference

A test compares the file with what `reference` returns, so that it cannot go stale.
"""

import ast
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from automl.study import space_spec, spec, spec_parts

FILE: Final = Path(__file__).resolve().parents[2] / "docs" / "description.md"
HEAD: Final = """\
<!-- Made by `python -m automl.study.reference` from automl/study/spec.py. Do not edit. -->
# The description of a study

A study is described by one YAML file. `automl check FILE` reports every mistake in it at once. `--set KEY=VALUE` sets
any key from the command line, with dots between the parts: `--set budget.trials=6`. A key without
a default must be given. `automl init DATA` writes a first description for a data set, and `automl schema` prints these
keys as a JSON Schema for editors.

`search_spaces/smoke.yaml` is the smallest example, `search_spaces/yolo_small.yaml` the everyday one, and
`search_spaces/yolo_family.yaml` searches model and image size as well.

Checked across keys: names in `space` and `train` must be settings of Ultralytics with values that it accepts; a
parameter that cannot change the training is refused (`lr0` under `optimizer: auto`, `mosaic` that closes before it
begins).
"""
SPACES: Final = ("RangeSpec", "ChoiceSpec")
UNIT: Final = re.compile(r"\s*Unit: ([^.]+)\.")
LAWS: Final = {
    "minimum": ">= {}", "exclusiveMinimum": "> {}", "maximum": "<= {}", "exclusiveMaximum": "< {}",
    "minItems": "at least {} item", "minProperties": "at least {} entry", "minLength": "at least {} character",
    "pattern": "matches `{}`",
}  # fmt: skip

Schema = Mapping[str, Any]


def reference() -> str:
    """Return the text of `docs/description.md`."""
    schema = spec.StudySpec.model_json_schema()
    inner = schema["$defs"]
    own = [name for name, field in schema["properties"].items() if "$ref" not in field]
    parts = [
        HEAD,
        "## Top level\n",
        _table("", "StudySpec", {name: schema["properties"][name] for name in own}, schema),
    ]
    for name, field in schema["properties"].items():
        if "$ref" in field:
            model = field["$ref"].rpartition("/")[2]
            parts += _section(f"`{name}`", f"{name}.", model, inner)
    parts += _optional_sections("", schema["properties"], inner)
    for model in SPACES:
        kind = "range" if model == "RangeSpec" else "choice"
        parts += _section(f"`space`: a {kind}", "space.*.", model, inner)
    return "\n".join(parts)


def _section(title: str, prefix: str, model: str, inner: Schema) -> Iterator[str]:
    yield f"## {title}\n"
    yield f"{inspect.getdoc(_class_of(model))}\n"
    yield _table(prefix, model, inner[model]["properties"], inner[model])
    yield from _optional_sections(prefix, inner[model]["properties"], inner)


def _optional_sections(prefix: str, fields: Schema, inner: Schema) -> Iterator[str]:
    """Yield the sections of parts that may be null, or of which there is a list or a mapping by name."""
    for name, field in fields.items():
        for option in (*field.get("anyOf", ()), *field.get("oneOf", ()), field.get("items", {})):
            if "$ref" in option and (part := option["$ref"].rpartition("/")[2]) not in SPACES:
                yield from _section(f"`{prefix}{name}`", f"{prefix}{name}.", part, inner)
        for option in field.get("patternProperties", {}).values():
            yield from _section(f"`{prefix}{name}.*`", f"{prefix}{name}.*.", option["$ref"].rpartition("/")[2], inner)


def _class_of(model: str) -> Any:  # noqa: ANN401
    return next(getattr(place, model) for place in (spec, space_spec, spec_parts) if hasattr(place, model))


def _table(prefix: str, model: str, fields: Schema, schema: Schema) -> str:
    docs, required = field_docs(model), schema.get("required", ())
    rows = ["| key | type | unit | default | law | meaning |", "| --- | --- | --- | --- | --- | --- |"]
    for name, field in fields.items():
        unit = UNIT.search(docs[name])
        default = "" if name in required else f"`{json.dumps(field.get('default', _empty(field)))}`"
        cells = (
            f"`{prefix}{name}`", _type(field), unit[1] if unit else "", default, _law(field),
            UNIT.sub("", docs[name]),
        )  # fmt: skip
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def field_docs(model: str) -> dict[str, str]:
    """Return field name to the text below it in the class; a field without one is missing."""
    body = ast.parse(inspect.getsource(_class_of(model))).body[0]
    found: dict[str, str] = {}
    named = ""
    for node in body.body if isinstance(body, ast.ClassDef) else []:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            named = node.target.id
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and named:
            found[named] = " ".join(str(node.value.value).split())
            named = ""
        else:
            named = ""
    return found


def _type(field: Schema) -> str:
    """Return the type of a field in words.

    >>> _type({"anyOf": [{"const": "auto"}, {"type": "number"}]})
    '`auto` or number'
    """
    if options := field.get("anyOf") or field.get("oneOf"):
        return " or ".join(dict.fromkeys(_type(option) for option in options))
    if "const" in field or "enum" in field:
        return ", ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    if "$ref" in field:
        model = field["$ref"].rpartition("/")[2]
        return {"RangeSpec": "range", "ChoiceSpec": "choice"}.get(model, "mapping")
    kind = str(field.get("type", "any"))
    return {"array": "list", "object": "mapping", "string": "text", "boolean": "true or false"}.get(kind, kind)


def _law(field: Schema) -> str:
    """Return the limits of a field.

    >>> _law({"type": "integer", "minimum": 1, "maximum": 9})
    '>= 1, <= 9'
    """
    inner = [_law(option) for option in field.get("anyOf", ())]
    return ", ".join([*(text.format(field[key]) for key, text in LAWS.items() if key in field), *filter(None, inner)])


def _empty(field: Schema) -> object:
    return [] if field.get("type") == "array" else {}


if __name__ == "__main__":
    FILE.write_text(reference(), encoding="utf-8")
