"""What a person sees, in headless Chromium: TensorBoard's HParams table and curves, and the report.

The pictures are kept in $AUTOML_SCREENSHOTS, when that is set, to be looked at.
"""

import json
import os
import shutil
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from automl.study import Trial
from automl.tracking.report.page import Edition, write
from automl.trials.manager import TrialManager
from tests.builders import METRIC, spec_of
from tests.free_port import free_port
from tests.guarded_worker import wait_until
from tests.simulated_study import Clock, open_search, saturating, simulate

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)"),
]
SPEC = spec_of(budget={"trials": 9}, ladder={"min_epochs": 3, "max_epochs": 9}, confirm={"seeds": 2})
STEP_MS = 300_000
"""For one step of a browser or a page, on a busy machine."""
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> TrialManager:
    """A study of nine trials, two of them still running."""
    folder = tmp_path_factory.mktemp("study")
    clock = Clock()
    search = open_search(folder, SPEC, workers=2, clock=clock)
    simulate(search, saturating, clock=clock, until=lambda: len(search.trials) == 9)
    return search


@pytest.fixture(scope="module")
def board(source: TrialManager) -> Iterator[str]:
    """The address of a TensorBoard that looks at the study."""
    port = free_port()
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(source.context.folder), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for_trials(address, source.trials)
        yield address
    finally:
        process.terminate()
        process.wait()


def wait_for_trials(address: str, trials: Sequence[Trial], *, seconds: float = 600) -> None:
    """Wait until TensorBoard has read the events of all trials: it lists a run before it has read it."""
    measured, validated = sum(trial.epoch > 0 for trial in trials), sum(bool(trial.best(METRIC)) for trial in trials)
    seen: list[object] = [None]

    def read() -> bool:
        try:
            tags = scalar_tags(address)
        except (OSError, ValueError):
            return False
        runs = [names for run, names in tags.items() if run.startswith("trials/")]
        seen.append(tags)
        whole = len(runs) >= measured and sum(METRIC in names for names in runs) >= validated
        return whole and seen[-1] == seen[-2]

    assert wait_until(read, seconds=seconds), f"TensorBoard at {address} never showed all trials: {seen[-1]}"


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    """A page of headless Chromium."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=STEP_MS)
        made = browser.new_page(viewport={"width": 1500, "height": 950})
        made.set_default_timeout(STEP_MS)
        yield made
        browser.close()


def keep(page: Any, name: str) -> bytes:
    picture: bytes = page.screenshot()
    if folder := os.environ.get("AUTOML_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        Path(folder, f"{name}.png").write_bytes(picture)
    return picture


def scalar_tags(address: str) -> dict[str, dict[str, Any]]:
    """Return the tags of each run."""
    found: dict[str, dict[str, Any]] = json.load(
        urllib.request.urlopen(f"{address}/data/plugin/scalars/tags", timeout=300)
    )
    return found


def hparams(address: str) -> dict[str, Any]:
    """Ask TensorBoard's plugin for the experiment, as its page does."""
    asked = urllib.parse.urlencode({"request": "{}"})
    found: dict[str, Any] = json.load(
        urllib.request.urlopen(f"{address}/data/plugin/hparams/experiment?{asked}", timeout=300)
    )
    return found


def test_the_hparams_plugin_knows_types_and_ranges(board: str) -> None:
    columns = {info["name"]: info for info in hparams(board)["hparamInfos"]}

    assert columns["lr0"]["type"] == "DATA_TYPE_FLOAT64"
    assert columns["lr0"]["domainInterval"] == {"minValue": 0.001, "maxValue": 0.1}
    assert sorted(columns["optimizer"]["domainDiscrete"]) == ["AdamW", "SGD"]


def test_the_hparams_table_has_a_row_for_each_trial_also_for_running_ones(
    board: str, page: Any, source: TrialManager
) -> None:
    page.goto(f"{board}/#hparams")
    page.get_by_text("TABLE VIEW").wait_for()
    page.get_by_text("0008_tiny").first.wait_for()

    keep(page, "hparams")
    assert sum(trial.ending is None for trial in source.trials) >= 1
    for trial in source.trials:
        page.get_by_text(f"{trial.number:04d}_tiny").first.wait_for(state="attached")
    for column in ("lr0", "optimizer", "best map50_95"):
        page.get_by_text(column).first.wait_for(state="attached")


def test_the_curves_of_all_trials_are_shown_under_the_same_tags(board: str, page: Any) -> None:
    runs = {run: names for run, names in scalar_tags(board).items() if run.startswith("trials/")}
    per_trial = {frozenset(set(names) - {"trial/outcome"}) for names in runs.values()}
    whole, *young = sorted(per_trial, key=len, reverse=True)
    unvalidated = {tag for tag in whole if not tag.startswith(("val/", "best/"))}
    assert METRIC in whole
    assert all(tags == unvalidated for tags in young), "a trial before its first validation lacks that and no more"

    page.goto(f"{board}/#timeseries")
    page.reload()
    page.get_by_text("best/map50_95").first.wait_for()

    assert wait_until(lambda: len(keep(page, "scalars")) > 20_000), "the curves are drawn after their titles"


def test_the_report_opens_without_asking_for_anything(page: Any, source: TrialManager, tmp_path: Path) -> None:
    path = write(tmp_path, SPEC, source.trials, None, edition=Edition(Path("data.yaml")))
    asked: list[str] = []
    page.goto("about:blank")  # what a page of other tests asks for is over
    page.on("request", lambda request: asked.append(request.url))

    page.goto(path.as_uri())

    keep(page, "report")
    assert asked == [path.as_uri()]
    assert page.locator("h1").inner_text() == "small"
    assert page.locator("svg").count() >= 1
    width = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert width == 0, "the page must not scroll sideways"
