"""Layout: names of all files and folders of a storage, a study, a trial, an export and a registry version."""

from pathlib import Path
from typing import Final

from automl.study.text import trial_name
from automl.study.trial import Trial

# A storage.
RUNS: Final = "runs"
"""The studies, one folder each; for the registry see `MODELS`."""
MODELS: Final = "models"
"""The registry; in a study's folder, the model files that it keeps."""

# A study's folder.
SPEC: Final = "study.yaml"
JOURNAL: Final = "journal.log"
LOG: Final = "study.log"
RAY_LOG: Final = "ray.log"
REPORT: Final = "report.html"
VERDICT: Final = "promotion.json"
DATASET: Final = "dataset.json"
"""The summary of a study's data set."""
DATA_FILES: Final = "dataset-files.txt"
"""Class names, and a digest of each image and label file, of the data set with which a study began."""
WARM_START: Final = "warm_start.json"
DRAWN: Final = "sample"
"""The sample data set, where it is drawn for the study."""
UNPACKED: Final = "unpacked"
"""The data set, where an archive was given."""
DATA: Final = "data"
"""The staged data set."""
DATA_YAML: Final = "data.yaml"
TRIALS: Final = "trials"
CONFIRM: Final = "confirm"
EXPORT: Final = "export"

# The folder of a trial or of a re-training.
PARAMS: Final = "params.yaml"
"""The job, with a checksum."""
OUTCOME: Final = "outcome.json"
TRIAL_LOG: Final = "log.txt"
CURVES: Final = "curves.csv"
DETAILS: Final = "details.csv"
"""Scalars of each epoch that decide nothing: per class, by object size, speed (`epoch_details`)."""
FINDINGS: Final = "findings.json"
"""What the diagnosis found in the training."""
PICTURES: Final = "pictures"
"""Pictures of epochs that are not yet in an event file."""
PROJECTOR: Final = "projector"
"""Vectors, labels and thumbnails for TensorBoard's projector."""
PROJECTOR_CONFIG: Final = "projector_config.pbtxt"
"""Their places, under the name that TensorBoard looks for."""
LAST: Final = "last.pt"
"""The state to resume from; after the end of the training, stripped weights."""
PREVIOUS: Final = "previous.pt"
"""The same of the epoch before, in case `last.pt` is damaged."""
NEXT: Final = "next.pt"
"""The same of the next epoch, while it is written."""
BEST: Final = "best.pt"
JUDGED: Final = "judged.npz"
"""Per-image detections of a re-training on the judged split (`detections`)."""
ATTEMPT: Final = "attempt.json"
"""The lease: which attempt may write."""

# An export, and a version in the registry.
ONNX: Final = "model.onnx"
ENGINE: Final = "model.engine"
EVALUATION: Final = "evaluation.json"
"""How a model was judged and is to be served (`EvalSettings`)."""
SMOKE: Final = "smoke"
"""Beginning of the names of pictures on which a version is run before it serves; a version need not have any."""
TORCH_STATS: Final = "torch.npz"
ONNX_STATS: Final = "onnx.npz"
"""Per-image detections of the weights and of the ONNX file."""
VAL_STATS: Final = "val.npz"
"""Per-image detections of the ONNX file on val."""
TARGET: Final = "target-"
"""Begin of the names of the files for one target, such as `target-cpu.xml`."""
BASELINE_STATS: Final = "baseline.npz"
CHAMPION_STATS: Final = "champion.npz"
VERSIONS: Final = "versions"
MANIFEST: Final = "manifest.json"
ALIASES: Final = "aliases.json"
HISTORY: Final = "history.jsonl"


def trial_folder(study: Path, trial: Trial, model: str) -> Path:
    """Return the folder of a trial in its study's folder; `model` is that of the description."""
    return study / TRIALS / trial_name(trial, model)
