"""EvalSettings: how a model is validated, exported, evaluated and served, in one record published with it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class EvalSettings:
    """Settings from a model's outputs to the boxes that count, for training, evaluation and service."""

    imgsz: int
    """Edge of the square letterbox, in pixels."""
    channels: int
    """Channels of an input image."""
    conf: float | None
    """Minimum confidence of an evaluated box; None: the trainer's own, near 0."""
    iou: float
    """IoU threshold of non-maximum suppression."""
    max_det: int
    """The most boxes of a picture; never fewer than a picture of the data set has."""
    agnostic_nms: bool
    """Suppress boxes across classes."""
    single_cls: bool
    """All classes of the data set count as one."""
    classes: tuple[int, ...] | None
    """The classes of the data set that are trained on and judged; None: all."""
    nms: bool
    """The outputs need non-maximum suppression; False for a head that does without."""
    names: Mapping[int, str]
    """Class number to name, as the model has them."""
    threshold: float | None = None
    """Confidence threshold of the served boxes: where F1 on val is highest; None in a record of an earlier version."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, for the inference server.

        Where all classes count as one, `classes` is null: the numbers of the data set are not those of the model.
        """
        plain = asdict(self) | {"names": {str(number): name for number, name in self.names.items()}}
        return plain | {"classes": None if self.classes is None or self.single_cls else list(self.classes)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        names = {int(number): str(name) for number, name in plain["names"].items()}
        classes = None if plain["classes"] is None else tuple(plain["classes"])
        return cls(**{**plain, "names": names, "classes": classes})
