"""The documentation as a site: every link holds, nothing comes from a network, every decision is listed."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOADED = re.compile(
    r"""<(?:script|img|iframe)[^>]*\ssrc=["']?(https?:)?//|<link[^>]*\shref=["']?(https?:)?//"""
    r"""|@import|url\(["']?http"""
)


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    titles = {path.name: path.read_text().splitlines()[0].lstrip("# ") for path in folder.glob("0*.md")}
    listed = re.findall(r"^- \[(.*)\]\((.*)\)$", (folder / "README.md").read_text(), re.M)
    assert listed == [(title, name) for name, title in sorted(titles.items())]


def test_each_file_and_test_that_the_list_of_faults_names_exists() -> None:
    """`…` in a name stands for any part of it; a test belongs to the file that is named before it in its cell."""
    cells = [line.split("|")[-2] for line in (ROOT / "docs" / "faults.md").read_text().splitlines() if line[:2] == "| "]
    named = [part for cell in cells for part in re.findall(r"`([^`]*)`", cell)]
    assert len(named) > 100
    missing, text = [], ""
    for name in named:
        if name.endswith(".py"):
            text = "".join(path.read_text() for path in [*ROOT.glob(name), *(ROOT / "tests").glob(f"**/{name}")])
            missing += [name] * (not text)
        elif "…" in name:
            pattern = r"\w*".join(map(re.escape, name.split("…")))
            missing += [name] * (re.search(rf"def (test_)?{pattern}\(", text) is None)
    assert missing == []


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("mkdocs") is None, reason="MkDocs is not installed")
def test_the_site_is_built_without_a_warning_and_loads_nothing_from_a_network(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHON": sys.executable}
    command = [str(ROOT / ".ci" / "site"), str(tmp_path)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    pages = sorted(tmp_path.rglob("*.html"))
    assert {"index.html", "docs/description.html", "docs/decisions/index.html"} <= {
        str(page.relative_to(tmp_path)) for page in pages
    }
    assert [
        str(path)
        for path in [*pages, *tmp_path.rglob("*.css"), *tmp_path.rglob("*.svg")]
        if LOADED.search(path.read_text())
    ] == []
