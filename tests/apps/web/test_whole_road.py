"""In headless Chromium: from pictures to a champion, as a person goes, with a real study of a micro YOLO.

Each wait is for something that the page shows or a file that changes; the study's end, its failure included, is what
the test waits for while it looks at the page at other widths and in the other language. Each action of a hand is
counted, with its time by a model (`hands.py`): the whole road takes less than three minutes of hands. The pictures and
the counts are kept in $AUTOML_SCREENSHOTS, when that is set, to be looked at.
"""

import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Error, expect, sync_playwright

from automl.data import check, sample, staging
from automl.storage.layout import AUDIT_LIST, BEST, ONNX, VERDICT
from automl.storage.registry import Registry
from automl.study.yaml_io import read_yaml
from automl.trials import worker
from tests.apps.web.conftest import until
from tests.apps.web.hands import Hands
from tests.conftest import job_at
from tests.test_browser import CHROMIUM, FLAGS, STEP_MS

pytestmark = [
    pytest.mark.browser,
    pytest.mark.ray,
    pytest.mark.yolo,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)"),
]
SPLITS = {"train": 96, "val": 32, "test": 32}
STUDY_MS = 600_000
HANDS_SECONDS = 180
MORE = {"budget.trials": "2", "ladder.min_epochs": "3", "ladder.max_epochs": "4", "confirm.seeds": "0"}


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """The folder of a drawn data set."""
    return sample.draw(tmp_path / "drawn", splits=SPLITS).parent


@pytest.fixture
def weights(tmp_path: Path, drawn: Path) -> Path:
    """Trained weights of the micro YOLO where a study looks for its first model, so that it has something to find."""
    source = drawn / "data.yaml"
    checked = check.check(source, read_yaml(source), splits=("train", "val", "test"))
    (tmp_path / "taught").mkdir()  # a study makes the folder of a trial before it starts
    job = job_at(tmp_path / "taught", staging.stage(checked, tmp_path / "staged"), epochs=10, lr0=0.03)
    job = replace(job, settings={**job.settings, "mosaic": 0.0, "scale": 0.1})
    worker.run(job, lambda _measurement: None)
    found = tmp_path / "storage/yolo11n.pt"
    found.parent.mkdir()
    shutil.copyfile(next((tmp_path / "taught").rglob(BEST)), found)
    return found


@pytest.fixture
def page(weights: Path, address: str) -> Iterator[Any]:
    """A page that is signed in."""
    assert weights.is_file()
    with sync_playwright() as driver:
        flags = [*FLAGS, "--use-fake-device-for-media-stream"]
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=flags, timeout=STEP_MS)
        context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
        context.grant_permissions(["camera"])
        context.set_default_timeout(STEP_MS)
        opened = context.new_page()
        opened.goto(address)
        opened.wait_for_selector("main")
        assert opened.locator("main").count() == 1, "what a screen reader jumps to leaves the menu out"
        yield opened
        browser.close()


def test_a_person_goes_from_pictures_to_a_champion_and_back(page: Any, drawn: Path, tmp_path: Path) -> None:
    storage, hands = tmp_path / "storage", Hands(page)
    archive = shutil.make_archive(str(tmp_path / "parts"), "zip", drawn)
    steps: list[tuple[str, Callable[[], None]]] = [
        ("upload", lambda: upload(hands, archive)),
        ("report", lambda: look_at_the_report(hands)),
        ("label", lambda: mend_a_label(hands, storage / "data/parts/labels/train/0001.txt")),
        ("start", lambda: start(hands)),
        ("other language and width", lambda: look_around(hands)),
        ("end of the study", lambda: wait_for_the_end(page)),
        ("verdict", lambda: see_the_verdict(hands)),
        ("picture", lambda: try_a_picture(hands, drawn / "images/test/0001.jpg")),
        ("folder and camera", lambda: try_a_folder_and_the_camera(hands, drawn / "images/test")),
        ("bundle", lambda: download(hands, tmp_path)),
        ("promotion", lambda: promote_and_roll_back(hands, storage)),
        ("audit", lambda: look_for_suspects(hands, storage)),
    ]
    for name, step in steps:
        try:
            step()
        except (AssertionError, Error) as error:
            keep(page, "failed", full=True)
            pytest.fail(f"{name}: {error}\n{page.url} shows:\n{page.inner_text('body')[-3000:]}", pytrace=False)
    if folder := os.environ.get("AUTOML_SCREENSHOTS"):
        (Path(folder) / "road-hands.json").write_text(json.dumps(hands.summary))
    assert hands.seconds < HANDS_SECONDS, hands.summary


def go(hands: Hands, entry: str, title: str) -> None:
    """Follow an entry of the menu."""
    hands.click(hands.page.locator("header nav").get_by_role("link", name=entry, exact=True))
    expect(hands.page.locator("main h1")).to_have_text(title, timeout=STEP_MS)


def upload(hands: Hands, archive: str) -> None:
    hands.read()
    go(hands, "Data", "Data")
    hands.choose(".resumable-upload input", archive)
    hands.page.get_by_text("YOLO: 160 images").wait_for()
    keep(hands.page, "data")


def look_at_the_report(hands: Hands) -> None:
    hands.page.get_by_text(re.compile("Grade [A-D]")).wait_for()
    hands.read()
    with hands.page.context.expect_page() as opened:
        hands.click(hands.page.locator("article.card").get_by_role("link", name="Report"))
    report = opened.value
    expect(report.locator("h1")).to_be_visible(timeout=STEP_MS)
    keep(report, "data-report")
    report.close()


def mend_a_label(hands: Hands, label: Path) -> None:
    """Open the second image, draw a box and give it a class: the file of labels follows."""
    before, page = label.read_text(), hands.page
    hands.click(page.locator("article.card").get_by_role("link", name="Labels"))
    editor = page.locator(".label-editor")
    editor.locator("img").wait_for()
    hands.read()
    hands.press(editor, "Enter")
    page.get_by_text("images/train/0001.jpg").wait_for()
    area = editor.locator("svg").bounding_box()
    hands.draw(*((area["x"] + x * area["width"], area["y"] + y * area["height"]) for x, y in ((0.1, 0.1), (0.3, 0.2))))
    until(lambda: label.read_text() != before)
    hands.press(page.keyboard, "2")
    until(lambda: label.read_text().splitlines()[-1].startswith("1 "))
    page.get_by_text("saved").wait_for()
    keep(page, "label")


def start(hands: Hands) -> None:
    """Answer the questions, ask for the cost, start."""
    page = hands.page
    go(hands, "Train", "Train")
    hands.read()
    hands.click(page.get_by_text("A quick look"))
    hands.click(page.get_by_text("More", exact=True))
    for key, value in MORE.items():
        hands.fill(page.get_by_label(key, exact=True), value)
    hands.fill(page.get_by_label("Settings of Ultralytics"), "close_mosaic=1")
    hands.click(page.get_by_role("button", name="What will it cost?"))
    forecast = page.get_by_text("2 trials of")
    forecast.or_(page.get_by_role("alert")).wait_for()
    assert forecast.is_visible()
    keep(page, "train")
    hands.click(page.get_by_role("button", name="Start", exact=True))
    page.wait_for_url("**/studies/parts")


def look_around(hands: Hands) -> None:
    """Watch the study in Chinese and on a narrow screen while it runs."""
    page = hands.page
    page.wait_for_selector("#trials tr:nth-child(1)", timeout=STUDY_MS)
    hands.read()
    keep(page, "study-running")
    hands.click(page.get_by_role("link", name="中文"))
    page.wait_for_function("document.documentElement.lang === 'zh'")
    page.wait_for_selector("#trials tr:nth-child(1)")
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function("document.documentElement.scrollWidth <= 390")
    keep(page, "study-zh-narrow")
    hands.click(page.get_by_role("link", name="English"))
    page.wait_for_function("document.documentElement.lang === 'en'")
    page.set_viewport_size({"width": 1280, "height": 900})


def wait_for_the_end(page: Any) -> None:
    """Wait until the page says how the study ended."""
    ended = page.locator("main .card [role=status]", has_text=re.compile("^(finished|ended with an error|stopped)"))
    ended.first.wait_for(timeout=STUDY_MS)
    keep(page, "study-ended")
    assert ended.first.inner_text().startswith("finished"), page.inner_text("main")


def see_the_verdict(hands: Hands) -> None:
    page = hands.page
    hands.click(page.get_by_role("link", name="Result", exact=True))
    expect(page.locator("main h1")).to_have_text("parts", timeout=STEP_MS)
    page.get_by_role("heading", name="Verdict").wait_for()
    page.get_by_role("heading", name="Against a plain yolo train").wait_for()
    page.get_by_role("heading", name="Worst errors").wait_for()
    hands.read()
    keep(page, "result", full=True)


def try_a_picture(hands: Hands, picture: Path) -> None:
    page = hands.page
    slider = page.get_by_role("slider", name="Threshold")
    hands.click(slider, position={"x": 1, "y": 8})
    page.get_by_text("At 0.01:").wait_for()
    hands.press(slider, "ArrowRight")
    page.get_by_text("At 0.02:").wait_for()
    hands.choose("#picture", picture)
    expect(page.locator("#shot-note")).to_have_text(re.compile("^[1-9][0-9]* objects$"), timeout=STEP_MS)
    keep(page, "tried")


def try_a_folder_and_the_camera(hands: Hands, folder: Path) -> None:
    """Try all pictures of a folder, and what the camera sees until it is switched off (Chromium's test pattern)."""
    page = hands.page
    hands.choose("#folder", folder)
    page.get_by_text(re.compile(f"^{SPLITS['test']} pictures, [1-9][0-9]* objects, 0 refused$")).wait_for()
    assert page.locator("#shots figure").count() == SPLITS["test"]
    page.evaluate("document.getElementById('shot').hidden = true")
    camera = page.get_by_role("button", name="Camera of this computer")
    hands.click(camera)
    page.locator("canvas#shot:visible").wait_for()  # a frame with its boxes was drawn
    expect(camera).to_have_attribute("aria-pressed", "true", timeout=STEP_MS)
    keep(page, "camera")
    hands.click(camera)
    expect(camera).to_have_attribute("aria-pressed", "false", timeout=STEP_MS)


def download(hands: Hands, folder: Path) -> None:
    """Download the bundle: an archive with the model and its verdict."""
    with hands.page.expect_download() as found:
        hands.click(hands.page.get_by_role("link", name="Download the bundle"))
    bundle = folder / "bundle.zip"
    found.value.save_as(bundle)
    with zipfile.ZipFile(bundle) as archive:
        assert archive.testzip() is None
        assert {Path(name).name for name in archive.namelist()} >= {ONNX, VERDICT}


def promote_and_roll_back(hands: Hands, storage: Path) -> None:
    """Promote a second version and take it back: each needs a reason, which the history shows."""
    page = hands.page
    published_again(Registry(storage / "models", "parts"), storage / "yolo11n.pt")
    go(hands, "Results", "Results")
    hands.click(page.get_by_role("link", name="parts", exact=True))
    hands.click(page.get_by_role("link", name="Version 2 (challenger)"))
    page.wait_for_url("**/models/parts?version=2")
    hands.click(page.get_by_role("button", name="Promote version 2"))
    page.get_by_text("must be a reason for the history").wait_for()
    for reason, button, held in (
        ("fewer misses", "Promote version 2", "2"),
        ("more false alarms", "Roll back", "1"),
    ):
        hands.fill(page.get_by_label("Reason, recorded in the history"), reason)
        hands.click(page.get_by_role("button", name=button))
        page.get_by_role("link", name=re.compile(rf"^Version {held} \(.*champion")).wait_for()
        page.get_by_role("cell", name=reason).wait_for()
    hands.click(page.get_by_role("button", name="Compare", exact=True))
    page.get_by_text("Differences, as the program writes them").wait_for()
    keep(page, "rolled-back", full=True)


def look_for_suspects(hands: Hands, storage: Path) -> None:
    """Let the models of the study look for suspect labels: they open in the editor, and an answer is kept."""
    page = hands.page
    go(hands, "Labels", "Labels")
    page.locator(".label-editor img").wait_for()
    hands.click(page.get_by_role("button", name="Look for suspect labels with the models of parts"))
    page.wait_for_url("**show=suspects")
    suspects = json.loads((storage / "runs/parts" / AUDIT_LIST).read_text())["suspects"]
    assert suspects
    page.get_by_text(f"1 / {len(suspects)}", exact=True).wait_for()
    keep(page, "suspects")
    hands.click(page.get_by_role("button", name="Right", exact=True))
    history = storage / "data/parts/labelling/history.jsonl"
    until(lambda: f'"{suspects[0]["id"]}"' in history.read_text())


def published_again(registry: Registry, weights: Path) -> None:
    """Publish a second version, as a further study with the same champion would."""
    first = registry.path(1)
    verdict = json.loads((first / VERDICT).read_text())
    registry.publish({BEST: weights, ONNX: first / ONNX}, {VERDICT: verdict | {"accepted": True}})


def keep(page: Any, name: str, *, full: bool = False) -> None:
    """Keep a picture of the page, if they are wanted."""
    if folder := os.environ.get("AUTOML_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"road-{name}.png", full_page=full)
