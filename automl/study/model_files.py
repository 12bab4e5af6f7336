"""Files that a description names besides its data: models, and the weights in settings."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from automl.study.space_spec import ChoiceSpec
from automl.study.spec import StudySpec
from automl.study.trial import ParamValue

WEIGHTS_SETTINGS: Final = ("pretrained", "distill_model")
"""Settings whose text values name weights; other values, such as `true`, name nothing."""
FILE_SETTINGS: Final = ("model", *WEIGHTS_SETTINGS)
"""Keys that name files, at the top level, in `train` and in `space`."""
SCALED: Final = re.compile(r"(\d+)([nslmx])([^/\\]*\.ya?ml)$")


def is_file(path: Path) -> bool:
    """Return True if a file exists; False for an invalid file name, such as one of 300 letters."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def source_of(name: str) -> Path | None:
    """Return the file that a model's name refers to, None where there is none.

    As in Ultralytics, a description may be named with a scale letter that its file does not have: `my11s.yaml` is read
    from `my11.yaml`, and the letter chooses the scale.
    """
    if is_file(Path(name)):
        return Path(name)
    unscaled = Path(SCALED.sub(r"\1\3", name))
    return unscaled if is_file(unscaled) else None


def renamed(spec: StudySpec, change: Callable[[str], str]) -> StudySpec:
    """Return a description with every name of a model or of weights changed."""

    def changed(name: str, value: Any) -> Any:  # noqa: ANN401
        return change(value) if isinstance(value, str) and name in FILE_SETTINGS else value

    space = dict(spec.space)
    for name in FILE_SETTINGS:
        chosen = space.get(name)
        if isinstance(chosen, ChoiceSpec):
            choices: list[ParamValue] = [changed(name, choice) for choice in chosen.choices]
            space[name] = chosen.model_copy(update={"choices": choices, "default": changed(name, chosen.default)})
    train = {name: changed(name, value) for name, value in spec.train.items()}
    # Built again: a copy would keep the cached space with the old names.
    kept = {name: getattr(spec, name) for name in StudySpec.model_fields}
    return StudySpec(**{**kept, "model": change(spec.model), "space": space, "train": train})
