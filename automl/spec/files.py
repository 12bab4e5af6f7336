"""YAML in and out: safe, with two traps closed: a key that stands twice, and `1e-4` read as text."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from yaml.resolver import BaseResolver

from automl.errors import SpecError


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping; a key that stands twice is a mistake, and `1e-4` is a number.

    Raises:
        SpecError: the file is missing, is no YAML, or holds no mapping.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError([f"{path}: must be a readable file, but {_plain(error)}"]) from None
    except yaml.YAMLError as error:
        raise SpecError([f"{path}: must be YAML, but {' '.join(str(error).split())}"]) from None
    if not isinstance(content, dict):
        raise SpecError([f"{path}: must hold `key: value` lines, but holds {type(content).__name__}"])
    return content


def read_value(text: str) -> Any:  # noqa: ANN401
    """Read a value as it would stand in a YAML file.

    Raises:
        SpecError: it is no YAML.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError:
        raise SpecError([f"--set: must be a YAML value, but got {text!r}"]) from None


def dump_yaml(value: Mapping[str, Any]) -> str:
    """Write a mapping of plain values as YAML."""
    return yaml.safe_dump(dict(value), sort_keys=False, allow_unicode=True)


def _plain(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


class _Loader(yaml.SafeLoader):
    """Safe YAML with two traps closed: a key that stands twice, and `1e-4` read as text."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [key.value for key, _ in node.value]
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise yaml.constructor.ConstructorError(
            None, None, f"a key must stand once, but {twice} stands twice", node.start_mark
        )
    loader.flatten_mapping(node)
    return dict(loader.construct_pairs(node, deep=True))


_Loader.add_constructor(BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)
