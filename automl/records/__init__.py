"""The nouns of a study: frozen dataclasses and enums, nothing that acts.

Every other module speaks in these. Facts are stored, conclusions (a trial's state, its value) are derived from them.
"""

from automl.records.trials import (
    LOST,
    Answer,
    Ending,
    Job,
    Kind,
    Loss,
    Measurement,
    Params,
    ParamValue,
    Report,
    State,
    Trial,
)
from automl.records.verdicts import EarlierEvidence, Engine, Evidence, Gain, Gates, Promotion, Score

__all__ = [
    "LOST",
    "Answer",
    "EarlierEvidence",
    "Ending",
    "Engine",
    "Evidence",
    "Gain",
    "Gates",
    "Job",
    "Kind",
    "Loss",
    "Measurement",
    "ParamValue",
    "Params",
    "Promotion",
    "Report",
    "Score",
    "State",
    "Trial",
]
