"""Model card of a registry version as Markdown, in English and Chinese."""

from automl.tracking.card.page import Facts, marked, rendered

__all__ = ["Facts", "marked", "rendered"]
