"""The page in two languages: the same keys and values, no mixture, and a message for any other."""

import re
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from string import Formatter
from typing import Any

import pytest

from automl.storage.journal import Journal
from automl.storage.layout import CONFIRM, EXPORT, ONNX_STATS
from automl.study import Ending, EndReason, State, Trial
from automl.study.errors import StudyError
from automl.study.verdict import Verdict
from automl.tracking.report import page as report
from automl.tracking.report.language import TABLES, Language, Words, language_of
from automl.tracking.structure_table import StructureRow
from automl.trials.job_clock import Elapsed, Stage
from tests.builders import METRIC, completed, failed, pruned, spec_of, trial_of
from tests.tracking.report.test_class_results import stats_of
from tests.tracking.report.test_errors import faulty, keep
from tests.tracking.report.test_page import DATA, FACTS, Page

GATES = [
    {"name": name, "passed": passed, "limit": 0.005, "value": value, "text": "loss <= 0.005 holds"}
    for name, passed, value in (
        ("ONNX loss", True, 0.001), ("score", False, 0.0), ("engine loss", True, 0.0), ("engine built", False, None),
        ("champion", True, 0.1), ("ONNX F1 at threshold 0.31", True, 0.0), ("target cpu class recall", True, 0.0),
    )
]  # fmt: skip
NAMES = {
    "small", "data", "tiny", "yaml", "yolo", "train", "map", "map50_95", "val", "test", "precision", "recall", "lr0",
    "optimizer", "SGD", "AdamW", "ONNX", "onnx", "model", "torch", "tensorrt_rtx", "IoU", "AP", "PED", "ANOVA",
    "Optuna",
    "Dashboard", "HParams", "F", "confirm", "seeds", "UTC", "class", "hole", "spot", "trial", "default", "seed",
    "details",
    "csv", "node", "trial0_seed1000001",
}  # fmt: skip
"""Names of params, files, tags, classes and products, which are the same in each language."""


class Texts(HTMLParser):
    """Texts of a page in its own language: without code, styles and quotations of the journal."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.skipped = 0
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self.skipped or tag in {"code", "style", "metadata"} or ("lang", "en") in attrs:
            self.skipped += tag not in {"br", "meta"}

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Have no text."""

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self.skipped = max(self.skipped - 1, 0)

    def handle_data(self, data: str) -> None:
        if not self.skipped:
            self.found.append(data)


def foreign(text: str) -> set[str]:
    """Return the words in Latin letters that are neither names nor units of time."""
    shown = re.sub(r"\b[0-9]+[hms]([0-9]+[ms])?\b", "", " ".join(Texts(text).found))
    words = set(re.findall(r"[A-Za-z_]+(?:[0-9]+[A-Za-z_0-9]*)?", shown))
    known = {word.lower() for word in NAMES}
    return {word for word in words if not {word.lower(), re.sub(r"[0-9]+$", "", word).lower()} & known}


def study(folder: Path) -> list[Trial]:
    """Write a study's journal and detections; return trials of all kinds on two nodes."""
    journal = Journal.create(folder, name="small", metric=METRIC)
    journal.note("elapsed", Elapsed(dict.fromkeys(map(str, Stage), 20.0), Stage.SEARCH, 2).to_dict())
    for path in (folder / EXPORT / ONNX_STATS, folder / CONFIRM / "default_seed1" / "judged.npz"):
        path.parent.mkdir(parents=True)
        (faulty().stats() if path.name == ONNX_STATS else stats_of()).save(path)
    keep(folder, faulty())
    trials = [
        completed(
            n, [0.1 * n, 0.05 * n, 0.3, 0.1 * n + 0.1, 0.2, 0.3], params={"lr0": 0.01 * (n + 1), "optimizer": "SGD"}
        )
        for n in range(8)
    ]
    stopped = [
        trial_of(8 + n, [0.1, 0.2], ending=Ending(pruned="rank 3 of 3, 1 advance", kind=reason))
        for n, reason in enumerate((EndReason.RUNG, EndReason.BUDGET, EndReason.QUOTA, EndReason.CHANGED))
    ]
    more = [failed(12, [0.1], cause="RuntimeError: broken"), pruned(13, [0.1, 0.1]), trial_of(14, [0.1]), trial_of(15)]
    found = [*trials, *stopped, *more]
    return [replace(trial, node=f"node{trial.number % 2}") for trial in found]


def page_in(language: Language, folder: Path, facts: Mapping[str, Any] | None) -> str:
    trials = study(folder)
    verdict = Verdict.from_dict(dict(facts)) if facts else None
    spec = spec_of(train={"imgsz": 64})
    edition = report.Edition(DATA.source, language)
    return report.write(folder, spec, trials, verdict, edition=edition).read_text(encoding="utf-8")


LAWS = ("latency_ms <= 64 on onnx", "size_mb <= 9 on onnx")
SIZES = {"latency_ms on onnx": 64.0, "size_mb on onnx": 1.0}
STRUCTURES = (
    StructureRow("a.yaml at 64 px", "a.yaml", 64, SIZES, (), 3, 0.5, 0, 6, front=True),
    StructureRow("b.yaml at 64 px", "b.yaml", 64, {**SIZES, "latency_ms on onnx": 9.0}, (), 1, 0.2, 1, 2, front=False),
    StructureRow("c.yaml at 64 px", "c.yaml", 64, {**SIZES, "latency_ms on onnx": 900.0}, LAWS[:1], 0, None, None, 0,
                 front=False),
)  # fmt: skip


@pytest.mark.parametrize(
    ("language", "said"),
    [(Language.EN, ("Metric against cost", "not tried: breaks")), (Language.ZH, ("帕累托前沿", "未尝试"))],
)
def test_structures_are_a_table_and_a_picture(tmp_path: Path, language: Language, said: tuple[str, ...]) -> None:
    spec = spec_of(objective={"constraints": [*LAWS]})
    for rows, pictures in ((STRUCTURES, 1), (STRUCTURES[1:], 0)):
        edition = report.Edition(DATA.source, language, rows)
        page = report.write(tmp_path, spec, [], None, edition=edition).read_text(encoding="utf-8")
        assert all(text in page for text in (*said, "a.yaml" if pictures else "b.yaml", "latency_ms &lt;= 64 on onnx"))
        assert page.count("a.yaml at 64 px") == pictures


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_each_language_has_the_same_strings_with_the_same_values() -> None:
    english, chinese = TABLES[Language.EN], TABLES[Language.ZH]
    assert list(english) == list(chinese)
    assert {key: fields(text) for key, text in english.items()} == {key: fields(text) for key, text in chinese.items()}
    for group, members in (("state", State), ("why", EndReason), ("stage", Stage)):
        assert {f"{group}.{member}" for member in members} == {key for key in english if key.startswith(f"{group}.")}


@pytest.mark.slow
@pytest.mark.parametrize(
    "facts",
    [
        None,
        FACTS | {"gates": GATES},
        FACTS | {"gates": GATES, "accepted": False, "params_better": False, "engine": "", "side": "default",
                 "further": {"seeds": 3, "retrainings": 10}, "lower_bound": None},
        FACTS | {"challenger": [], "default": [], "over_baseline": None, "engine_score": 0.5},
    ],
    ids=["unfinished", "champion", "refused", "unknown"],
)  # fmt: skip
def test_a_chinese_page_has_no_english_words(tmp_path: Path, facts: dict[str, Any] | None) -> None:
    text = page_in(Language.ZH, tmp_path, facts)
    assert Page(text).faults == []
    assert '<html lang="zh-CN">' in text
    assert foreign(text) == set()


@pytest.mark.slow
def test_the_texts_of_the_journal_are_quoted_as_such_in_a_chinese_page(tmp_path: Path) -> None:
    text = page_in(Language.ZH, tmp_path, FACTS)
    for told in ("RuntimeError: broken", "passed: gain", "no engine was built"):
        assert f'<span class="quote" lang="en">{told}</span>' in text
    assert "rank 3 of 3" not in text


@pytest.mark.slow
def test_an_english_page_has_no_chinese(tmp_path: Path) -> None:
    assert not re.search(r"[\u3000-\u9fff\uff00-\uffef]", page_in(Language.EN, tmp_path, FACTS | {"gates": GATES}))


def test_what_is_filled_in_is_escaped_and_one_line() -> None:
    words = Words(Language.EN)
    assert words("note", text="<b>\x1b") == "note: &lt;b&gt;\\x1b"
    words = Words(Language.ZH)
    assert words.quoted("<b>") == '<span class="quote" lang="en">&lt;b&gt;</span>'


def test_another_language_is_refused_with_those_there_are() -> None:
    with pytest.raises(StudyError, match=r"lang: must be en or zh, but got fr; omit it for English"):
        language_of("fr")
