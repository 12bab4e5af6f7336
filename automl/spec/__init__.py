"""A study's description: YAML to `StudySpec`. Every mistake a user can make in it is found here, all at once.

Called by the command line before anything is started. What the trainer accepts comes in as `rules`, so that this
package knows no trainer.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from automl.errors import SpecError
from automl.spec.description import SAMPLE, ResourcesSpec, StudySpec
from automl.spec.files import dump_yaml, read_value, read_yaml
from automl.spec.laws import Rules, is_file, is_folder, mistakes, own_mistakes
from automl.spec.messages import readable

__all__ = [
    "FORMAT", "SAMPLE", "ResourcesSpec", "Rules", "StudySpec", "differences", "dump", "dump_yaml", "load", "read_value",
    "read_yaml", "stored",
]  # fmt: skip

FORMAT: Final = 1


def load(path: Path, *, rules: Rules, overrides: Mapping[str, Any] | None = None) -> StudySpec:
    """Read a description; `overrides` maps dotted keys, such as `budget.trials`, to values that win over the file.

    Raises:
        SpecError: one line a mistake, each `file: key: law, but got values`.
    """
    raw = read_yaml(path)
    raw.pop("format", None)
    for key, value in (overrides or {}).items():
        _set(raw, key.split("."), value, where=path)
    resolved = _resolve(_validated(raw, path), folder=path.parent)
    if found := [f"{path}: {mistake}" for mistake in mistakes(resolved, rules)]:
        raise SpecError(found)
    return resolved


def dump(spec: StudySpec) -> str:
    """Write a description with every default, for the study's own folder."""
    return dump_yaml({"format": FORMAT} | spec.model_dump(mode="json"))


def differences(one: StudySpec, other: StudySpec) -> list[str]:
    """Return `key: one value, other value` for each key in which two descriptions differ."""
    mine, theirs = _flat(one.model_dump(mode="json")), _flat(other.model_dump(mode="json"))
    absent = "nothing"
    return [
        f"{key}: {theirs.get(key, absent)!r} there, {mine.get(key, absent)!r} here"
        for key in sorted({*mine, *theirs})
        if mine.get(key, absent) != theirs.get(key, absent)
    ]


def stored(path: Path) -> StudySpec:
    """Read the description a study left in its folder, without asking the trainer again.

    Raises:
        SpecError: it was written by a newer version, or was changed into something that is no description.
    """
    raw = read_yaml(path)
    version = raw.pop("format", None)
    if not isinstance(version, int) or not 1 <= version <= FORMAT:
        hint = ": a newer automl wrote it; update" if isinstance(version, int) and version > FORMAT else ""
        raise SpecError([f"{path}: format: must be 1 to {FORMAT}, but got {version}{hint}"])
    spec = _validated(raw, path)
    if found := [f"{path}: {mistake}" for mistake in own_mistakes(spec)]:
        raise SpecError(found)
    return spec


def _validated(raw: Mapping[str, Any], path: Path) -> StudySpec:
    try:
        return StudySpec.model_validate(raw)
    except ValidationError as error:
        raise SpecError(f"{path}: {line}" for line in readable(error)) from None


def _resolve(spec: StudySpec, *, folder: Path) -> StudySpec:
    """Make relative paths whole: beside the spec first, then in the working folder.

    What stands in neither keeps its name; an earlier study is then looked for in the storage, when that is known.
    """

    def whole(name: str, *, there: Callable[[Path], bool] = is_file) -> str:
        places = (folder / name, Path(name))
        return next((str(place.resolve()) for place in places if there(place)), name)

    data = spec.data if spec.data == SAMPLE else whole(spec.data)
    earlier = [whole(name, there=is_folder) for name in spec.warm_start]
    return spec.with_models(whole).model_copy(update={"data": data, "warm_start": earlier})


def _set(raw: dict[str, Any], keys: Sequence[str], value: Any, *, where: Path) -> None:  # noqa: ANN401
    for key in keys[:-1]:
        inner = raw.setdefault(key, {})
        if not isinstance(inner, dict):
            raise SpecError([f"{where}: {'.'.join(keys)}: cannot be set, since {key} holds {inner!r}"])
        raw = inner
    raw[keys[-1]] = value


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:  # noqa: ANN401
    if not isinstance(value, dict):
        return {prefix: value}
    return {
        key: leaf for name, inner in value.items() for key, leaf in _flat(inner, f"{prefix}.{name}".strip(".")).items()
    }
