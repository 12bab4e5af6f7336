"""Fields of a description under "more": from its schema, with laws in both languages."""

from automl.apps.web.settings_form import SECTIONS, fields
from automl.apps.web.texts import Texts
from automl.apps.web.texts.settings import SETTINGS
from automl.apps.web.texts.train import TRAIN
from automl.tracking.report import Language

FIELDS = {field.key: field for section in SECTIONS for field in fields(section)}
ENGLISH, CHINESE = Texts(Language.EN, TRAIN), Texts(Language.ZH, TRAIN)


def test_laws_are_those_of_the_schema() -> None:
    assert FIELDS["budget.trials"].law(ENGLISH) == "a whole number, at least 1, at most 1000000"
    assert FIELDS["budget.hours"].law(ENGLISH) == "a number, above 0 or null"
    assert FIELDS["confirm.seeds"].law(CHINESE) == "auto 或 整数, 不小于 0, 不大于 1000"
    assert FIELDS["gates.policy"].choices == ("proven", "expected")
    assert FIELDS["gates.require_engine"].choices == ("true", "false")
    assert FIELDS["gates.confidence"].default == "0.95"


def test_each_field_has_its_documentation_in_both_languages() -> None:
    assert len(FIELDS) > 25
    assert not [key for key, field in FIELDS.items() if not field.text_in(Language.EN)]
    assert FIELDS.keys() == SETTINGS.keys()
    assert all(any("一" <= letter <= "鿿" for letter in text) for text in SETTINGS.values())
