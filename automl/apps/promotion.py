"""Promotion by hand: with a reason, and against the gates of a version only with an override, which stays for ever."""

from automl.apps.version_diff import json_of
from automl.storage.alias_history import CHAMPION, Move, named
from automl.storage.layout import VERDICT
from automl.storage.registry import Registry
from automl.study.errors import RegistryError

UNKNOWN_GATE = "its verdict"
"""Stands for the gates in a verdict that lists none."""


def promote(registry: Registry, number: int, *, why: str, override: str, target: str = "") -> None:
    """Make a version the champion, of one target if it is given.

    `override` is the reason for a version that its gates refused. Of two that promote at once one wins.

    Raises:
        RegistryError: the version is damaged, its gates refused it, there is no reason, or one of the wrong kind, or
            another process moved the champion meanwhile.
    """
    serving = registry.records()[0].get(named(CHAMPION, target), 0)
    refused = refusals(registry, number, target=target)
    if override and not refused:
        raise RegistryError(
            f"--override: must be for a version that its gates refused, but version {number} is none; pass --why"
        )
    if refused and not override:
        raise RegistryError(
            f"{registry.folder}: version {number} must have passed its gates, but: {'; '.join(refused)}; to promote it "
            "nevertheless, pass --override REASON in place of --why: the reason stays in its history for ever"
        )
    require_reason(override or why, option="--override" if override else "--why")
    reason = override or f"by hand: {why}"
    if target:
        registry.promote_for(target, number, why=reason, instead_of=serving, refused=refused)
    else:
        registry.promote(number, why=reason, instead_of=serving, refused=refused)


def refusals(registry: Registry, number: int, *, target: str = "") -> list[str]:
    """Return the gates that refused a version, as text; none if it was promoted without an override before.

    A later study with the same model may have accepted what the verdict in the version refuses.

    Raises:
        RegistryError: the version or the history is damaged.
    """
    _, moves = registry.records()
    promoted = [entry["moves"] for entry in moves if entry.get("kind") == Move.PROMOTE]
    if any(made.get(name) == number for made in promoted for name in (CHAMPION, named(CHAMPION, target))):
        return []
    verdict = json_of(registry.verified(number) / VERDICT)
    if verdict.get("accepted") is not False:
        return []
    return [gate["text"] for gate in verdict.get("gates", []) if not gate["passed"]] or [UNKNOWN_GATE]


def require_reason(why: str, *, option: str = "--why") -> None:
    """Check that a reason is given.

    Raises:
        RegistryError: it is empty.
    """
    if not why.strip():
        raise RegistryError(f"why: must be a reason for the history, but got {why!r}; pass {option}")
