"""Model card of a version as `automl card` prints it: the published one, and what became of the version since."""

from automl.storage import alias_history, signature_files
from automl.storage.layout import CARD, CARD_ZH
from automl.storage.registry import Registry
from automl.study.errors import RegistryError
from automl.tracking import card
from automl.tracking.card import Words
from automl.tracking.report import Language, language_of


def card_of(registry: Registry, number: int, *, lang: str) -> str:
    """Return the card of a version below the overrides of its gates and its signatures.

    Raises:
        StudyError: there is no such language.
        RegistryError: the version is damaged, or has no card.
    """
    language = language_of(lang)
    name = {Language.EN: CARD, Language.ZH: CARD_ZH}[language]
    path = registry.verified(number) / name
    if not path.is_file():
        raise RegistryError(
            f"{path.parent}: must contain {name}, but an earlier automl published it without a card; "
            f"{path.parent} has its params and its verdict"
        )
    _, moves = registry.records()
    overrides = alias_history.overrides(moves).get(number, [])
    listed = [one for one in signature_files.listed(registry.history()) if one.version == number]
    signed = [{"at": one.at, "by": one.by, "key": one.key} for one in listed]
    return "\n".join([*card.marked(Words(language), overrides, signed), path.read_text(encoding="utf-8")])
