"""First description of a study for a data set: `automl init`. Each value has its reason as a comment beside it.

The image size follows from the sizes of the objects, the batch from the number of images, the length of the study from
whether this machine has a GPU. The space is that of `search_spaces/yolo_small.yaml`.
"""

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, Final

from automl.data import archive, check, sample, summary
from automl.data.summary import Summary
from automl.pipeline import class_weights, inputs
from automl.pipeline.preview import Preview, preview
from automl.storage import scratch
from automl.storage.layout import UNPACKED
from automl.storage.place import Place
from automl.study import shipped_spaces
from automl.study.errors import DataError, SpecError
from automl.study.ladder import SCRATCH_RUNG, first_rung
from automl.study.load import load
from automl.study.spec import SAMPLE
from automl.study.text import plain_name
from automl.study.yaml_io import dump_yaml
from automl.trainers import trainer_of

SPACE_OF: Final = "yolo_small.yaml"
SMALLEST: Final = "yolo11n"
PIXELS: Final = 16
"""Side that all but the smallest tenth of the boxes should have in the model's input: two cells of the finest grid.

The finest output of the YOLO heads has a stride of 8 pixels. Ultralytics assigns to a box the cells whose centres lie
in it, and enlarges sides below 16 pixels to 16 for that (8.4.190, `utils/tal.py`, `stride_val`), so that cells beside a
smaller object are trained to find it. A rule of thumb, not fitted to results (docs/first-description.md).
"""
USUAL: Final = 640
"""Ultralytics' default, and the size that its published weights were trained at."""
LARGEST: Final = 1280
STRIDE: Final = 32
BATCH: Final = 16
LEAST_BATCH: Final = 4
STEPS: Final = 10
"""Batches an epoch, at least: with fewer, a training has too few optimizer steps."""
LENGTHS: Final = {True: (40, 48, 100), False: (16, 8, 30)}
"""Whether there is a GPU, to trials, hours and epochs of a whole training."""
WIDTH: Final = 110


@dataclass(frozen=True, slots=True)
class Traits:
    """Inputs of the description."""

    summary: Summary
    long_side: int | None
    """Median of the images' longer sides, in pixels."""
    has_test: bool
    class_ratio: float = 1.0
    """Boxes of the most frequent class over those of the rarest (`class_weights`)."""


@dataclass(frozen=True, slots=True)
class First:
    """The description for a data set, and what a study of it would do and cost."""

    text: str
    preview: Preview
    from_scratch: bool
    """No weights were found, so that training starts from random ones."""


def write(data: str, place: Place, *, folder: Path, model: str | None = None) -> First:
    """Return the description, written into `folder`, for a data set: `data.yaml`, its folder or archive, or `sample`.

    Raises:
        AutomlError: the data set or the model cannot be used.
    """
    traits, chosen = traits_of(data), model or found_weights(folder)
    named = str(Path(chosen).absolute()) if chosen and Path(chosen).is_file() else chosen
    body = described(traits, data, model=named, gpu=trainer_of().gpu_count() > 0)
    with scratch.folder() as drawn:
        path = drawn / "description.yaml"
        path.write_text(body, encoding="utf-8")
        try:
            found = preview(load(path, rules=trainer_of()), place)
        except SpecError as error:
            raise SpecError(mistake.replace(f"{path}: model:", "--model:", 1) for mistake in error.mistakes) from None
    return First(head(found) + body, found, from_scratch=named is None)


def traits_of(data: str) -> Traits:
    """Return the statistics of the training split of a data set.

    Raises:
        DataError: it has no boxes, or the data set cannot be used.
    """
    with scratch.folder() as drawn:
        given = sample.draw(drawn) if data == SAMPLE else Path(data).absolute()
        path, raw = archive.described(given, unpacked=drawn / UNPACKED)
        found = check.check(path, raw, splits=("train",))
        statistics = inputs.summary_of(found)
        if statistics is None:
            raise DataError(f"{path}: train: must have boxes of a width and a height, but has none")
        return Traits(
            statistics,
            summary.long_side(found.images["train"]),
            has_test=_usable(path, raw, "test"),
            class_ratio=class_weights.ratio(found.boxes["train"]),
        )


def _usable(path: Path, raw: Mapping[str, Any], split: str) -> bool:
    """Return True if models can be evaluated on a split; the check of a description with that split reports why not."""
    try:
        check.check(path, raw, splits=(split,))
    except DataError:
        return False
    return True


def file_name(data: str) -> str:
    """Return the name of the file where none is given.

    >>> file_name("sample")
    'sample.yaml'
    """
    return f"{_name(data)}.yaml"


def found_weights(folder: Path) -> str | None:
    """Return the smallest weights of the family, in the folder of the description or in the working folder."""
    places = (folder / f"{SMALLEST}.pt", Path(f"{SMALLEST}.pt"))
    return next((str(place) for place in places if place.is_file()), None)


def image_size(traits: Traits) -> int:
    """Return the image size at which all but a tenth of the boxes span two cells, no larger than the images.

    At the size of the images more would cost its square in time and adds no detail.
    """
    wanted = min(max(USUAL, whole_strides(PIXELS / traits.summary.sizes[0])), LARGEST)
    own = whole_strides(traits.long_side) if traits.long_side else wanted
    return min(wanted, own)


def whole_strides(pixels: float) -> int:
    """Return the least multiple of the stride that is not below some pixels.

    >>> whole_strides(100)
    128
    """
    return ceil(pixels / STRIDE) * STRIDE


def batch_size(images: int, size: int) -> int:
    """Return a batch that leaves ten steps an epoch and takes no more memory than the usual one at the usual size.

    >>> batch_size(1000, 640), batch_size(1000, 1280), batch_size(50, 640)
    (16, 4, 4)
    """
    batch = BATCH
    while batch > LEAST_BATCH and (images < STEPS * batch or batch * size**2 > BATCH * USUAL**2):
        batch //= 2
    return batch


def described(traits: Traits, data: str, *, model: str | None, gpu: bool) -> str:
    """Return the description without its forecast."""
    size = image_size(traits)
    batch = batch_size(traits.summary.images, size)
    trials, hours, epochs = LENGTHS[gpu]
    short = "" if gpu else "No GPU here, so the study is short; with one: {trials: 40, hours: 48}, max_epochs: 100. "
    source = data if data == SAMPLE else str(archive.yaml_if_folder(Path(data).absolute()))
    parts = (
        (_of_data(traits), dump_yaml({"name": _name(data), "data": source})),
        (_of_model(model), dump_yaml({"model": model or f"{SMALLEST}.yaml"})),
        ("What is maximised, on val.", "objective: map50_95\n"),
        (f"{short}The search ends at the first of these limits.", f"budget: {{trials: {trials}, hours: {hours}}}\n"),
        _of_ladder(first_rung(model, epochs), epochs),
        _of_space(traits.class_ratio),
        (
            f"{_of_size(traits, size)} {_of_batch(batch)}",
            f"train: {{imgsz: {size}, batch: {batch}, close_mosaic: 10}}\n",
        ),
        (_of_split(traits), f"confirm: {{split: {'test' if traits.has_test else 'val'}}}\n"),
        ("Seed of the search and of the trials.", "seed: 0\n"),
    )
    return "\n".join(_comment(reason) + lines for reason, lines in parts)


def head(found: Preview) -> str:
    """Return the first comment: how to use the file, and the forecast of its cost."""
    fewest, most = found.confirm_epochs
    return "\n".join((
        _comment(
            "Written by `automl init`. `automl check FILE` checks it again, `automl search FILE` runs it. For help in "
            "an editor: `automl schema --out description.schema.json`, and as the first line here "
            "`# yaml-language-server: $schema=description.schema.json`."
        )
        + "#",
        _comment(
            f"Cost of the search: {found.cost.fewest} to {found.cost.most} epochs of training, about "
            f"{found.cost.expected}; of the confirmation: {fewest} to {most}, about {found.confirm_expected}."
        )
        + _comment(found.time.summary()),
        "",
    ))  # fmt: skip


def _comment(text: str) -> str:
    return "".join(f"# {line}\n" for line in textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False))


def _name(data: str) -> str:
    """Return a study's name from the folder or the archive of its data set."""
    path = Path(data).absolute()
    of_folder = path.parent if path.suffix.lower() in {".yaml", ".yml"} else path if path.is_dir() else None
    return plain_name(data if data == SAMPLE else of_folder.name if of_folder else path.name.partition(".")[0])


def _of_space(class_ratio: float) -> tuple[str, str]:
    """Return the space; `cls_pw` is in it where classes differ in frequency."""
    lines = (shipped_spaces.folder() / SPACE_OF).read_text(encoding="utf-8").splitlines()
    weighted = class_ratio >= class_weights.UNEVEN
    kept = [line for line in _block(lines, "space:") if weighted or f" {class_weights.SETTING}:" not in line]
    seen = f"the most frequent class has {class_ratio:.3g} times as many boxes as the rarest"
    return (
        f"As in search_spaces/{SPACE_OF}: ranges around Ultralytics' defaults, which are trial 0. "
        f"{'With' if weighted else 'Without'} {class_weights.SETTING}, since {seen}.",
        "".join(f"{line}\n" for line in kept),
    )


def _block(lines: list[str], key: str) -> Iterator[str]:
    """Yield the line of a key and the indented lines below it."""
    start = lines.index(key)
    yield lines[start]
    for line in lines[start + 1 :]:
        if not line.startswith(" "):
            return
        yield line


def _of_data(traits: Traits) -> str:
    statistics = traits.summary
    low, middle, _ = statistics.sizes
    sides = f"; half of the images are longer than {traits.long_side} pixels" if traits.long_side else ""
    return (
        f"{statistics.images} train images, {statistics.classes} classes, {statistics.boxes:.3g} boxes an image. A "
        f"tenth of the boxes is smaller than {low:.2%} of the image's side, half of them smaller than "
        f"{middle:.2%}{sides}."
    )


def _of_model(model: str | None) -> str:
    if model:
        return "Each trial starts from this model. To compare sizes, make `model` a choice in `space`."
    return (
        f"No {SMALLEST}.pt is beside this file or in the working folder (nothing is downloaded), so trials start "
        f"from random weights. Pretrained weights usually reach a higher score: download {SMALLEST}.pt and set it here."
    )


def _of_ladder(rung: int, epochs: int) -> tuple[str, str]:
    late = "after twice the longest warm-up" if rung == SCRATCH_RUNG else "since models start from weights"
    reason = f"Trials are first compared at epoch {rung}, {late}; one in 3 advances. A complete training takes {epochs}"
    return f"{reason} epochs.", f"ladder: {{min_epochs: {rung}, max_epochs: {epochs}, reduction_factor: 3}}\n"


def _of_size(traits: Traits, size: int) -> str:
    low = traits.summary.sizes[0]
    boxes = f"at {size} pixels all but the smallest tenth of the boxes span about {low * size:.0f} pixels or more"
    wanted = f"{PIXELS} are wanted: two cells of the model's finest grid"
    if traits.long_side and size == whole_strides(traits.long_side):
        larger = "" if low * size >= PIXELS else f" If small ones are missed, try {2 * size}: more cells, 4 x the time."
        return f"imgsz is the size of the images, a larger one adds no detail; {boxes}, and {wanted}.{larger}"
    if size == USUAL:
        return f"imgsz is Ultralytics' default; {boxes}, and {wanted}."
    return f"imgsz is above Ultralytics' {USUAL}, since the boxes are small: {boxes}, and {wanted}."


def _of_batch(batch: int) -> str:
    if batch == BATCH:
        return "batch is Ultralytics' default."
    return f"batch is below Ultralytics' {BATCH}, to have {STEPS} steps an epoch and to fit the memory at this size."


def _of_split(traits: Traits) -> str:
    if traits.has_test:
        return "Finalists and the model that ships are evaluated on the test images, which no trial uses."
    return (
        "The data set has no test split that can be used (`automl check FILE --set confirm.split=test` says why), so "
        "the result is evaluated on val, which the search has used: its score will be somewhat too high."
    )
