"""Params given by a user for one trial, checked against the search space and completed with its defaults."""

from collections.abc import Iterator
from pathlib import Path

from automl.study.errors import SpecError
from automl.study.messages import named, nearest, shown
from automl.study.space import Choice, Integer, SearchSpace, Single, live, parts
from automl.study.trial import Params, ParamValue


def completed(space: SearchSpace, given: Params) -> dict[str, ParamValue]:
    """Return complete params: each parameter that exists under them, with its default where none is given.

    Raises:
        SpecError: a name is not in the space, a value is outside its range, or a parameter does not exist under these.
    """
    names = space.parameters
    mistakes = [f"{named(name)}: is not in the space{nearest(name, names)}" for name in given if name not in names]
    params: dict[str, ParamValue] = {}
    for name, parameter in names.items():
        part = live(parameter, params)
        if part is None:
            continue
        value = _converted(part, given[name]) if name in given else part.default
        if part.contains(value):
            params[name] = value
        else:
            mistakes.append(f"{name}: must be {_law(part)}, but got {shown(value)}")
            params[name] = part.default
    mistakes += _absent(space, given, params)
    if mistakes:
        raise SpecError(mistakes)
    return params


def _absent(space: SearchSpace, given: Params, params: Params) -> Iterator[str]:
    for name in given:
        if name in space.parameters and name not in params:
            conditions = [part.when for part in parts(space.parameters[name])]
            parents = dict.fromkeys(parent for when in conditions for parent in when)
            under = ", ".join(f"{parent}={params[parent]}" for parent in parents if parent in params)
            ways = (" ".join(f"{parent}={'|'.join(map(str, values))}" for parent, values in when.items())
                    for when in conditions)  # fmt: skip
            yield f"{name}: does not exist under {under}; leave it out, or give {' or '.join(ways)} too"


def _converted(part: Single, value: ParamValue) -> ParamValue:
    """Return a value in the type of its range: a whole number as a real one; a file's name as the kept path of it."""
    if isinstance(part, Choice):
        alike = [one for one in part.choices if isinstance(one, str) and Path(one).name == Path(str(value)).name]
        return value if value in part.choices or len(alike) != 1 else alike[0]
    if isinstance(part, Integer) or isinstance(value, bool) or not isinstance(value, int):
        return value
    return float(value)


def _law(part: Single) -> str:
    if isinstance(part, Choice):
        return f"one of {', '.join(map(str, part.choices))}"
    return f"{'an integer' if isinstance(part, Integer) else 'a number'} from {part.low:g} to {part.high:g}"
