"""A study's description: YAML to `StudySpec`. Every mistake a user can make in it is found here, all at once.

Called by the command line before anything is started. What the trainer accepts comes in as `rules`, so that this
package knows no trainer.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from automl.study import foreign, text_file
from automl.study.checksum import damaged, seal
from automl.study.errors import SpecError
from automl.study.messages import named, readable, shown
from automl.study.model_files import is_file, renamed, source_of
from automl.study.spec import SAMPLE, StudySpec
from automl.study.validation import Rules, is_folder, mistakes, own_mistakes, setting_hints
from automl.study.yaml_io import dump_yaml, read_yaml, refuse_secrets

FORMAT: Final = 1
COPIES: Final = (
    "restore it from a copy (a version in models/<name> has one), or, if you changed it on purpose, delete its first "
    "line"
)


def load(path: Path, *, rules: Rules, overrides: Mapping[str, Any] | None = None, dead: bool = True) -> StudySpec:
    """Read a description; `overrides` maps dotted keys, such as `budget.trials`, to values that win over the file.

    With `dead`, searched parameters without effect are mistakes.

    A setting that is fixed by an override is not searched, and one that is searched by an override is not fixed.

    Raises:
        SpecError: one line a mistake, each `file: key: law, but got values`.
    """
    for key, value in (overrides or {}).items():
        refuse_secrets(f"{key}={value}", where="an override")
    if found := [*foreign.program_mistakes(path, rules.settings() if path.suffix in foreign.PROGRAMS else {})]:
        raise SpecError(found)
    raw = read_yaml(path)
    if found := [*foreign.file_mistakes(path, raw, rules.settings())]:
        raise SpecError(found)
    _check_format(raw, path)
    for key, value in (overrides or {}).items():
        _set(raw, key.split("."), value, where=path)
    _apply_overrides(raw, overrides or {})
    if found := [f"{path}: {mistake}" for mistake in foreign.space_mistakes(raw, rules.settings())]:
        raise SpecError(found)
    resolved = _resolve(_validated(raw, path, lambda: setting_hints(rules)), folder=path.parent)
    if found := [f"{path}: {mistake}" for mistake in mistakes(resolved, rules, dead=dead)]:
        raise SpecError(found)
    return resolved


def dump(spec: StudySpec) -> str:
    """Write a description with every default and a checksum, for the study's own folder."""
    return seal(dump_yaml({"format": FORMAT} | spec.model_dump(mode="json")))


def differences(one: StudySpec, other: StudySpec) -> list[str]:
    """Return `key: one value, other value` for each key in which two descriptions differ."""
    mine, theirs = _flat(one.model_dump(mode="json")), _flat(other.model_dump(mode="json"))
    absent = "nothing"
    return [
        f"{key}: {shown(theirs.get(key, absent))} there, {shown(mine.get(key, absent))} here"
        for key in sorted({*mine, *theirs})
        if mine.get(key, absent) != theirs.get(key, absent)
    ]


def stored(path: Path) -> StudySpec:
    """Read the description a study left in its folder, without asking the trainer again.

    Raises:
        SpecError: it was written by a newer version, is damaged, or was changed.
    """
    try:
        raw = read_yaml(path)
    except SpecError as error:
        raise SpecError([f"{error}; {COPIES}"]) from None
    _check_format(raw, path)
    if damaged(text_file.read_bytes(path).decode("utf-8", errors="replace").replace("\r\n", "\n")):
        raise SpecError([f"{path}:1: the checksum must match, but the lines below it were changed; {COPIES}"])
    spec = _validated(raw, path)
    if found := [f"{path}: {mistake}" for mistake in own_mistakes(spec)]:
        raise SpecError(found)
    return spec


def _check_format(raw: dict[str, Any], path: Path) -> None:
    """Remove the format from a description and check it; if missing, it is the first format or a user's own file."""
    version = raw.pop("format", FORMAT)
    if type(version) is not int or not 1 <= version <= FORMAT:
        newer = type(version) is int and version > FORMAT
        hint = ": a newer automl wrote it; update this one, or use the newer one" if newer else ""
        raise SpecError([f"{path}: format: must be 1 to {FORMAT}, but got {shown(version)}{hint}"])


def _validated(raw: Mapping[str, Any], path: Path, hints: Callable[[], Mapping[str, str]] = dict) -> StudySpec:
    try:
        return StudySpec.model_validate(raw)
    except ValidationError as error:
        lines = [*readable(error, hints), *_reversed_ranges(raw)]
        raise SpecError(f"{path}: {line}" for line in lines) from None


def _reversed_ranges(raw: Mapping[str, Any]) -> Iterator[str]:
    """Yield the ranges whose ends are swapped, where another mistake kept them from being parsed."""
    space = raw.get("space")
    for name, part in space.items() if isinstance(space, dict) else ():
        low, high = (part.get(end) if isinstance(part, dict) else None for end in ("low", "high"))
        if isinstance(low, int | float) and isinstance(high, int | float) and low >= high:
            yield f"space.{named(name)}: low < high must hold, but got low={_number(low)}, high={_number(high)}"


def _number(value: float) -> str:
    """Return a number as it was written; a whole one may be larger than any float."""
    return f"{value:g}" if abs(value) <= sys.float_info.max else shown(value)


def _resolve(spec: StudySpec, *, folder: Path) -> StudySpec:
    """Make relative paths absolute: relative to the spec first, then to the working folder.

    A path that exists in neither stays unchanged; a past study is then searched in the storage, once that is known.
    """

    def absolute(name: str, *, there: Callable[[Path], object] = is_file) -> str:
        places = (folder / name, Path(name))
        return next((str(place.resolve()) for place in places if there(place)), name)

    data = spec.data if spec.data == SAMPLE else absolute(spec.data, there=_is_there)
    earlier = [absolute(name, there=is_folder) for name in spec.warm_start]
    named = renamed(spec, partial(absolute, there=lambda path: source_of(str(path))))
    before = [absolute(name, there=_is_there) for name in spec.confirm.earlier_data]
    confirm = spec.confirm.model_copy(update={"earlier_data": before})
    return named.model_copy(update={"data": data, "warm_start": earlier, "confirm": confirm})


def _is_there(path: Path) -> bool:
    return is_file(path) or is_folder(path)


def _set(raw: dict[str, Any], keys: Sequence[str], value: Any, *, where: Path) -> None:  # noqa: ANN401
    for key in keys[:-1]:
        inner = raw.setdefault(key, {})
        if not isinstance(inner, dict):
            raise SpecError([f"{where}: {'.'.join(keys)}: cannot be set, since {key} is {shown(inner)}"])
        raw = inner
    raw[keys[-1]] = value


def _apply_overrides(raw: Mapping[str, Any], overrides: Mapping[str, Any]) -> None:
    """Apply an override also where the file has the key in the other section: a fixed setting is not searched."""
    for one, other in (("train", "space"), ("space", "train")):
        held = raw.get(other)
        for key in overrides:
            section, _, name = key.partition(".")
            if section == one and isinstance(held, dict) and f"{other}.{name}" not in overrides:
                held.pop(name, None)


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:  # noqa: ANN401
    if not isinstance(value, dict):
        return {prefix: value}
    return {
        key: leaf for name, inner in value.items() for key, leaf in _flat(inner, f"{prefix}.{name}".strip(".")).items()
    }
