"""The page of the data report: one file without network, names escaped, pictures inside, other files untouched."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from automl.data.report.suspects import KINDS, TINY
from automl.data.report.thresholds import SHARES
from automl.study.errors import StudyError
from automl.tracking import data_report, data_report_texts
from automl.tracking.report.language import Language
from tests.data.report.builders import GOOD, image, report

EVIL = "<script>alert(1)</script>&\x1b[31m"


class Page(HTMLParser):
    """Collects tags, addresses and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "xlink:href"}]

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture
def page(tmp_path: Path) -> str:
    image(tmp_path, "train/a<b>.png", f"{GOOD}1 0.5 0.5 0.2 0.2\n", seed=1)
    image(tmp_path, "train/b.png", GOOD, seed=2)
    image(tmp_path, "val/leak.png", seed=1)
    (tmp_path / "images/val/broken.png").write_bytes(b"no picture")
    target = tmp_path / "page.html"
    data_report.write(report(tmp_path, names={0: "hole", 1: EVIL}), target)
    return target.read_text()


def test_the_page_loads_nothing_and_escapes_names(page: str) -> None:
    found = Page(page)
    assert "script" not in found.tags
    assert "a<b>.png" in found.words
    assert "<script>alert(1)</script>&\\x1b[31m" in found.words
    assert found.addresses
    assert all(address.startswith("data:image/jpeg;base64,") for address in found.addresses)
    assert re.findall(r"https?://|url\(|@import", page) == []


def test_the_page_shows_grade_reasons_pairs_suspects_and_broken_files(page: str) -> None:
    found = Page(page)
    assert found.tags.count("image") == 3  # the suspect and the two of the pair
    for words in (
        "leakage:", "1 of 1 images of val are copies of images of train", "1 overlapping another class",
        "is not a readable image", "100 x 100: 2",
    ):  # fmt: skip
        assert words in found.words
    assert 'class="verdict D"' in page
    assert page.count('<rect class="suspect"') == page.count('<rect class="partner"') == 1


NAMES = {"automl", "check", "UTC", "parts", "train", "val", "hole", "spot", "a", "leak", "png", "IoU", "x", *"ABCD"}
"""What is the same in Chinese: commands, classes, splits, files, units."""
CHINESE = re.compile("[\u4e00-\u9fff]")


def test_both_languages_have_the_same_strings_and_values() -> None:
    for tables in (data_report_texts.TEXTS, data_report_texts.REASONS):
        english, chinese = (tables[language] for language in Language)
        assert english.keys() == chinese.keys()
        for key, text in english.items():
            assert set(re.findall(r"{\w+", text)) == set(re.findall(r"{\w+", chinese[key])), key
            assert CHINESE.search(chinese[key]) or key in {"lang", "stop", "reason"}, key
            assert not CHINESE.search(text), key
    assert data_report_texts.FINDINGS.keys() == {*SHARES, "coverage", "imbalance", "few images", "shift"}
    assert data_report_texts.SUSPECTS.keys() == {*KINDS} - {TINY}


def test_the_page_is_in_chinese_throughout(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    image(folder, "train/a.png", f"{GOOD}1 0.5 0.5 0.2 0.2\n0 0.9 0.5 0.4 0.2\n", seed=1)
    image(folder, "val/leak.png", seed=1)
    data_report.write(report(folder), tmp_path / "page.html", language=Language.ZH)
    text = (tmp_path / "page.html").read_text()
    words = re.sub(r"/\S+", "", Page(text.partition("</style>")[2]).words)
    assert set(re.findall("[A-Za-z]+", words)) <= NAMES
    for said in ("与 train 中的图片相同", "与其他类别重合", "超出图片", "没有框"):
        assert said in words


def test_an_image_that_is_gone_leaves_a_note(tmp_path: Path) -> None:
    path = image(tmp_path, "train/a.png", f"{GOOD}1 0.5 0.5 0.2 0.2\n")
    found = report(tmp_path)
    path.unlink()
    data_report.write(found, tmp_path / "page.html")
    assert "no picture: OpenCV cannot decode it" in (tmp_path / "page.html").read_text()


def test_sound_data_have_a_page_without_pictures(tmp_path: Path) -> None:
    data_report.write(report(tmp_path), tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert "No image is a copy or near copy of another." in text
    assert "All listed images and label lines are used." in text


def test_an_earlier_page_is_replaced_and_another_file_refused(tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    data_report.refuse_other(target)
    data_report.write(report(tmp_path), target)
    data_report.refuse_other(target)
    target.write_text("<html>mine</html>")
    with pytest.raises(StudyError, match=r"page.html: must be a new file or an earlier data report, but exists"):
        data_report.refuse_other(target)
    with pytest.raises(StudyError, match="must be a new file or an earlier data report"):
        data_report.refuse_other(tmp_path)
    with pytest.raises(StudyError, match=r"must be in an existing folder, but .*/none is none; create it"):
        data_report.refuse_other(tmp_path / "none" / "page.html")
