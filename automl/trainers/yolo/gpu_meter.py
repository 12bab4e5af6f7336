"""Meter of a CUDA GPU, by torch."""

from dataclasses import dataclass

from automl.study.errors import TrialError
from automl.trainers.yolo.vendor import ultralytics


@dataclass(frozen=True, slots=True)
class GpuMeter:
    """The first GPU that is visible to this process: the one that Ray assigned to it."""

    device: str

    def name(self) -> str:
        """Return its name."""
        return self.device

    def memory(self) -> float:
        """Return the share of its memory in use by all processes; the context of this one counts too."""
        import torch

        free, total = torch.cuda.mem_get_info(0)
        return 1 - float(free) / float(total)


def device_meter() -> GpuMeter:
    """Return the meter of the GPU of this process.

    Raises:
        TrialError: torch sees none.
    """
    ultralytics()
    import torch

    if not torch.cuda.is_available():
        raise TrialError("torch sees no CUDA GPU in this process; see `automl doctor`")
    return GpuMeter(str(torch.cuda.get_device_name(0)))
