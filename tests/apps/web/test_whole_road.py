"""In headless Chromium, the whole road of a person: data, one label, a small study, a picture, bundle, roll back.

The pictures are kept in $AUTOML_SCREENSHOTS, when that is set, to be looked at.
"""

import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import onnx
import pytest
from playwright.sync_api import sync_playwright

from automl.data import sample
from automl.storage.registry import Registry
from automl.trainers import trainer_of
from tests.apps.web.conftest import until
from tests.conftest import job_at
from tests.test_browser import CHROMIUM, FLAGS

pytestmark = [
    pytest.mark.browser,
    pytest.mark.yolo,
    pytest.mark.ray,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)"),
]
MOST_MS = 600_000
SIZES = {"wide": 1280, "narrow": 390}
CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
MORE = {"budget.trials": "2", "ladder.min_epochs": "4", "ladder.max_epochs": "11", "confirm.seeds": "0"}
"""What is typed under "more": a study of seconds."""


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """The sample data, and the weights that the page finds in its storage: an untrained micro YOLO."""
    (tmp_path / "storage").mkdir()
    data = sample.draw(tmp_path / "drawn", splits={"train": 12, "val": 6, "test": 6})
    trainer_of().write_untrained(tmp_path / "storage/yolo11n.pt", job_at(tmp_path / "job", data))
    return data.parent


def test_a_person_goes_from_pictures_to_a_champion(drawn: Path, tmp_path: Path, address: str) -> None:
    base, storage = address.split("/?", maxsplit=1)[0], tmp_path / "storage"
    packed = shutil.make_archive(str(tmp_path / "set"), "zip", drawn)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *CAMERA])
        context = browser.new_context(viewport={"width": 1280, "height": 900}, permissions=["camera"])
        page = context.new_page()
        page.set_default_timeout(MOST_MS)
        page.goto(address)
        page.wait_for_selector("main")
        _import(page, base, packed)
        _mend(page, base, storage / "data/parts/labels/train/0000.txt")
        _train(page, base)
        page.get_by_role("link", name="Result", exact=True).click()
        page.wait_for_selector("#picture")
        _try(page, drawn)
        with page.expect_download() as download:
            page.get_by_role("link", name="Download the bundle").click()
        assert "parts-0001/model.onnx" in zipfile.ZipFile(download.value.path()).namelist()
        _roll_back(page, base, Registry(storage / "models", "parts"))
        _look_at(page, base)
        browser.close()


def _import(page: Any, base: str, packed: str) -> None:
    page.goto(f"{base}/data")
    page.set_input_files(".resumable-upload input", packed)
    page.wait_for_selector("text=YOLO: 24 images", timeout=MOST_MS)
    page.get_by_role("button", name="Report").click()
    page.wait_for_selector("text=Grade", timeout=MOST_MS)


def _mend(page: Any, base: str, label: Path) -> None:
    before = label.read_text()
    page.goto(f"{base}/labels?data=data/parts")
    page.wait_for_selector(".label-editor img")
    page.locator(".label-editor").press("n")
    until(lambda: label.read_text() != before)
    page.locator(".label-editor").press("u")
    until(lambda: label.read_text() == before)


def _train(page: Any, base: str) -> None:
    """Start a study with three answers and some values under "more", and watch it end."""
    page.goto(f"{base}/train?data=data/parts")
    page.get_by_text("A quick look").click()
    page.get_by_text("More", exact=True).click()
    for key, value in MORE.items():
        page.get_by_label(key, exact=True).fill(value)
    page.get_by_role("button", name="Start").click()
    page.wait_for_url(f"{base}/studies/parts", timeout=MOST_MS)
    page.wait_for_selector("#trials tr:nth-child(2)", timeout=MOST_MS)
    page.wait_for_selector("text=/^finished:/", timeout=MOST_MS)
    page.wait_for_selector("text=/This server: .* cores/", timeout=MOST_MS)


def _try(page: Any, drawn: Path) -> None:
    """Try a picture, a folder and the camera."""
    note = page.locator("#shot-note")
    page.set_input_files("#picture", str(drawn / "images/test/0000.jpg"))
    until(lambda: note.inner_text().endswith("objects"))
    page.set_input_files("#folder", str(drawn / "images/test"))
    until(lambda: note.inner_text().startswith("6 pictures"))
    page.locator("#camera").click()
    page.wait_for_selector("#camera[aria-pressed=true]")
    until(lambda: note.inner_text().endswith("objects"))
    page.locator("#camera").click()
    page.wait_for_selector("#camera[aria-pressed=false]")


def _roll_back(page: Any, base: str, registry: Registry) -> None:
    """Promote the version of the study and another one like it, then roll back to the first."""
    first = registry.folder / "versions/0001"
    model = onnx.load(first / "model.onnx")
    model.doc_string = "a second training"
    onnx.save(model, registry.folder.parent / "second.onnx")
    second = registry.publish({"model.onnx": registry.folder.parent / "second.onnx"}, {})
    for number in (1, second):
        if registry.records()[0].get("champion") != number:
            page.goto(f"{base}/models/parts?version={number}")
            page.get_by_label("Reason").fill("looked at by a person")
            _press(page, f"Promote version {number}")
    page.get_by_label("Reason").fill("the second one is worse")
    _press(page, "Roll back")
    page.wait_for_selector("text=the second one is worse")
    assert registry.records()[0]["champion"] == 1


def _press(page: Any, name: str) -> None:
    """Press a button that changes the champion: the page of the new one is shown then."""
    with page.expect_navigation(timeout=MOST_MS):
        page.get_by_role("button", name=name).click()


def _look_at(page: Any, base: str) -> None:
    """Look at each page in both languages and widths, light and dark: none is wider than its window."""
    for language in ("en", "zh"):
        for dark in ("0", "1"):
            look = f"{language}-{'dark' if dark == '1' else 'light'}"
            page.context.add_cookies([{"name": "automl-dark", "value": dark, "url": base}])
            for path in ("", "data", "labels", "train", "studies/parts", "models/parts", "field"):
                page.goto(f"{base}/language/{language}?next=/{path}")
                page.wait_for_selector("main h1")
                assert page.evaluate("document.body.classList.contains('body--dark')") == (dark == "1")
                for size, width in SIZES.items():
                    page.set_viewport_size({"width": width, "height": 900})
                    page.wait_for_function(f"document.documentElement.scrollWidth <= {width}")
                    _keep_picture(page, f"road-{path.replace('/', '-')}-{look}-{size}")


def _keep_picture(page: Any, name: str) -> None:
    if folder := os.environ.get("AUTOML_SCREENSHOTS"):
        page.wait_for_timeout(400)
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
