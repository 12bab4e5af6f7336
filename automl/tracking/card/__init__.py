"""Model card of a registry version as Markdown, in English and Chinese."""

from automl.tracking.card.page import Facts, Words, marked, rendered

__all__ = ["Facts", "Words", "marked", "rendered"]
