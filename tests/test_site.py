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
