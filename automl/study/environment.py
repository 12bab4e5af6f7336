"""Environment of a training: packages, Python, platform, GPU, driver, and the program's own code."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from automl.study.plain_values import well_typed


@dataclass(frozen=True, slots=True)
class Environment:
    """Software and hardware of the process that trained a model."""

    python: str
    platform: str
    packages: Mapping[str, str]
    """Name, normalised as on the package index, to version."""
    gpus: tuple[str, ...]
    """Models of the node's GPUs; empty where the training used none."""
    driver: str
    """Version of the GPU driver; empty where the training used no GPU."""
    commit: str
    """Git commit of the program; empty where it does not run from a checkout."""
    code: str
    """SHA-256 over the program's own Python files."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self) | {"packages": dict(self.packages), "gpus": list(self.gpus)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote.

        Raises:
            TypeError: a value has another type.
        """
        found = well_typed(cls(**{**plain, "gpus": tuple(plain["gpus"])}))
        if not all(isinstance(text, str) for text in (*found.packages.values(), *found.gpus)):
            raise TypeError("packages and gpus must be texts")
        return found


def differences(then: Environment, now: Environment) -> Iterator[str]:
    """Yield what differs between two environments, a line each: hardware and Python first, then packages by name.

    >>> one = Environment("3.11.1", "linux", {"a": "1", "b": "2"}, (), "", "", "0" * 64)
    >>> list(differences(one, Environment("3.11.1", "linux", {"a": "2", "c": "1"}, (), "", "", "0" * 64)))
    ['a: 1 then, 2 now', 'b: 2 then, not installed now', 'c: not installed then, 1 now']
    """
    for name, old, new in (
        ("Python", then.python, now.python), ("platform", then.platform, now.platform),
        ("GPU", ", ".join(then.gpus), ", ".join(now.gpus)), ("driver", then.driver, now.driver),
        ("code", then.code[:12], now.code[:12]),
    ):  # fmt: skip
        if old != new:
            yield f"{name}: {old or 'none'} then, {new or 'none'} now"
    for name in sorted({*then.packages, *now.packages}):
        before, after = (found.packages.get(name, "not installed") for found in (then, now))
        if before != after:
            yield f"{name}: {before} then, {after} now"
