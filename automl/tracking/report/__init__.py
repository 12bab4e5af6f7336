"""Report of a study as one HTML page, in English or Chinese."""

from automl.tracking.report.language import Language, language_of
from automl.tracking.report.page import Edition, write

__all__ = ["Edition", "Language", "language_of", "write"]
