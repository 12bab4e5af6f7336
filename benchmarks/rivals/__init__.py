"""What users would pick instead: other packages' own classes, each behind the protocol of the event loop.

Which ones, and how each differs from its package's everyday use, is told by the modules. A package is imported when one
of its rivals is made. A name with `_default` is the same rival, given the default params as its first trial.
"""

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Final, cast

from automl.study.space import SearchSpace
from benchmarks.rivals.protocol import Strategy
from benchmarks.rivals.search_settings import SearchSettings

FAMILIES: Final[Mapping[str, tuple[str, ...]]] = {
    "tune": ("stock", "random", "random_asha"),
    "pruners": ("optuna_hyperband", "optuna_median", "optuna_halving"),
    "genetic": ("genetic",),
    "staged": ("look_then_train", "pasha"),
    "syne": ("mobster", "hypertune", "dyhpo", "syne_bohb", "syne_bore"),
}
LEGACY: Final = ("mobster", "hypertune", "dyhpo")
SUFFIX: Final = "_default"
ALWAYS_FROM_DEFAULTS: Final = ("genetic",)

PLAIN: Final = tuple(name for names in FAMILIES.values() for name in names)
NAMES: Final = PLAIN + tuple(name + SUFFIX for name in PLAIN if name not in ALWAYS_FROM_DEFAULTS)


def make(name: str, space: SearchSpace, *, max_epochs: int, seed: int, workers: int) -> Strategy:
    """Return a rival that has seen nothing yet.

    Raises:
        KeyError: The name is none of `NAMES`.
        ModuleNotFoundError: Its package is not installed, or is a version without it.
    """
    if name not in NAMES:
        raise KeyError(f"a rival must be one of {NAMES}, but got {name!r}")
    if reason := why_not(name):
        raise ModuleNotFoundError(reason)
    plain = name.removesuffix(SUFFIX)
    settings = SearchSettings(space, max_epochs, seed, workers, defaults_first=name != plain)
    family = next(family for family, names in FAMILIES.items() if plain in names)
    return cast("Strategy", import_module(f"{__name__}.{family}").make(plain, settings))


def why_not(name: str) -> str:
    """Return why a rival cannot run here; empty when it can."""
    plain = name.removesuffix(SUFFIX)
    if plain not in FAMILIES["syne"]:
        return ""
    if find_spec("syne_tune") is None:
        return f"{plain}: syne-tune is not installed; pip install 'yolo-automl-ray[bench]'"
    if plain in LEGACY and find_spec("syne_tune.optimizer.legacy_baselines") is None:
        return f"{plain}: not in syne-tune {version('syne-tune')}; benchmarks/rivals/syne.py tells where to get it"
    return ""
