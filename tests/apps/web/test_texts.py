"""Texts: each key in both languages with the same values, and no English text among the Chinese."""

import string

import pytest

from automl.apps.web.pages import PAGES
from automl.apps.web.texts import Table, Texts
from automl.apps.web.texts.data import DATA
from automl.apps.web.texts.field import FIELD
from automl.apps.web.texts.frame import FRAME
from automl.apps.web.texts.labels import LABELS
from automl.apps.web.texts.model import MODEL
from automl.apps.web.texts.train import TRAIN
from automl.apps.web.texts.watch import WATCH
from automl.data.report.thresholds import SHARES
from automl.tracking.report import Language

NAMES = {"AP50-95", "TensorBoard", "null", "English", "中文"}


def values_in(text: str) -> set[str | None]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("table", [DATA, FIELD, FRAME, LABELS, MODEL, TRAIN, WATCH])
def test_both_languages_have_each_text_with_the_same_values(table: Table) -> None:
    for key, (english, chinese) in table.items():
        assert values_in(english) == values_in(chinese), key
        assert english.isascii() or english in NAMES or not any("一" <= letter <= "鿿" for letter in english), key
        assert any("一" <= letter <= "鿿" for letter in chinese) or chinese in NAMES or not chinese.strip(" {}"), key


def test_each_entry_of_the_menu_is_in_both_languages() -> None:
    shown = [page for page in PAGES if page.titles]
    assert len({page.title(Language.ZH) for page in shown}) == len(shown)
    assert not any(page.title(Language.ZH).isascii() for page in shown)


def test_a_name_that_the_table_lacks_is_shown_as_it_is() -> None:
    texts = Texts(Language.ZH, WATCH)
    assert texts.named("trial", "RUNNING") == "运行中"
    assert texts.named("trial", "OTHER") == "OTHER"


def test_each_finding_of_a_data_report_has_its_name() -> None:
    findings = {*SHARES, "coverage", "imbalance", "few images", "shift"}
    assert {key.removeprefix("finding.") for key in DATA if key.startswith("finding.")} == findings
