"""Report of a study as one HTML page, in English or Chinese; `page` writes it, with Matplotlib."""

from automl.tracking.report.language import Language, language_of

__all__ = ["Language", "language_of"]
