"""Checks against the data set: images that Ultralytics left out, and settings that do not fit model or classes."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from automl.data import staging
from automl.study.errors import DataError, TrialError
from automl.study.messages import shown
from automl.trainers.yolo.pickle_scan import refuse_strange
from automl.trainers.yolo.vendor import ultralytics

SHOWN: Final = 5


def refuse_left_out(dataset: Any, marker: Path, split: str) -> None:  # noqa: ANN401
    """Compare the images that a data set of Ultralytics kept with the staged ones of its split.

    Raises:
        DataError: some are missing: it leaves out, with a line in its own log, what it could not read.
    """
    staged = [path.name for path in staging.images_of(marker, split=split)]
    fraction = dataset.fraction
    count = fraction if isinstance(fraction, int) else max(1, round(len(staged) * fraction))
    _refuse_missing(staged[:count], [Path(file).name for file in dataset.im_files], marker=marker, split=split)


def refuse_unjudged(names: Sequence[str], marker: Path, split: str) -> None:
    """Compare the names of the images on which a model was judged with the staged ones of the split.

    Raises:
        DataError: some are missing.
    """
    staged = [path.name for path in staging.images_of(marker, split=split)]
    _refuse_missing(staged, names, marker=marker, split=split)


def _refuse_missing(staged: Sequence[str], kept: Sequence[str], *, marker: Path, split: str) -> None:
    known = {*kept}
    if missing := [name for name in staged if name not in known]:
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        raise DataError(
            f"{marker}: {split}: all {len(staged)} staged images must be read, but Ultralytics left out "
            f"{len(missing)}: {', '.join(missing[:SHOWN])}{more}; see whether they can be read on this machine"
        )


def scan_labels(data: Path) -> None:
    """Let Ultralytics write its label caches for all splits, to avoid a race of trials that start together.

    Raises:
        DataError: it cannot read a split, or leaves out images of it.
    """
    vendor = ultralytics()
    from ultralytics.data.dataset import YOLODataset
    from ultralytics.data.utils import check_det_dataset

    found = check_det_dataset(str(data), autodownload=False)
    for split in ("train", "val", "test"):
        if not found.get(split):
            continue
        try:
            read = YOLODataset(
                found[split], data=found, task="detect", augment=False, hyp=vendor.cfg.get_cfg(), imgsz=32
            )
        except (RuntimeError, FileNotFoundError) as error:
            reason = " ".join(str(error).split())[:300]
            raise DataError(f"{data}: {split}: must be read by Ultralytics, but: {reason}") from None
        refuse_left_out(read, data, split)


def misfits(values: Mapping[str, Sequence[Any]], *, model: str, names: Mapping[int, str]) -> Iterator[str]:
    """Yield `name: law, but got value` for each setting that does not fit the model's layers or the data's classes."""
    for value in values.get("classes", ()):
        if value is not None and (unknown := [number for number in _numbers(value) if number not in names]):
            yield f"classes: must be classes of the data set, 0 to {len(names) - 1}, but got {shown(unknown)}"
    frozen = [value for value in values.get("freeze", ()) if value]
    count = layers(model) if frozen else 0
    for value in frozen:
        if isinstance(value, int) and value >= count:
            yield (
                f"freeze: must be less than the {count} layers of {Path(model).name}, so that one is left to train, "
                f"but got {shown(value)}"
            )
        elif not isinstance(value, int) and (unknown := [number for number in value if number >= count]):
            yield f"freeze: must be layers of {Path(model).name}, 0 to {count - 1}, but got {shown(unknown)}"
        elif not isinstance(value, int) and len(value) == count:
            yield f"freeze: must leave a layer of {Path(model).name} to train, but got all {count}"


def layers(model: str) -> int:
    """Return the number of layers of a model, by its weights or its description.

    Raises:
        TrialError: the file is no model, or it may run code.
    """
    return len(built(model).model)


def built(model: str) -> Any:  # noqa: ANN401
    """Return the network of a model, by its weights or its description.

    Raises:
        TrialError: the file is no model, or it may run code.
    """
    vendor = ultralytics()
    refuse_strange(model)
    try:
        return vendor.YOLO(model, task="detect").model
    except (RuntimeError, OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrialError(f"{model}: cannot be read as a model: {error}") from error


def _numbers(value: int | Sequence[int]) -> Sequence[int]:
    return [value] if isinstance(value, int) else value
