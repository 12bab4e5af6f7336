"""Listeners of a study's trials and re-trainings: the diagnosis and the TensorBoard writer."""

from collections.abc import Callable
from pathlib import Path

from automl.data.record import DataSet
from automl.storage import environment
from automl.study import Params
from automl.study.spec import StudySpec
from automl.tracking.diagnosis.listener import TAG, Diagnosis, Facts
from automl.tracking.tensorboard_writer import Board, BoardSettings
from automl.trainers import trainer_of
from automl.trials.jobs import RunContext
from automl.trials.listener import Listeners, TrialListener


def listeners_of(context: RunContext, data: DataSet, *, further: tuple[TrialListener, ...] = ()) -> Listeners:
    """Return the listeners of a study's trainings; the diagnosis writes its texts by the TensorBoard writer."""
    folder, spec = context.folder, context.spec
    board = board_of(folder, spec, data)
    facts = Facts(
        epochs=spec.ladder.max_epochs,
        metric=spec.metric,
        settings={**trainer_of().settings(), **spec.train},
        instances={data.names[kind]: count for kind, count in data.boxes.get("train", {}).items()},
        probed=probed_seconds(context, data),
    )

    def note(number: int, markdown: str, epoch: int) -> None:
        board.note(number, TAG, markdown, epoch=epoch)

    return Listeners((Diagnosis(facts, note), board, *further))


def probed_seconds(context: RunContext, data: DataSet) -> Callable[[Params, int], float]:
    """Return what the seconds of an epoch are by the probe of a shared GPU; 0 where there was none."""
    spec, pattern = context.spec, context.job(context.folder, number=0, params={}, seed=0)

    def seconds(params: Params, epoch: int) -> float:
        if not context.shares:
            return 0.0
        packing = context.shares.packing(context.structure(params))
        train = len(data.images["train"]) * float(spec.train.get("fraction", 1.0))
        validated = len(data.images["val"]) if pattern.validates(epoch) else 0
        return packing.epoch_seconds(train, validated) if packing else 0.0

    return seconds


def board_of(folder: Path, spec: StudySpec, data: DataSet) -> Board:
    """Return the writer of a study: its facts are the model, the data and the software that trains it."""
    images = [f"{len(paths)} {split}" for split, paths in data.images.items()]
    return Board(
        folder,
        spec.search_space,
        BoardSettings(
            metric=spec.metric,
            fixed={"model": spec.model, **spec.train},
            about={
                "model": spec.model,
                "data": f"{data.source}: {', '.join(images)} images",
                "data fingerprint": data.fingerprint,
                "classes": ", ".join(data.names.values()),
                **environment.described(environment.present(gpu=True)),
            },
            defaults=trainer_of().settings(),
            budget_mb=spec.tracking.budget_mb,
        ),
    )
