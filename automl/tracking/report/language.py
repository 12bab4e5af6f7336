"""Language of the report: its strings, filled in and escaped for the page or plain for a figure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from markupsafe import Markup

from automl.study import EndReason, State, Trial
from automl.study.errors import StudyError
from automl.study.text import one_line
from automl.tracking.report.chinese import CHINESE
from automl.tracking.report.chinese_model import CHINESE_MODEL
from automl.tracking.report.english import ENGLISH
from automl.tracking.report.english_model import ENGLISH_MODEL

MISSING: Final = "\N{EN DASH}"
"""Stands for a value that is not known."""


class Language(StrEnum):
    """Language of the report, as an ISO 639 code."""

    EN = "en"
    ZH = "zh"


def language_of(code: str) -> Language:
    """Return the language of a code.

    Raises:
        StudyError: there is no such language.

    >>> language_of("zh")
    <Language.ZH: 'zh'>
    """
    if code not in {str(language) for language in Language}:
        known = " or ".join(Language)
        raise StudyError(f"report: lang: must be {known}, but got {one_line(code)}; omit it for English")
    return Language(code)


TABLES: Final[Mapping[Language, Mapping[str, str]]] = {
    Language.EN: {**ENGLISH, **ENGLISH_MODEL},
    Language.ZH: {**CHINESE, **CHINESE_MODEL},
}


@dataclass(frozen=True, slots=True)
class Words:
    """Strings of one language."""

    language: Language

    def __call__(self, key: str, **values: object) -> Markup:
        """Return a string as HTML; the values are escaped.

        >>> Words(Language.EN)("files_registry", name="<b>", version=3)
        Markup('registry: <code>&lt;b&gt;</code> version 3:')
        """
        return Markup(TABLES[self.language][key]).format(**{name: _clean(value) for name, value in values.items()})

    def plain(self, key: str, **values: object) -> str:
        """Return a string for a figure, which escapes it itself.

        >>> Words(Language.EN).plain("on_val", objective="map50")
        'map50 on val'
        """
        return TABLES[self.language][key].format(**{name: _clean(value) for name, value in values.items()})

    def named(self, group: str, name: str) -> str | Markup:
        """Return the string `group.name`; the name itself, as a quotation, if there is none."""
        key = f"{group}.{name}"
        return self(key) if key in TABLES[self.language] else self.quoted(name)

    def quoted(self, text: str) -> str | Markup:
        """Return a text of the journal, which is English: marked as such in a page of another language."""
        if self.language is Language.EN:
            return one_line(text)
        return Markup('<span class="quote" lang="en">{}</span>').format(one_line(text))

    def ending(self, trial: Trial) -> str | Markup:
        """Return why a trial ended; empty while it has not."""
        if not trial.ending:
            return ""
        if self.language is Language.EN:
            return one_line(trial.ending.text)
        reason = self(f"why.{EndReason(trial.ending.reason)}")
        if trial.state is State.FAILED:
            return Markup("{}{}{}").format(reason, self("colon"), self.quoted(trial.ending.text))
        return reason


def _clean(value: object) -> object:
    """Return a value for the page: a name with control characters or line breaks as one line."""
    return one_line(str(value)) if isinstance(value, str | Path) and not isinstance(value, Markup) else value
