"""YAML reading and writing: safe loader that rejects duplicate keys and reads `1e-4` as a number."""

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import yaml
from yaml.resolver import BaseResolver

from automl.study import text_file
from automl.study.errors import SpecError

CREDENTIALS: Final = re.compile(r"\w://[^/:]*:")
"""Start of a URL with a password, `scheme://user:password@host`, in the text between whitespace and an `@`."""
DEEPEST: Final = 50
"""Lists and mappings inside each other; what reads or writes values calls itself once a level."""
MOST_VALUES: Final = 300_000
"""Values of a text, those that aliases repeat counted each time: nine lines of nine aliases stand for 9^9."""
MOST_DIGITS: Final = 400
"""Of a number; no float has more before the point."""
LONGEST: Final = 300
"""Letters of PyYAML's message, which may repeat a whole value."""
NUMBERS: Final = frozenset({"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"})
CONTROL: Final = bytes(byte for byte in [*range(32), 127] if byte not in b"\t\n\r")
"""Bytes that YAML does not allow."""
TABS: Final = re.compile(r"(?m)(?<=[:,\[{-])[ \t]*\t[ \t]*|[ \t]*\t[ \t]*(?=$|[#,:\]}])")
"""White space with a tab beside a sign: libyaml reads it, and with it Ultralytics, but PyYAML in Python does not."""
UNDISPUTED: Final = re.compile(r'[\n "-$&-=@-{}~]*')
"""Texts that libyaml and PyYAML read alike: printable ASCII without tabs and without `!`, `%`, `>`, `?` and `|`. Of
20,000 mutated descriptions of such signs libyaml took 3,928, all with PyYAML's values; most files that the program
writes are such."""
FLOW: Final = 100
WIDTH: Final = 1000
"""Brackets of a text, and columns of its lines, up to which libyaml reads it: such a text is at most some 2,000 levels
deep. libyaml has no limit of its own, and at some 100,000 levels the process would end by a signal."""
ODD: Final = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError)
"""What PyYAML raises besides its own errors, such as at `2024-13-45`, a list as a key, and `!!int ''`."""

NO_SECRETS: Final = (
    "must not contain a URL with a password (scheme://user:password@host), since a description is stored in the "
    "study's folder; name a local path, or pass the password in the environment"
)


def read_yaml(path: Path, *, printable: bool = False) -> dict[str, Any]:
    """Read a YAML mapping; a key with two values is an error, and `1e-4` is a number.

    With `printable`, control characters are dropped, as Ultralytics does in the `data.yaml` of a data set.

    Raises:
        SpecError: the file is missing, is not YAML, or contains no mapping.
    """
    try:
        data = text_file.read_bytes(path)
    except (OSError, ValueError) as error:
        raise SpecError([f"{path}: must be a readable file, but {_plain(error)}"]) from None
    if printable:
        data = data.translate(None, CONTROL)
    text = data.decode("utf-8", errors="replace")
    problem = text_file.encoding_problem(data)
    if (secret := _secret_in(text)) is not None:
        raise SpecError([f"{path}:{text.count(chr(10), 0, secret) + 1}: {NO_SECRETS}"])
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
        raise SpecError([f"--set: must be a YAML value, but got {text[:LONGEST]!r}"]) from None


def refuse_secrets(text: str, *, where: str) -> None:
    """Check that a text contains no password: a description is copied to the study's folder, report and champion.

    Raises:
        SpecError: it does; the message does not repeat it.
    """
    if _secret_in(text) is not None:
        raise SpecError([f"{where}: {NO_SECRETS}"])


def _secret_in(text: str) -> int | None:
    """Return the position of an address with a password, None without one; in linear time.

    >>> _secret_in("data: s3://me:word@host"), _secret_in("http://host/a:b c@d")
    (7, None)
    """
    start = 0
    for piece in text.split("@")[:-1]:
        words = [] if piece[-1:].isspace() else piece.split()
        if words and (found := CREDENTIALS.search(piece, len(piece) - len(words[-1]))):
            return start + found.start()
        start += len(piece) + 1
    return None


def dump_yaml(value: Mapping[str, Any]) -> str:
    """Write a mapping of plain values as YAML that `read_yaml` reads as it was: the text `1e5` stays text."""
    return yaml.dump(dict(value), Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def _parsed(text: str) -> Any:  # noqa: ANN401
    """Parse a text; with libyaml, six times as fast, where both parsers read the same.

    What libyaml refuses is read by PyYAML's own parser too, so that all messages are of one.
    """
    if yaml.__with_libyaml__ and UNDISPUTED.fullmatch(text) and _is_flat(text):
        with suppress(yaml.YAMLError, RecursionError, ValueError):
            return yaml.load(text, Loader=_FastLoader)
    return _parsed_in_python(text)


def _is_flat(text: str) -> bool:
    """Return True if a text cannot be nested too deep for libyaml: a level takes a bracket, or half a column."""
    return text.count("[") + text.count("{") <= FLOW and max(map(len, text.splitlines()), default=0) <= WIDTH


def _parsed_in_python(text: str) -> Any:  # noqa: ANN401
    try:
        return yaml.load(text, Loader=_Loader)
    except RecursionError:
        raise yaml.YAMLError("it is nested too deep") from None
    except yaml.scanner.ScannerError:
        spaced = TABS.sub(lambda found: found[0].replace("\t", " "), text)
        if spaced == text:
            raise
    return _parsed_in_python(spaced)


def _reason(error: yaml.YAMLError) -> str:
    text = " ".join(str(error).split()).replace('in "<unicode string>", ', "at ")
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


def _plain(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


class _Rules(yaml.constructor.SafeConstructor):
    """Construction of values that rejects a key with two values and what explodes."""

    def construct_document(self, node: yaml.Node) -> Any:  # noqa: ANN401
        """Refuse aliases that expand to far more values than the text has, before any is made."""
        _Weights().of(node)
        return super().construct_document(node)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002
        """Add the position to the bare errors of PyYAML, such as those of `2024-13-45` and of a list as a key."""
        if node.tag in NUMBERS and len(node.value) > MOST_DIGITS:
            raise _refused(f"a number must have at most {MOST_DIGITS} digits", node)
        try:
            return super().construct_object(node, deep=deep)
        except ODD as error:
            raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from None


class _Loader(_Rules, yaml.SafeLoader):
    """Safe YAML loader that rejects a key with two values and reads `1e-4` as a number."""


class _FastLoader(_Rules, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The same with libyaml's scanner and parser."""


class _Weights:
    """Numbers of values that nodes stand for, aliases followed; each node is counted once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, int]] = {}
        self._open: set[int] = set()

    def of(self, node: yaml.Node) -> tuple[int, int]:
        """Return the number of values below a node, and of the levels.

        Raises:
            YAMLError: an alias contains itself, or there are too many levels or values.
        """
        if isinstance(node, yaml.ScalarNode):
            return 1, 0
        if id(node) not in self._known:
            if id(node) in self._open:
                raise _refused("an alias must not contain itself", node)
            self._open.add(id(node))
            inner = [self.of(part) for part in _parts(node)]
            self._open.discard(id(node))
            size, depth = 1 + sum(size for size, _ in inner), 1 + max((depth for _, depth in inner), default=0)
            if depth > DEEPEST:
                raise _refused(f"lists and mappings must stand at most {DEEPEST} deep in each other", node)
            if size > MOST_VALUES:
                raise _refused(f"it must have at most {MOST_VALUES} values, aliases followed", node)
            self._known[id(node)] = size, depth
        return self._known[id(node)]


def _parts(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value)


def _refused(law: str, node: yaml.Node) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, law, node.start_mark)


class _Dumper(yaml.SafeDumper):
    """Dumper for the loader: quotes a text that the loader would read as a number."""


def _mapping(loader: Any, node: yaml.MappingNode) -> dict[Any, Any]:  # noqa: ANN401
    values: dict[str, list[yaml.Node]] = {}
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode):
            values.setdefault(key.value, []).append(value)
    if twice := sorted(key for key, given in values.items() if len(given) > 1 and not _are_equal(given)):
        raise _refused(f"a key must appear once, but {twice} appears twice", node)
    loader.flatten_mapping(node)
    return dict(loader.construct_pairs(node, deep=True))


def _are_equal(nodes: list[yaml.Node]) -> bool:
    """Return True if all values of a key that is repeated are the same text or number."""
    scalars = {(node.tag, node.value) for node in nodes if isinstance(node, yaml.ScalarNode)}
    return len(scalars) == 1 and all(isinstance(node, yaml.ScalarNode) for node in nodes)


EXPONENT: Final = (
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)
_Loader.add_constructor(BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
_FastLoader.add_constructor(BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
_Loader.add_implicit_resolver(*EXPONENT)
_FastLoader.add_implicit_resolver(*EXPONENT)
_Dumper.add_implicit_resolver(*EXPONENT)
