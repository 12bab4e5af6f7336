"""YAML reading and writing: safe loader that rejects duplicate keys and reads `1e-4` as a number."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from yaml.resolver import BaseResolver

from automl.study import text_file
from automl.study.errors import SpecError

CREDENTIALS: Final = re.compile(r"\w://[^/\s@]*:[^\s@]*@")
"""A URL with a password, `scheme://user:password@host`."""

NO_SECRETS: Final = (
    "must not contain a URL with a password (scheme://user:password@host), since a description is stored in the "
    "study's folder; name a local path, or pass the password in the environment"
)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping; a duplicate key is an error, and `1e-4` is a number.

    Raises:
        SpecError: the file is missing, is not YAML, or contains no mapping.
    """
    try:
        data = text_file.read_bytes(path)
    except (OSError, ValueError) as error:
        raise SpecError([f"{path}: must be a readable file, but {_plain(error)}"]) from None
    text = data.decode("utf-8", errors="replace")
    problem = text_file.encoding_problem(data)
    if secret := CREDENTIALS.search(text):
        raise SpecError([f"{path}:{text.count(chr(10), 0, secret.start()) + 1}: {NO_SECRETS}"])
    try:
        content = _parsed(text)
        if problem and content != _parsed(data.decode("utf-8", errors="ignore")):  # more than a comment is concerned
            raise SpecError([f"{path}: {problem}"])
    except yaml.YAMLError as error:
        raise SpecError([f"{path}: {problem or f'must be YAML, but {_reason(error)}'}"]) from None
    if not isinstance(content, dict):
        held = "nothing" if content is None else f"a {type(content).__name__}"
        raise SpecError([f"{path}: must contain `key: value` lines, but contains {held}"])
    return content


def read_value(text: str) -> Any:  # noqa: ANN401
    """Parse a value as in a YAML file.

    Raises:
        SpecError: it is not YAML, or contains a password.
    """
    refuse_secrets(text, where="--set")
    try:
        return _parsed(text)
    except yaml.YAMLError:
        raise SpecError([f"--set: must be a YAML value, but got {text!r}"]) from None


def refuse_secrets(text: str, *, where: str) -> None:
    """Check that a text contains no password: a description is copied to the study's folder, report and champion.

    Raises:
        SpecError: it does; the message does not repeat it.
    """
    if CREDENTIALS.search(text):
        raise SpecError([f"{where}: {NO_SECRETS}"])


def dump_yaml(value: Mapping[str, Any]) -> str:
    """Write a mapping of plain values as YAML that `read_yaml` reads as it was: the text `1e5` stays text."""
    return yaml.dump(dict(value), Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def _parsed(text: str) -> Any:  # noqa: ANN401
    try:
        return yaml.load(text, Loader=_Loader)
    except RecursionError:
        raise yaml.YAMLError("it is nested too deep") from None


def _reason(error: yaml.YAMLError) -> str:
    return " ".join(str(error).split()).replace('in "<unicode string>", ', "at ")


def _plain(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


class _Loader(yaml.SafeLoader):
    """Safe YAML loader that rejects duplicate keys and reads `1e-4` as a number."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002
        """Add the position to the bare errors of PyYAML, such as those of `2024-13-45` and of a list as a key."""
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, TypeError) as error:
            raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from None


class _Dumper(yaml.SafeDumper):
    """Dumper for the loader: quotes a text that the loader would read as a number."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [key.value for key, _ in node.value]
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise yaml.constructor.ConstructorError(
            None, None, f"a key must appear once, but {twice} appears twice", node.start_mark
        )
    loader.flatten_mapping(node)
    return dict(loader.construct_pairs(node, deep=True))


EXPONENT: Final = (
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)
_Loader.add_constructor(BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
_Loader.add_implicit_resolver(*EXPONENT)
_Dumper.add_implicit_resolver(*EXPONENT)
