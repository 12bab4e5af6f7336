"""Import of Ultralytics without network access, and the mapping of its metrics to our tags."""

import os
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from automl.trainers.yolo import offline

METRICS: Final = {
    "metrics/precision(B)": "val/precision",
    "metrics/recall(B)": "val/recall",
    "metrics/mAP50(B)": "val/map50",
    "metrics/mAP50-95(B)": "val/map50_95",
}
TRUST: Final = "AUTOML_TRUST_WEIGHTS"
L1_LOSS: Final = "l1_loss"
"""Ultralytics' name of the edge loss in models without DFL; one tag serves both, to compare model families."""


def ultralytics() -> Any:  # noqa: ANN401
    """Import Ultralytics, or return it; its settings are this process's own and switch every integration off."""
    folder = offline.disable_network()
    import ultralytics

    if ultralytics.utils.downloads.safe_download is not _refuse:
        own = {name: str(folder / name) for name in ("weights_dir", "runs_dir", "datasets_dir")}
        ultralytics.settings.update(offline.disabled_integrations() | own)
        # The one download that no setting disables: on a GPU the check of mixed precision needs weights of its own. It
        # treats a failed download as "offline" and continues.
        ultralytics.utils.downloads.safe_download = _refuse
        ultralytics.utils.WEIGHTS_DIR = folder / "weights_dir"  # was fixed at the import, in the working folder
    return ultralytics


def _refuse(*arguments: object, **_more: object) -> NoReturn:
    raise ConnectionError(f"downloads are disabled, but {arguments or 'a download'} was requested")


def named(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Rename Ultralytics' metrics to our tags and leave out its `fitness`."""
    return {
        METRICS.get(name, name.replace(L1_LOSS, "dfl_loss")): float(value)
        for name, value in metrics.items()
        if name != "fitness"
    }


def trusted() -> bool:
    """Return True if the user trusts weights that contain more than layers and numbers."""
    return os.environ.get(TRUST) == "1"


def rank() -> int:
    """Return the rank of this process in a training of several, -1 in one of a single process."""
    return int(ultralytics().utils.RANK)


def unwrapped(trainer: Any) -> Any:  # noqa: ANN401
    """Return the model of a trainer; in a training of several processes torch's `DistributedDataParallel` wraps it."""
    return getattr(trainer.model, "module", trainer.model)


def set_threads(count: int) -> None:
    """Use that many CPU threads; Ultralytics sets a number of its own when it selects the device."""
    import torch

    torch.set_num_threads(count)
