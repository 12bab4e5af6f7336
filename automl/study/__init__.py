"""The nouns of a study: frozen dataclasses and enums, nothing that acts.

Every other module speaks in these. Facts are stored, conclusions (a trial's state, its value) are derived from them.
"""

from automl.study.evaluation import EvalSettings
from automl.study.job import Job
from automl.study.results import EarlierEvidence, Engine, Evidence, Gain, Gates, Score
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
    "EarlierEvidence",
    "EndReason",
    "Ending",
    "Engine",
    "EvalSettings",
    "Evidence",
    "Gain",
    "Gates",
    "Job",
    "Kind",
    "Loss",
    "Measurement",
    "ParamValue",
    "Params",
    "Report",
    "Score",
    "State",
    "Trial",
]
