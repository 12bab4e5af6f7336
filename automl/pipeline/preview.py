"""Preview of a study before it starts: data, baseline, ladder, cost, disk and time (`automl check`)."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from automl.data import sample
from automl.data.record import DataSet
from automl.data.report.collect import collect
from automl.data.report.records import DataReport
from automl.hpo import statistics
from automl.hpo.warm_start import Transfer
from automl.pipeline import disk_forecast, inputs, machine, plain_training, portfolio, proof, time_forecast
from automl.pipeline.disk_forecast import DiskForecast
from automl.pipeline.proof import SpaceProof
from automl.pipeline.time_forecast import TimeForecast
from automl.release import openvino_models
from automl.storage import scratch
from automl.storage.layout import UNPACKED
from automl.storage.place import Place
from automl.study import Params, mosaic, objective, repeats, structure, warm_up
from automl.study.baseline import Baseline
from automl.study.errors import StudyError
from automl.study.ladder import Cost
from automl.study.model_files import renamed
from automl.study.results import Contract
from automl.study.space_spec import ChoiceSpec
from automl.study.spec import SAMPLE, StudySpec
from automl.study.text import one_line, shown
from automl.tracking import data_report
from automl.trainers import trainer_of

USUAL: Final = 640
"""Image size where neither description nor trainer has one."""
REFUSED: Final = "the space is refused, see the last lines"


@dataclass(frozen=True, slots=True)
class Split:
    """One split of the data set."""

    images: int
    boxes: Mapping[str, int]
    """Maps a class name to its number of boxes."""


@dataclass(frozen=True, slots=True)
class Preview:
    """Preview of a study: its trials, cost, disk and time; starts nothing."""

    study: str
    model: str
    trials: int
    splits: Mapping[str, Split]
    data_warnings: tuple[str, ...]
    baseline: Baseline
    """Params of trial 0."""
    default_params: Params
    """Params of trial 1, if they differ from the baseline."""
    warm_start: tuple[Transfer, ...]
    rungs: tuple[int, ...]
    """Epochs at which trials are compared."""
    max_epochs: int
    reduction_factor: int
    """One trial in this many advances."""
    ladder_warnings: tuple[str, ...]
    cost: Cost
    """Training epochs of the search."""
    confirm_epochs: tuple[int, int]
    """Training epochs of the fewest and of the most re-trainings."""
    confirm_expected: int
    """Training epochs of the re-trainings, on average."""
    hours: float | None
    gpu_hours: float | None
    disk: DiskForecast
    time: TimeForecast
    portfolio: str = ""
    """Params of other data sets that follow the default, as text; empty if none are asked for."""
    past_studies: tuple[str, ...] = ()
    """Best params of past studies that follow the default, as lines."""
    machine_warnings: tuple[str, ...] = ()
    """Resources that the description requires and this machine lacks."""
    several_gpus: tuple[str, ...] = ()
    """Trials that use several GPUs, as lines."""
    packing: tuple[str, ...] = ()
    """How trials share GPUs with `resources.gpus: auto`, as lines."""
    space_warnings: tuple[str, ...] = ()
    """Trials that must repeat params."""
    contract_warnings: tuple[str, ...] = ()
    """Images that the judged split lacks to show the contract."""
    constraints: tuple[str, ...] = ()
    """Limits on what a model may cost, as in the description."""
    structures: int = 0
    """Models and image sizes that are measured before the first trial, if a cost counts."""
    second: tuple[str, ...] = ()
    """The second objective and the rule by which a model ships, as lines."""
    data_report: DataReport | None = None
    total_hours: float | None = None
    """Limit of the whole study, confirmation and export included."""
    proof: SpaceProof | None = None
    """Which searched parameters change a training, if that was requested."""
    page: Path | None = None
    """HTML page of the data report, if one was requested."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return all warnings: of the data, the space, the ladder, the machine and the disk.

        Those of the data may have several lines; the names in all of them are escaped.
        """
        ours = (*self.space_warnings, *self.ladder_warnings, *self.machine_warnings, *self.contract_warnings)
        return (*self.data_warnings, *map(one_line, filter(None, (*ours, self.disk.warning))))

    def __str__(self) -> str:
        """Return the text of `automl check`."""
        return "\n".join(map(one_line, self.lines()))

    def lines(self) -> Iterator[str]:
        """Yield the lines of `automl check`."""
        yield f"study {self.study}: {self.trials} trials of {self.model}"
        yield from self._data()
        yield plain_training.summary(self.baseline)
        if self.default_params:
            yield f"default params (trial 1): {shown(self.default_params)}"
        yield from (transfer.summary() for transfer in self.warm_start)
        yield from (*self.past_studies, *filter(None, [self.portfolio]))
        yield f"ladder: trials are compared at epochs {list(self.rungs)} of {self.max_epochs}"
        yield f"        and one in {self.reduction_factor} advances"
        if self.constraints:
            yield f"constraints: {', '.join(self.constraints)}"
        yield from self.second
        if self.structures:
            yield f"models and image sizes measured before the first trial: {self.structures}"
        yield from self.several_gpus
        yield from self.packing
        yield from (f"space warning: {warning}" for warning in self.space_warnings)
        yield from self.proof.lines() if self.proof else ()
        yield from (f"ladder warning: {warning}" for warning in self.ladder_warnings)
        yield from (f"machine warning: {warning}" for warning in self.machine_warnings)
        yield from (f"contract warning: {warning}" for warning in self.contract_warnings)
        yield from self._cost()
        yield from self.disk.lines()
        yield self.time.summary()
        yield from filter(None, (self.time.plan(),))

    def _data(self) -> Iterator[str]:
        for name, split in self.splits.items():
            counted = ", ".join(f"{label} {count}" for label, count in split.boxes.items())
            yield f"data {name}: {split.images} images; boxes: {counted}"
        for warning in self.data_warnings:
            yield from f"data warning: {warning}".split("\n")
        yield from self.data_report.lines() if self.data_report else ()
        if self.page:
            yield f"data report: {self.page}"

    def _cost(self) -> Iterator[str]:
        yield f"cost: {self.cost.fewest} to {self.cost.most} epochs of training, about {self.cost.expected}"
        fewest, most = self.confirm_epochs
        span = f"{fewest} to {most}, about {self.confirm_expected}," if fewest < most else str(most)
        yield f"      and {span} to confirm the winner against the baseline"
        limits = {"hours": self.hours, "GPU-hours": self.gpu_hours, "hours in all": self.total_hours}
        parts = [f"{value:g} {unit}" for unit, value in limits.items() if value is not None]
        yield f"limits: {', '.join(parts) if parts else 'only the number of trials'}"


def preview(spec: StudySpec, place: Place, *, page: Path | None = None, prove: bool = False) -> Preview:
    """Check the data, time a few batches, and return the preview; write the page of the data report if given a path.

    With `prove`, parameters without effect are in `Preview.proof` and raise no error.

    Raises:
        AutomlError: the data or an earlier study cannot be used, the quota is too small, or nothing can be written.
    """
    if page:
        data_report.refuse_other(page)
    refuse_unwritable(place.study(spec.name))
    with scratch.folder() as drawn:
        source = sample.draw(drawn) if spec.data == SAMPLE else Path(spec.data)
        unpacked, split = drawn / UNPACKED, spec.confirm.split
        study = None if spec.data == SAMPLE else place.study(spec.name)
        searched = {} if prove else spec.space
        data = inputs.check_data(source, unpacked=unpacked, split=split, searched=searched, study=study)
        inputs.refuse_misfits(spec, data)
        report = collect(data, imgsz=image_size(spec.space.get("imgsz"), spec.train))
        if page and report:  # the images of the sample or an archive are gone later
            data_report.write(report, page)
        shown_space = proof.prove(spec, data) if prove else None
        refused = shown_space is not None and shown_space.refused
        time = TimeForecast(problem=REFUSED) if refused else time_forecast.forecast(spec, data)
        return replace(_of(spec, place, data, time), data_report=report, page=page, proof=shown_space)


def image_size(part: object, train: Mapping[str, object]) -> int:
    """Return the image size of a study's trials by `space.imgsz` and `train`; the default one where it is searched."""
    searched = part.default if isinstance(part, ChoiceSpec) else None
    given = searched or train.get("imgsz") or trainer_of().settings().get("imgsz")
    return given if isinstance(given, int) else USUAL


def _of(spec: StudySpec, place: Place, data: DataSet, time: TimeForecast) -> Preview:
    named = inputs.named_from(place.storage, renamed(spec, inputs.kept_name))
    space, epochs = spec.search_space, spec.ladder.max_epochs
    baseline, default = plain_training.baseline_for(data, space, train=spec.train, epochs=epochs), space.defaults()
    fewest, most = (count * epochs for count in spec.retrainings)
    fixed = trainer_of().settings() | spec.train
    summary = inputs.summary_of(data)
    after_default = portfolio.chosen(named, baseline, storage=place.storage, data=summary)
    return Preview(
        study=spec.name,
        model=spec.model,
        trials=spec.budget.trials,
        splits=_splits(data),
        data_warnings=(*data.warnings, *inputs.setting_warnings(spec.train, data, searched=spec.space)),
        baseline=baseline,
        default_params=default if dict(baseline.params) != default else {},
        warm_start=inputs.transfers_of(named, place, summary),
        rungs=spec.ladder.rungs,
        max_epochs=epochs,
        reduction_factor=spec.ladder.reduction_factor,
        ladder_warnings=(
            *warm_up.warnings(spec.ladder, space, fixed=fixed, model=spec.model),
            *mosaic.warnings(space, epochs=epochs, fixed=fixed),
        ),
        cost=spec.cost(),
        confirm_epochs=(fewest, most),
        confirm_expected=spec.expected_retrainings * epochs,
        hours=spec.budget.hours,
        gpu_hours=spec.budget.gpu_hours,
        total_hours=spec.budget.total_hours,
        disk=disk_forecast.forecast(spec, place.storage),
        time=time,
        portfolio=after_default.shipped_text,
        past_studies=tuple(after_default.past_lines()),
        machine_warnings=(*machine.warnings(spec.resources), *_target_warnings(list(spec.targets))),
        contract_warnings=tuple(_contract_warnings(spec.agreed, data, spec.confirm.split)),
        constraints=tuple(one.text for one in spec.constraints),
        structures=len(structure.assignments(space)) if spec.costs else 0,
        second=tuple(_second(spec.second, spec.goal.tolerance)),
        several_gpus=tuple(machine.several(spec)),
        packing=tuple(machine.packing(spec.resources, spec.search_space)),
        space_warnings=tuple(repeats.warnings(space, spec.budget.trials)),
    )


def _second(cost: objective.Cost | None, tolerance: float) -> Iterator[str]:
    if cost is None:
        return
    rule = f"the cheapest whose best trial is within {tolerance:g} of the best" if tolerance else "the most accurate"
    yield f"second objective: {cost.text}, minimised; of models and image sizes ships {rule}"


def _target_warnings(targets: Sequence[str]) -> Iterator[str]:
    if targets and (missing := openvino_models.missing()):
        yield (
            f"targets: {', '.join(targets)}: {' and '.join(missing)} must be installed where the study runs, "
            "but is missing here: the artifact would be refused after the search; "
            "pip install 'yolo-automl-ray[openvino]'"
        )


def _contract_warnings(agreed: Contract | None, data: DataSet, split: str) -> Iterator[str]:
    """Yield what the judged split lacks: without a single failure, so many images would just show the rate."""
    if agreed is None:
        return
    images = data.images[split]
    boxed = sum(bool(data.texts.get(image, "").strip()) for image in images)
    here = {
        "max_miss_rate": (agreed.max_miss_rate, "images with boxes", boxed),
        "max_overkill_rate": (agreed.max_overkill_rate, "images without boxes", len(images) - boxed),
    }
    if agreed.per == "box":  # how many boxes a model predicts is not known yet
        here = {"max_miss_rate": (agreed.max_miss_rate, "boxes", sum(data.boxes[split].values()))}
    for key, (rate, things, count) in here.items():
        if count < (needed := statistics.least_tries(rate, confidence=agreed.confidence)):
            yield (
                f"contract.{key}: {rate:.2%} with {agreed.confidence:.0%} confidence needs at least {needed} {things} "
                f"in {split}, but it has {count}: the contract cannot be shown to hold; add images, or raise it"
            )


def refuse_unwritable(folder: Path) -> None:
    """Check that a study's folder is there and can be written, or can be made; nothing is written.

    Raises:
        StudyError: it cannot.
    """
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        why = "is not writable" if nearest.is_dir() else "is not a folder"
        raise StudyError(f"{folder}: must be a writable folder, but {nearest} {why}; pass --storage")


def _splits(data: DataSet) -> dict[str, Split]:
    return {
        split: Split(len(images), {name: data.boxes[split].get(number, 0) for number, name in data.names.items()})
        for split, images in data.images.items()
    }
