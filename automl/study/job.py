"""Job: one training for a worker, in plain values."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

from automl.study.trial import Params

YOLO: Final = "yolo"


@dataclass(frozen=True, slots=True)
class Job:
    """One training for a worker: all that it needs, in plain values."""

    folder: Path
    """Where checkpoints, curves and the log go; on the study's storage."""
    number: int
    params: Params
    seed: int
    epochs: int
    model: str
    data: str
    metric: str
    """The tag that decides which epoch's weights become `best.pt`."""
    settings: Mapping[str, Any]
    """Fixed settings passed to Ultralytics; `params` override them."""
    split: str = "val"
    """The split of the final evaluation."""
    gpus: float = 0.0
    threads: int = 1
    validate_every: int = 1
    """Validation interval in epochs; the rungs and the last epoch are validated as well."""
    rungs: tuple[int, ...] = ()
    """The epochs at which the trial is compared with others."""
    pictures_every: int = 0
    """Interval of pictures in epochs, beside those of the first and the last; 0: no pictures."""
    histograms: bool | None = None
    """Histograms of weights and gradients with the pictures; None: where the loss oscillates."""
    attempt: int = 1
    """Attempt number, starting with 1: how often the trial was assigned; earlier attempts must not write any more."""
    cpus: float = 0.0
    """CPU cores that it needs while it runs; 0: those of a trial of the session."""
    memory_gb: float = 0.0
    """Main memory that it needs, in GB (10^9 bytes); 0: not counted."""
    local_copy: str = "never"
    """Whether its node copies the data set to its own disk: `auto`, `always`, `never`."""
    local_copy_gb: float = 0.0
    """Maximum size of all such copies on the node, in GB (10^9 bytes)."""
    known: int = 0
    """Epochs that the driver has recorded: of those a resumed training reports the last one alone."""
    trainer: str = YOLO
    """The registered name of its trainer (`automl.trainers`)."""

    @property
    def shares_gpu(self) -> bool:
        """Return True if other trials train on its GPU."""
        return 0 < self.gpus < 1

    @property
    def judged_metric(self) -> str:
        """Return the tag of the objective on the split of the final evaluation, such as `test/map50_95`."""
        return f"{self.split}/{self.metric.partition('/')[2]}"

    def validates(self, epoch: int) -> bool:
        """Return True if the training validates after an epoch."""
        return epoch % self.validate_every == 0 or epoch in self.rungs or epoch == self.epochs

    def pictures(self, epoch: int) -> bool:
        """Return True if the training shows pictures after an epoch: the first that is validated from a due one on."""
        if not self.pictures_every or not self.validates(epoch):
            return False
        before = next((earlier for earlier in range(epoch - 1, 0, -1) if self.validates(earlier)), 0)
        return any(due in (1, self.epochs) or due % self.pictures_every == 0 for due in range(before + 1, epoch + 1))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for YAML; defaults of newer fields are omitted, as in files of earlier versions."""
        plain = asdict(self) | {
            "folder": str(self.folder),
            "params": dict(self.params),
            "settings": dict(self.settings),
            "rungs": list(self.rungs),
        }
        newer = {"trainer": YOLO, "pictures_every": 0, "histograms": None, "cpus": 0.0, "memory_gb": 0.0, "known": 0,
                 "local_copy": "never", "local_copy_gb": 0.0}  # fmt: skip
        return {name: value for name, value in plain.items() if name not in newer or value != newer[name]}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        return cls(**{**plain, "folder": Path(plain["folder"]), "rungs": tuple(plain.get("rungs", ()))})
