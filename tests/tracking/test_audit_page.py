"""The page of the label audit: one file without network, names escaped, a crop for each suspect, two languages."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from automl.data.audit import ranking
from automl.tracking import audit_page, audit_texts
from automl.tracking.report.language import Language
from tests.data.audit.builders import HOME, MODELS, healthy, image
from tests.tracking.test_data_report import EVIL, Page

HEAD = audit_page.Head("small", Path("/d/data.yaml"), MODELS, {"val": 11}, {"val": 21})


def page(folder: Path, language: Language, *, count: int = 1) -> str:
    wrong = [image(f"a{number}", [(0, HOME)], *[[(1, HOME, 0.8)]] * 3) for number in range(count)]
    found = ranking.rank([*healthy(30 * count), *wrong], names=("bolt", EVIL), models=MODELS) if count else []
    audit_page.write(folder / "audit.html", HEAD, found, language=language)
    return (folder / "audit.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("language", Language)
def test_the_page_loads_nothing_and_escapes_names(tmp_path: Path, language: Language) -> None:
    text = page(tmp_path, language)
    found = Page(text)
    assert "script" not in found.tags
    assert "<script>alert(1)</script>&\\x1b[31m" in found.words
    assert re.findall(r"https?://|url\(|@import", text) == []


def test_both_languages_have_the_same_strings() -> None:
    english, chinese = (audit_texts.TEXTS[language] for language in Language)
    assert english.keys() == chinese.keys()
    for key, text in english.items():
        assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", chinese[key])), key


def test_a_crop_shows_the_label_and_an_image_that_is_gone_is_named(tmp_path: Path) -> None:
    suspects = ranking.rank(
        [*healthy(), image("a", [(0, HOME)], *[[(1, HOME, 0.8)]] * 3)], names=("bolt", "nut"), models=MODELS
    )
    picture = tmp_path / "a.png"
    cv2.imwrite(str(picture), np.zeros((100, 100, 3), np.uint8))
    shown = [type(one)(**{name: getattr(one, name) for name in one.__slots__} | {"image": picture}) for one in suspects]
    audit_page.write(tmp_path / "audit.html", HEAD, shown, language=Language.EN)
    found = Page((tmp_path / "audit.html").read_text())
    assert found.tags.count("image") == 1
    assert all(address.startswith("data:image/jpeg;base64,") for address in found.addresses)
    assert "Labelled bolt, but the models see nut." in found.words
    assert f"score {suspects[0].score:.2f}, 3 of 3 models" in found.words
    assert "no picture" in Page(page(tmp_path, Language.EN)).words


def test_a_list_without_suspects_says_so(tmp_path: Path) -> None:
    assert "No suspect label was found." in page(tmp_path, Language.EN, count=0)
