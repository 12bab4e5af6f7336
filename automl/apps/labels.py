"""Labels as the command line and the pages use them: open a data set, propose boxes, work through an audit."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from automl.apps import given_weights
from automl.data import archive, regular_files
from automl.data.importing.splits import Plan
from automl.data.labelling import proposals, settling
from automl.data.labelling.field import PERSON
from automl.data.labelling.history import Change
from automl.data.labelling.proposals import Proposed, in_shares
from automl.data.labelling.settling import Settled
from automl.data.labelling.store import FOLDER, LabelStore, State, opened
from automl.data.labelling.suspects import Suspect, work_list
from automl.storage.layout import MODELS
from automl.study.errors import DataError, RegistryError
from automl.study.yaml_io import read_yaml

if TYPE_CHECKING:
    from automl.apps.serve.detector import Detector
    from automl.apps.serve.thresholds import Thresholds

MOST_AUDIT_BYTES: Final = 256 * regular_files.MB
LABELLING: Final = FOLDER
ONNX: Final = ".onnx"
SHOWN: Final = 20
"""Changes of the history that a status shows."""


@dataclass(frozen=True, slots=True)
class LabelStatus:
    """How far the labels of a data set are."""

    source: Path
    names: tuple[str, ...]
    images: dict[str, dict[str, int]]
    """Split to state to number of images."""
    changes: int
    """Lines of the history."""
    last: tuple[Change, ...]
    """The last changes, newest first."""


@dataclass(frozen=True, slots=True)
class Proposer:
    """A model that proposes boxes, and its name."""

    name: str
    detector: "Detector"
    thresholds: "Thresholds"


def store_at(data: Path) -> LabelStore:
    """Open the labels of a data set, given by its `data.yaml` or its folder.

    Raises:
        DataError: there is none, or it cannot be used.
    """
    if data.is_file() and archive.is_archive(data):
        raise DataError(f"{data}: must be a data.yaml or its folder, but is an archive; import it: automl import")
    if not data.exists():
        raise DataError(f"{data}: must be a data.yaml or its folder, but does not exist")
    source = archive.yaml_of(data.absolute(), unpacked=data)
    return opened(source, read_yaml(source))


def status(store: LabelStore) -> LabelStatus:
    """Return how far the labels are; reads every label file."""
    store.history.refresh()
    found: dict[str, dict[str, int]] = {}
    for key, split in store.splits.items():
        counts = found.setdefault(split, dict.fromkeys(map(str, State), 0))
        counts[store.read(key).state] += 1
    changes = store.history.changes
    return LabelStatus(
        store.source, tuple(store.names.values()), found, len(changes), tuple(changes[: -SHOWN - 1 : -1])
    )


def unlabelled(store: LabelStore) -> list[str]:
    """Return the keys of the images without a label file."""
    return [key for key in store.images if store.read(key).state is State.UNLABELLED]


def proposer(model: str, storage: Path | None = None) -> Proposer:
    """Load a model that proposes boxes, as it is served: `MODEL[@VERSION]` of a registry, an ONNX file, or weights.

    `.pt` weights are exported for it; those that could run code are refused, as everywhere.

    Raises:
        RegistryError: there is none, or it cannot be served.
    """
    from automl.apps.registry import number_or_alias, referred, stored  # noqa: PLC0415  (it loads onnxruntime)
    from automl.apps.serve.backend import OnnxRuntime  # noqa: PLC0415
    from automl.apps.serve.detector import Detector  # noqa: PLC0415
    from automl.apps.serve.thresholds import Thresholds  # noqa: PLC0415
    from automl.apps.serve.version import load  # noqa: PLC0415

    path = Path(model)
    if path.suffix.lower() in {ONNX, ".pt", ".engine"}:
        if path.suffix.lower() not in given_weights.SUFFIXES or not path.is_file():
            raise RegistryError(
                f"{model}: must be an existing {' or '.join(given_weights.SUFFIXES)} file, or MODEL[@VERSION] of a "
                "registry, but is not"
            )
        content = path.read_bytes() if path.suffix.lower() == ONNX else given_weights.as_onnx(path)
        return Proposer(path.name, Detector(OnnxRuntime(content, source=model)), Thresholds())
    folder, wanted = referred(model, None, storage)
    served = load(stored(folder), number_or_alias(wanted))
    return Proposer(f"{served.name} version {served.number}", served.detector, served.thresholds)


def propose(store: LabelStore, by: Proposer, keys: Iterable[str]) -> int:
    """Let a model propose boxes for images; return how many were read. Labels are not changed.

    Raises:
        DataError: the model has none of the data set's classes.
    """
    from automl.apps.serve.images import Limits, decode  # noqa: PLC0415  (it loads OpenCV)
    from automl.apps.serve.refusal import RequestError  # noqa: PLC0415

    if not {*by.detector.names.values()} & {*store.names.values()}:
        raise DataError(
            f"{by.name}: must have a class of the data set, {[*store.names.values()]}, but has "
            f"{[*by.detector.names.values()]}"
        )
    count = 0
    for key in keys:
        try:
            picture = decode(regular_files.read(store.images[key], most=MOST_AUDIT_BYTES), Limits(100_000_000))
        except (OSError, RequestError):
            continue
        height, width = picture.shape[:2]
        boxes = in_shares(by.detector.detect(picture, by.thresholds), width=width, height=height)
        proposals.write(store, key, Proposed(by.name, boxes))
        count += 1
    return count


def has_person(store: LabelStore, key: str) -> bool:
    """Return True if a person has given boxes for an image with a feedback."""
    found = proposals.read(store, key)
    return found is not None and found.model == PERSON


def proposers(storage: Path) -> list[str]:
    """Return what may propose boxes in a storage: models of its registry, then weights files."""
    folder = storage / MODELS
    registered = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    return [*registered, *given_weights.offered(storage)]


def propose_by(store: LabelStore, model: str, storage: Path) -> int:
    """Let a model of a storage propose boxes for the images without labels; return how many.

    `model` is a name in its registry, or the path of weights relative to it.

    Raises:
        RegistryError: there is none in the storage, or it cannot be used.
        DataError: the model has none of the data set's classes.
    """
    registered = model in proposers(storage) and Path(model).suffix.lower() not in given_weights.SUFFIXES
    place = storage / MODELS / model if registered else given_weights.inside(storage, model)
    return propose(store, proposer(str(place)), unlabelled(store))


def suspects(store: LabelStore, audit: Path) -> list[Suspect]:
    """Return the work list of an audit: `audit.json`, or the folder of its study.

    Raises:
        DataError: it cannot be read.
    """
    path = audit / "audit.json" if audit.is_dir() else audit
    try:
        content = json.loads(regular_files.read(path, most=MOST_AUDIT_BYTES))
        rows: Sequence[dict[str, Any]] = content["suspects"]
        return work_list(store, list(rows))
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: must be the list of `automl audit`, but {reason}; run automl audit STUDY") from None


def settle(store: LabelStore, *, by: str, split: tuple[int, int, int] = (70, 15, 15), group: str = "") -> Settled:
    """Move the labelled images that waited into the splits."""
    return settling.settle(store, plan=Plan(split, group), by=by)
