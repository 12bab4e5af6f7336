"""The nouns of a study: frozen dataclasses and enums, nothing that acts.

Every other module speaks in these. Facts are stored, conclusions (a trial's state, its value) are derived from them.
"""

from automl.study.evaluation import EvalSettings
from automl.study.footprint import Footprint, Latency
from automl.study.job import Job
from automl.study.results import (
    Artifact,
    Contract,
    Evidence,
    ExportResult,
    Gain,
    Gates,
    Parity,
    PastEvidence,
    RawDifference,
    Score,
    Target,
    TargetResult,
)
from automl.study.trial import (
    Answer,
    Ending,
    EndReason,
    Kind,
    Loss,
    Measurement,
    Params,
    ParamValue,
    Report,
    State,
    Trial,
)

__all__ = [
    "Answer",
    "Artifact",
    "Contract",
    "EndReason",
    "Ending",
    "EvalSettings",
    "Evidence",
    "ExportResult",
    "Footprint",
    "Gain",
    "Gates",
    "Job",
    "Kind",
    "Latency",
    "Loss",
    "Measurement",
    "ParamValue",
    "Params",
    "Parity",
    "PastEvidence",
    "RawDifference",
    "Report",
    "Score",
    "State",
    "Target",
    "TargetResult",
    "Trial",
]
