"""What the exported ONNX file costs: latency in the model and end to end, and size; measured on a node."""

import logging
from pathlib import Path
from typing import Final

from automl import cluster
from automl.data import staging
from automl.pipeline.session import Session
from automl.release import end_to_end, footprint
from automl.storage.layout import EVALUATION, EXPORT, ONNX
from automl.study import Footprint, Job
from automl.study.objective import ONNX_TARGET
from automl.trials import data_mount

LOG: Final = logging.getLogger(__name__)


def of_onnx(session: Session, job: Job, slots: cluster.Slots) -> Footprint | None:
    """Return the footprint of the ONNX file; None where nothing asks for it."""
    folder, spec = session.folder / EXPORT, session.spec
    if not spec.export.end_to_end and all(cost.target != ONNX_TARGET for cost in spec.costs):
        return None
    pictures = timed_on(session.staged, split=spec.confirm.split, wanted=spec.export.end_to_end)
    order = (folder / ONNX, pictures, folder / EVALUATION)
    cost, note = data_mount.retried(
        lambda: cluster.call(footprint.shipped, order, slots), job.data, who="the evaluation"
    )
    LOG.info(f"ONNX file: {cost.text}")
    if note:
        LOG.info(f"note: ONNX file: {note}")
    return cost


def timed_on(staged: Path, *, split: str, wanted: bool) -> tuple[Path, ...]:
    """Return the images on which artifacts are timed end to end; none where that is not wanted."""
    return tuple(staging.images_of(staged, split=split)[: end_to_end.PICTURES]) if wanted else ()
