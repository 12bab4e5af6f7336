"""In headless Chromium: a study is watched live, in two languages and widths, and nothing is asked of another host.

The pictures are kept in $AUTOML_SCREENSHOTS, when that is set, to be looked at.
"""

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from automl.study.load import dump
from automl.trials.manager import TrialManager
from tests.builders import spec_of
from tests.simulated_study import Clock, open_search, saturating, simulate
from tests.test_browser import CHROMIUM, FLAGS, STEP_MS

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)"),
]
SPEC = spec_of(name="parts", budget={"trials": 12}, ladder={"min_epochs": 3, "max_epochs": 9}, confirm={"seeds": 2})
FITS = """() => [...document.querySelectorAll("fieldset")].every((set) => [...set.querySelectorAll("*")].every(
  (one) => one.getBoundingClientRect().right <= set.getBoundingClientRect().right + 1))"""
"""No field leaves the frame of its section."""
SIZES = {"wide": 1280, "narrow": 390}


@pytest.fixture
def search(tmp_path: Path) -> TrialManager:
    """A study of nine trials, two of them still running, in the storage of the page."""
    folder = tmp_path / "storage/runs/parts"
    clock = Clock()
    search = open_search(folder, SPEC, workers=2, clock=clock)
    (folder / "study.yaml").write_text(dump(SPEC))
    simulate(search, saturating, clock=clock, until=lambda: len(search.trials) == 9)
    return search


def test_a_study_is_watched_live(search: TrialManager, address: str) -> None:
    base = address.split("/?", maxsplit=1)[0]
    asked: set[str] = set()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=STEP_MS)
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        context.set_default_timeout(STEP_MS)
        context.on("request", lambda request: asked.add(request.url))
        page, stranger = context.new_page(), browser.new_context().new_page()
        refused = stranger.goto(base, timeout=STEP_MS)
        assert refused is not None
        assert refused.status == 401
        page.goto(address)
        page.get_by_role("link", name="parts").click()
        page.wait_for_selector("#trials tr:nth-child(9)")
        other = context.new_page()
        other.goto(f"{base}/studies/parts")
        _train_on(search)
        for one in (page, other):
            one.wait_for_selector("#trials tr:nth-child(10)")
        for path in ("", "data", "labels", "studies/parts", "train", "models", "field"):
            _look_at(page, f"{base}/language/zh?next=/{path}", language="zh", name=f"{path.replace('/', '-')}-zh")
            _look_at(page, f"{base}/language/en?next=/{path}", language="en", name=f"{path.replace('/', '-')}-en")
        page.goto(f"{base}/studies/parts/report")
        page.set_viewport_size({"width": SIZES["narrow"], "height": 800})
        page.wait_for_function(f"document.documentElement.scrollWidth <= {SIZES['narrow']}")
        browser.close()
    assert {url for url in asked if not url.startswith((base, "data:", "blob:"))} == set()


def _train_on(search: TrialManager) -> None:
    """Add a trial, as the process of the study does while it is watched."""
    space = search.context.spec.search_space
    search.journal.suggested(space.defaults(), space, seed=9, origin="model")


def _look_at(page: Any, url: str, *, language: str, name: str) -> None:
    """Open a page: it is in one language, and fits both widths."""
    page.goto(url)
    page.wait_for_selector("main h1")
    assert page.evaluate("document.documentElement.lang") == language
    for words in (page.inner_text("header nav"), page.text_content("#popup")):  # the menu, and a lost connection
        assert any("一" <= letter <= "鿿" for letter in words) == (language == "zh")
    if more := page.query_selector(".q-expansion-item .q-item"):
        more.click()
    for size, width in SIZES.items():
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_function(f"document.documentElement.scrollWidth <= {width}")  # charts follow the window
        page.wait_for_function(FITS)
        if folder := os.environ.get("AUTOML_SCREENSHOTS"):
            page.wait_for_timeout(500)
            page.screenshot(path=Path(folder) / f"web-{name}-{size}.png")
