"""Push of a version to the model registry of an MLflow server, by its REST API, with the same aliases.

A version becomes a model version with a run of its own, whose artifacts are the files of the version. Idempotent: a
version that the server has, by name, number and SHA-256 of its manifest, is not sent again.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from automl.storage import files
from automl.storage.alias_history import NAMES
from automl.storage.layout import CARD, MANIFEST
from automl.study.errors import RegistryError
from automl.tracking.mlflow.client import Client, Refused, Unreachable

NUMBER: Final = "automl.version"
DIGEST: Final = "automl.manifest"
FOLDER: Final = "version"
"""Folder of the artifacts of a run in which the files are."""
MOST: Final = 1000
"""Model versions of a page."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """What the server has after a push."""

    name: str
    number: int
    """Of the version here."""
    version: str
    """Of the model version there."""
    sent: bool
    """Whether it was sent now; False if the server had it."""
    aliases: Mapping[str, str]
    """Alias to model version, as set there."""
    left_out: tuple[str, ...]
    """Aliases of versions that the server does not have."""


def push(client: Client, folder: Path, *, name: str, aliases: Mapping[str, int]) -> Pushed:
    """Send a version, and set the aliases of all versions that the server has; other aliases there are not changed.

    `folder` is that of the version, every byte of which was checked.

    Raises:
        RegistryError: the server does not answer, or refuses.
    """
    try:
        return _pushed(client, folder, name=name, aliases=aliases)
    except Unreachable as error:
        raise RegistryError(
            f"{client.uri}: must be an MLflow server, but {error}; push again when it answers"
        ) from None
    except Refused as error:
        raise RegistryError(f"{client.uri}: must accept version {int(folder.name)} of {name}, but {error}") from None
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise RegistryError(f"{client.uri}: must answer as MLflow does, but {type(error).__name__}: {error}") from None


def _pushed(client: Client, folder: Path, *, name: str, aliases: Mapping[str, int]) -> Pushed:
    _ensure_model(client, name)
    number, digest = int(folder.name), files.sha256(folder / MANIFEST)
    there = _versions(client, name)
    sent = there.get(number, {}).get("digest") != digest
    if sent:
        there[number] = {"version": _send(client, folder, name=name, digest=digest), "digest": digest}
    known = {alias: str(there[one]["version"]) for alias, one in aliases.items() if one in there}
    _set_aliases(client, name, known)
    left_out = tuple(alias for alias, one in aliases.items() if one not in there)
    return Pushed(name, number, str(there[number]["version"]), sent, known, left_out)


def _ensure_model(client: Client, name: str) -> None:
    try:
        client.call("POST", "registered-models/create", {"name": name})
    except Refused as refused:
        if "RESOURCE_ALREADY_EXISTS" not in str(refused):
            raise


def _versions(client: Client, name: str) -> dict[int, dict[str, str]]:
    """Return the model versions that were pushed from here: number to version there and digest."""
    found: dict[int, dict[str, str]] = {}
    token = ""
    while True:
        more = f"&page_token={quote(token, safe='')}" if token else ""
        wanted = quote(f"name='{name}'", safe="")
        page = client.call("GET", f"model-versions/search?filter={wanted}&max_results={MOST}{more}")
        for one in page.get("model_versions", []):
            tags = {tag["key"]: tag["value"] for tag in one.get("tags", [])}
            if NUMBER in tags and one.get("status", "READY") == "READY":
                held = found.get(int(tags[NUMBER]))
                if held is None or int(held["version"]) < int(one["version"]):
                    found[int(tags[NUMBER])] = {"version": str(one["version"]), "digest": tags.get(DIGEST, "")}
        if not (token := page.get("next_page_token", "")):
            return found


def _send(client: Client, folder: Path, *, name: str, digest: str) -> str:
    """Upload the files into a new run and register them; return the model version."""
    number = int(folder.name)
    tags = {NUMBER: str(number), DIGEST: digest}
    run = client.create(client.experiment(name), name=f"{name} version {number}", start=_now(), tags=tags)["info"]
    for path in sorted(folder.iterdir()):
        if not client.upload(run["artifact_uri"], f"{FOLDER}/{path.name}", path.read_bytes()):
            raise Refused("it does not store artifacts itself; start it with --artifacts-destination")
    client.update(run["run_id"], status="FINISHED", end=_now())
    card = folder / CARD
    made = client.call("POST", "model-versions/create", {
        "name": name, "source": f"{run['artifact_uri']}/{FOLDER}", "run_id": run["run_id"],
        "tags": [{"key": key, "value": value} for key, value in tags.items()],
        "description": card.read_text(encoding="utf-8") if card.is_file() else "",
    })  # fmt: skip
    return str(made["model_version"]["version"])


def _set_aliases(client: Client, name: str, wanted: Mapping[str, str]) -> None:
    """Make the aliases of a model those of this registry."""
    model = client.call("GET", f"registered-models/get?name={quote(name, safe='')}")["registered_model"]
    there = {one["alias"]: str(one["version"]) for one in model.get("aliases", [])}
    for alias, version in wanted.items():
        if there.get(alias) != version:
            client.call("POST", "registered-models/alias", {"name": name, "alias": alias, "version": version})
    for alias in sorted({*there} & NAMES - {*wanted}):
        client.call("DELETE", "registered-models/alias", {"name": name, "alias": alias})


def _now() -> int:
    return int(time.time() * 1000)
