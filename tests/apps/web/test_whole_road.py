"""In headless Chromium, the whole road of a person: pictures, one label, a study, a picture tried, bundle, roll back.

The study is real and small: two trials of a micro YOLO on 24 drawn pictures. All waits are for events. The person has
read nothing; the seconds of hands are counted (`hands.py`). Pictures of all pages are kept in $AUTOML_SCREENSHOTS, when
that is set, to be looked at.
"""

import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import onnx
import pytest
from playwright.sync_api import sync_playwright

from automl.apps import labels
from automl.data import sample
from automl.storage.registry import Registry
from automl.trainers import trainer_of
from tests.apps.web.conftest import until
from tests.apps.web.hands import Hands
from tests.conftest import job_at
from tests.test_browser import CHROMIUM, FLAGS

pytestmark = [
    pytest.mark.browser,
    pytest.mark.yolo,
    pytest.mark.ray,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)"),
]
MOST_MS = 600_000
MOST_HANDS = 180.0
SIZES = {"wide": 1280, "narrow": 390}
CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
MORE = {"budget.trials": "2", "ladder.min_epochs": "4", "ladder.max_epochs": "11", "confirm.seeds": "0"}
"""What the test types under "more", and no person would: a study of seconds. Fewer epochs break laws on warm-up."""
PAGES = ("", "data", "labels", "train", "studies/parts", "models/parts", "field")


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """The sample data, and the weights that the page finds in its storage: an untrained micro YOLO."""
    (tmp_path / "storage").mkdir()
    data = sample.draw(tmp_path / "drawn", splits={"train": 12, "val": 6, "test": 6})
    trainer_of().write_untrained(tmp_path / "storage/yolo11n.pt", job_at(tmp_path / "job", data))
    return data.parent


def test_a_person_goes_from_pictures_to_a_champion(drawn: Path, tmp_path: Path, address: str) -> None:
    base, storage = address.split("/?", maxsplit=1)[0], tmp_path / "storage"
    packed = Path(shutil.make_archive(str(tmp_path / "set"), "zip", drawn))
    asked: set[str] = set()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *CAMERA])
        _refused(browser, base)
        context = browser.new_context(viewport={"width": 1280, "height": 900}, permissions=["camera"])
        context.set_default_timeout(MOST_MS)
        context.on("request", lambda request: asked.add(request.url))
        page, other = context.new_page(), context.new_page()
        hands = Hands(page)
        page.goto(address)
        _import(hands, packed)
        _mend(hands, other, storage / "data/parts")
        _train(hands, other)
        hands.link("Result")
        _try(hands, drawn)
        with page.expect_download() as download:
            hands.link("Download the bundle of version 1")
        assert "parts-0001/model.onnx" in zipfile.ZipFile(download.value.path()).namelist()
        _roll_back(hands, Registry(storage / "models", "parts"))
        assert hands.seconds < MOST_HANDS, hands.done
        if kept := os.environ.get("AUTOML_SCREENSHOTS"):
            Path(kept, "hands.txt").write_text(f"{len(hands.done)} actions, {hands.seconds:.0f} s: {hands.done}\n")
        _look_at(page, base)
        browser.close()
    assert {url for url in asked if not url.startswith((base, "data:", "blob:"))} == set()


def _refused(browser: Any, base: str) -> None:
    """A stranger without the link sees nothing."""
    answer = browser.new_context().new_page().goto(base, timeout=MOST_MS)
    assert answer.status == 401


def _import(hands: Hands, packed: Path) -> None:
    hands.link("Data")
    hands.page.wait_for_selector(".resumable-upload")
    hands.choose(".resumable-upload input", packed)
    hands.page.wait_for_selector("text=YOLO: 24 images")
    hands.button("Report")
    hands.page.wait_for_selector("text=Grade")


def _mend(hands: Hands, other: Any, target: Path) -> None:
    """Draw a box, give it a class, move and delete it, take that back; another person's change is not overwritten."""
    page, label = hands.page, target / "labels/train/0000.txt"
    before = label.read_text()
    hands.link("Labels")
    page.wait_for_selector(".label-editor img")
    other.goto(page.url)
    other.wait_for_selector(".label-editor img")
    hands.write("Your name", "Ada")
    hands.draw(page.locator(".label-editor svg"), (0.1, 0.1), (0.3, 0.2))
    drawn = until(lambda: label.read_text() != before and label.read_text(), seconds=MOST_MS / 1000)
    assert [round(float(edge), 1) for edge in drawn.splitlines()[-1].split()] == [0.0, 0.2, 0.1, 0.2, 0.1]
    hands.keys("2", "ArrowRight", "Shift+ArrowDown")
    until(lambda: label.read_text().splitlines()[-1].startswith("1 0.202"), seconds=MOST_MS / 1000)
    page.wait_for_selector("text=saved")
    hands.keys("Delete")
    until(lambda: label.read_text() == before, seconds=MOST_MS / 1000)
    hands.keys("u")
    until(lambda: label.read_text() != before, seconds=MOST_MS / 1000)
    other.locator(".label-editor").press("n")
    other.wait_for_selector("text=Not saved: Ada changed these labels")
    store = labels.store_at(target)
    store.history.refresh()
    assert {(change.by, change.image) for change in store.history.changes} == {("Ada", "images/train/0000.jpg")}


def _train(hands: Hands, other: Any) -> None:
    """Start a study with the answers that stand there and some values under "more", and watch it end in two pages."""
    page = hands.page
    hands.link("Train")
    hands.click(page.get_by_text("A quick look"), "A quick look")
    page.get_by_text("More", exact=True).click()
    for key, value in MORE.items():
        page.get_by_label(key, exact=True).fill(value)
    hands.button("Start")
    page.wait_for_url("**/studies/parts", timeout=MOST_MS)
    page.wait_for_selector("#trials tr")
    other.goto(page.url)
    for one in (page, other):
        one.wait_for_selector("#trials tr:nth-child(2)")
        one.wait_for_selector("text=/^finished:/")
    page.wait_for_selector("text=/This server: .* cores/")


def _try(hands: Hands, drawn: Path) -> None:
    """Try a picture, a folder and the camera."""
    page, note = hands.page, hands.page.locator("#shot-note")
    page.wait_for_selector("#picture")
    hands.choose("#picture", drawn / "images/test/0000.jpg")
    page.wait_for_function("document.getElementById('shot-note').textContent.endsWith('objects')")
    hands.choose("#folder", drawn / "images/test")
    page.wait_for_function("document.getElementById('shot-note').textContent.startsWith('6 pictures')")
    hands.click(page.locator("#camera"), "camera")
    page.wait_for_selector("#camera[aria-pressed=true]")
    page.wait_for_function("document.getElementById('shot-note').textContent.endsWith('objects')")
    hands.click(page.locator("#camera"), "camera")
    page.wait_for_selector("#camera[aria-pressed=false]")
    assert note.is_visible()


def _roll_back(hands: Hands, registry: Registry) -> None:
    """Promote the version of the study and another one like it, then roll back to the first."""
    page, first = hands.page, registry.folder / "versions/0001"
    model = onnx.load(first / "model.onnx")
    model.doc_string = "a second training"
    onnx.save(model, registry.folder.parent / "second.onnx")
    second = registry.publish({"model.onnx": registry.folder.parent / "second.onnx"}, {})
    for number in (1, second):
        if registry.records()[0].get("champion") != number:
            page.goto(f"{page.url.partition('?')[0]}?version={number}")
            hands.write("Reason", "looked at it")
            _press(hands, f"Promote version {number}")
    hands.write("Reason", "finds less")
    _press(hands, "Roll back")
    page.wait_for_selector("td:text('finds less')")
    assert registry.records()[0]["champion"] == 1


def _press(hands: Hands, name: str) -> None:
    """Press a button that changes the champion: the page of the new one is shown then."""
    with hands.page.expect_navigation():
        hands.button(name)


def _look_at(page: Any, base: str) -> None:
    """Open the pages in both languages: none is wider than its window, also narrow and dark."""
    kept = os.environ.get("AUTOML_SCREENSHOTS")
    for language, dark in (("en", "0"), ("zh", "1")) if kept else (("zh", "1"),):
        page.context.add_cookies([{"name": "automl-dark", "value": dark, "url": base}])
        for path in PAGES:
            page.goto(f"{base}/language/{language}?next=/{path}")
            page.wait_for_selector("main h1")
            assert page.evaluate("document.documentElement.lang") == language
            menu = page.inner_text("header nav")
            assert any("一" <= letter <= "鿿" for letter in menu) == (language == "zh")
            assert page.evaluate("document.body.classList.contains('body--dark')") == (dark == "1")
            for size, width in SIZES.items():
                page.set_viewport_size({"width": width, "height": 900})
                page.wait_for_function(f"document.documentElement.scrollWidth <= {width}")  # charts follow the window
                if kept:
                    page.wait_for_timeout(1500)
                    name = f"road-{path.replace('/', '-')}-{language}-{'dark' if dark == '1' else 'light'}-{size}"
                    page.screenshot(path=Path(kept) / f"{name}.png", full_page=True)
