"""In headless Chromium: a data set is uploaded as a zip, and one label is mended with mouse and keys.

The pictures are kept in $AUTOML_SCREENSHOTS, when that is set, to be looked at.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from automl.apps import labels
from automl.data import sample
from automl.study.load import dump
from tests.apps.web.conftest import until
from tests.builders import spec_of, written
from tests.test_browser import CHROMIUM, FLAGS, STEP_MS

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)"),
]
KEY = "images/train/0001.jpg"


def test_a_person_uploads_a_data_set_and_mends_a_label(tmp_path: Path, address: str) -> None:
    sample.draw(tmp_path / "drawn", splits={"train": 3, "val": 2})
    packed = shutil.make_archive(str(tmp_path / "set"), "zip", tmp_path / "drawn")
    base, target = address.split("/?", maxsplit=1)[0], tmp_path / "storage/data/parts"
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=STEP_MS)
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.set_default_timeout(STEP_MS)
        page, other = context.new_page(), context.new_page()
        page.goto(address)
        page.wait_for_selector("main")
        page.goto(f"{base}/data")
        page.set_input_files(".resumable-upload input", packed)
        page.wait_for_selector("text=YOLO: 5 images")
        for one in (other, page):
            one.goto(f"{base}/labels?data=data/parts")
            one.wait_for_selector(".label-editor img")
            one.locator(".label-editor").press("Enter")
            one.wait_for_selector("text=0001.jpg")
        _mended(page, target)
        other.locator(".label-editor").press("n")
        other.wait_for_selector("text=Not saved: Ada changed these labels")
        _keep_picture(page)
        _suspects_answered(page, base, target)
        browser.close()
    assert not list((tmp_path / "storage/.uploads").iterdir())


def _mended(page: Any, target: Path) -> None:
    """Draw a box with the mouse, change it with keys, take it back: the label file follows each time."""
    label = target / "labels/train/0001.txt"
    before = label.read_text()
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("Your name").press("Tab")
    area = page.locator(".label-editor svg").bounding_box()
    for step, (x, y) in enumerate(((0.1, 0.1), (0.2, 0.2), (0.3, 0.2))):
        page.mouse.move(area["x"] + x * area["width"], area["y"] + y * area["height"])
        if step == 0:
            page.mouse.down()
    page.mouse.up()
    drawn = until(lambda: label.read_text() != before and label.read_text())
    assert [round(number, 1) for number in numbers(drawn)] == [0, 0.2, 0.1, 0.2, 0.1]
    for key in ("2", "ArrowRight", "Shift+ArrowDown"):
        page.keyboard.press(key)
    # each key writes the file: what follows must not see the last one
    keyed = [was + way for was, way in zip(numbers(drawn), (1, 0.002, 0.001, 0, 0.002), strict=True)]
    until(lambda: numbers(label.read_text()) == pytest.approx(keyed))
    page.wait_for_selector("text=saved")
    _moved_and_resized_with_the_mouse(page, label)
    page.keyboard.press("Delete")
    until(lambda: label.read_text() == before)
    page.keyboard.press("u")
    until(lambda: label.read_text() != before)
    store = labels.store_at(target)

    def changes() -> list[tuple[str, str, str]]:
        store.history.refresh()
        return [(change.by, change.kind, change.image) for change in store.history.changes]

    assert changes()[0] == ("Ada", "edit", KEY)
    until(lambda: changes()[-1] == ("Ada", "undo", KEY))  # written after the label file


def _moved_and_resized_with_the_mouse(page: Any, label: Path) -> None:
    """Zoom in and out, drag the selected box and one of its corners: the label file follows."""
    page.keyboard.press("+")
    zoomed = page.locator(".label-editor svg").bounding_box()
    page.keyboard.press("0")
    area = page.locator(".label-editor svg").bounding_box()
    assert zoomed["width"] > 1.2 * area["width"]
    moved = _dragged(page, page.locator("rect.box").last, (0.2 * area["width"], 0.1 * area["height"]), label)
    assert moved == pytest.approx([0.2, 0.1, 0, 0], abs=0.02)
    resized = _dragged(page, page.locator(".handle").nth(4), (0.1 * area["width"], 0.3 * area["height"]), label)
    assert resized == pytest.approx([0.05, 0.15, 0.1, 0.3], abs=0.02)


def _dragged(page: Any, grip: Any, way: tuple[float, float], label: Path) -> list[float]:
    """Drag an element by its middle, and return by how much the last box of the label file has changed."""
    before, place = numbers(label.read_text()), grip.bounding_box()
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + way[0], y + way[1], steps=3)
    page.mouse.up()
    after = until(lambda: (now := numbers(label.read_text())) != before and now)
    return [now - then for now, then in zip(after[1:], before[1:], strict=True)]


def numbers(label: str) -> list[float]:
    """Return class, centre, width and height of the last box of a label file's text."""
    return [float(value) for value in label.splitlines()[-1].split()]


def _suspects_answered(page: Any, base: str, target: Path) -> None:
    """Work through the list of an audit with keys: right, wrong, fix."""
    label = target / "labels/train/0002.txt"
    first = label.read_text().splitlines()[0]
    cls, *box = first.split()
    names = {str(number): name for number, name in labels.store_at(target).names.items()}
    seen = {"image": str(target / "images/train/0002.jpg"), "score": 0.9, "suggested_cls": None, "suggested_box": None}
    labelled = {**seen, "cls": names[cls], "box": [float(edge) for edge in box]}
    missing = {"kind": "extra", "cls": None, "box": None, "suggested_cls": names["1"], "suggested_box": [0.5] * 4}
    rows = [{**labelled, "id": "a", "kind": "missed"}, {**labelled, "id": "b", "kind": "missed"},
            {**seen, **missing, "id": "c"}]  # fmt: skip
    study = target.parents[1] / "runs/parts"
    written(study, "study.yaml", dump(spec_of(name="parts", data=str(target / "data.yaml"))))
    written(study, "audit.json", json.dumps({"suspects": rows}))
    page.goto(f"{base}/labels?data=data/parts")
    page.get_by_role("combobox", name="Show").click()
    page.get_by_role("option", name="suspect labels of the audit").click()
    for place, (key, done) in enumerate({
        "r": lambda: label.read_text().startswith(first), "w": lambda: not label.read_text().startswith(first),
        "f": lambda: label.read_text().splitlines()[-1:] == ["1 0.500000 0.500000 0.500000 0.500000"],
    }.items()):  # fmt: skip
        page.get_by_text(f"{place + 1} / 3", exact=True).wait_for()
        page.locator(".label-editor").press(key)
        until(done)
    store = labels.store_at(target)

    def answers() -> dict[str, str]:
        store.history.refresh()
        return {change.to: change.why for change in store.history.changes if change.kind == "review"}

    until(lambda: len(answers()) == 3)  # written after the label file
    assert answers() == {"a": "right", "b": "wrong", "c": "fix"}


def _keep_picture(page: Any) -> None:
    if folder := os.environ.get("AUTOML_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / "labels.png")
