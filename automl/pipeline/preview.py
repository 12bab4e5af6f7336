"""What a study will do, what it can cost and how long it will take, told before anything is started."""

from collections.abc import Iterator
from pathlib import Path

from automl.data import sample
from automl.data.record import DataSet
from automl.pipeline import disk_forecast, inputs, plain_training, time_forecast
from automl.storage import scratch
from automl.storage.place import Place
from automl.study import warm_up
from automl.study.spec import SAMPLE, StudySpec
from automl.study.text import shown
from automl.trainers import trainer_of


def plan(spec: StudySpec, place: Place) -> Iterator[str]:
    """Look at the data and yield what a study will do, what it can cost and how long it will take."""
    with scratch.folder() as drawn:
        source = sample.draw(drawn) if spec.data == SAMPLE else Path(spec.data)
        data = inputs.check_data(spec, source)
        yield from _planned(spec, place, data)
        yield time_forecast.told(spec, data)


def _planned(spec: StudySpec, place: Place, data: DataSet) -> Iterator[str]:
    lessons = inputs.lessons_of(
        inputs.named_from(place.storage, spec.with_models(inputs.kept_name)), place, inputs.summary_of(data)
    )
    cost = spec.cost()
    yield f"study {spec.name}: {spec.budget.trials} trials of {spec.model}"
    for split, images in data.images.items():
        boxes = data.boxes[split]
        counted = ", ".join(f"{name} {boxes.get(number, 0)}" for number, name in data.names.items())
        yield f"data {split}: {len(images)} images; boxes: {counted}"
    for warning in data.warnings:
        yield f"data warning: {warning}"
    baseline, default = plain_training.baseline_for(spec, data), spec.search_space.defaults()
    yield plain_training.told(baseline)
    if dict(baseline.params) != default:
        yield f"default params (trial 1): {shown(default)}"
    yield from (lesson.told() for lesson in lessons)
    steps = spec.ladder
    yield f"ladder: trials are compared at epochs {list(spec.rungs)} of {steps.max_epochs}"
    yield f"        and one in {steps.reduction_factor} advances"
    yield from (f"ladder warning: {warning}" for warning in warm_up.warnings(spec, trainer_of().settings()))
    yield f"cost: {cost.fewest} to {cost.most} epochs of training, about {cost.expected}"
    fewest, most = (count * spec.ladder.max_epochs for count in spec.retrainings)
    span = f"{fewest} to {most}" if fewest < most else str(most)
    yield f"      and {span} to confirm the winner against the baseline"
    limits = {"hours": spec.budget.hours, "GPU-hours": spec.budget.gpu_hours}
    told = [f"{value:g} {unit}" for unit, value in limits.items() if value is not None]
    yield f"limits: {', '.join(told) if told else 'none but the trials'}"
    yield from disk_forecast.forecast(spec, place.storage)
