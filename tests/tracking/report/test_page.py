"""The page a study leaves behind: one file, no network, readable at any moment, and nothing in it runs."""

import re
from collections.abc import Sequence
from html.parser import HTMLParser
from math import inf
from pathlib import Path
from typing import Any

import pytest

from automl.data.record import DataSet
from automl.storage.journal import Journal
from automl.storage.layout import trial_folder
from automl.study import Ending, Params, Trial
from automl.study.spec import StudySpec
from automl.study.verdict import Verdict
from automl.tracking.diagnosis import findings_file
from automl.tracking.diagnosis.finding import Finding
from automl.tracking.report import page as report
from automl.trials.job_clock import Elapsed, Stage
from tests.builders import METRIC, RATES, completed, failed, measurement, pruned, spec_of, trial_of

EVIL = "<script>alert('x')</script>&\"]]>"
DATA = DataSet(Path("/data/d.yaml"), {0: "hole"}, {"train": ()}, {"train": {}}, (), "f" * 64)
TRIALS = [
    completed(0, [0.1, 0.2, 0.3, 0.4, 0.5, 0.5]),
    pruned(1, [0.0, 0.1]),
    failed(2, [0.1], cause="RuntimeError: out of memory"),
    failed(3),
    trial_of(4, [0.2]),
    completed(5, [0.2] * 6, params={"optimizer": "SGD"}),
]
FACTS: dict[str, Any] = {
    "study": "small", "accepted": True, "reasons": ["passed: gain"], "notes": ["no engine was built"], "trial": 0,
    "params": {"lr0": 0.02, "optimizer": "SGD"}, "seed": 1_000_001, "objective": "map50_95", "split": "test",
    "side": "trial0", "params_better": True, "further": None,
    "shipped": {"name": "trial0_seed1000001", "params": {}, "on_val": 0.6, "images": 40,
                "value": 0.599, "low": 0.51, "high": 0.68, "lower": 0.52},
    "over_baseline": {"models": 2, "value": 0.3, "low": 0.2, "high": 0.4, "lower": 0.22},
    "challenger": [0.5, 0.6], "default": [0.3, 0.2], "difference": 0.3, "lower_bound": 0.1, "confidence": 0.9,
    "metrics": {METRIC: 0.6, "class/hole": 0.61}, "torch_score": 0.6, "onnx_score": 0.599, "onnx_difference": 1e-4,
    "engine": "tensorrt_rtx 1.7", "engine_score": None, "version": 3, "data": "f" * 64, "names": {"0": "hole"},
    "files": {},
}  # fmt: skip
VOID = {"meta", "link", "br", "img", "use", "path", "hr", "input"}


class Page(HTMLParser):
    """Checks a page while reading it: tags balance, nothing is fetched, nothing runs."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.faults += [f"unclosed {tag}" for tag in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"script", "iframe", "object", "embed", "link", "img", "base", "form"}:
            self.faults.append(f"tag {tag}")
        for name, value in attrs:
            inside = (value or "").startswith(("#", "data:image/jpeg;base64,"))
            if name.startswith("on") or (name in {"src", "href", "xlink:href"} and not inside):
                self.faults.append(f"{tag} {name}={value}")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            self.faults += [] if self.open and self.open.pop() == tag else [f"stray {tag}"]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def page_of(
    folder: Path, trials: Sequence[Trial] = TRIALS, facts: dict[str, Any] | None = None, **changes: Any
) -> tuple[str, str]:
    """Write the report, see that it is sound, and return its source and its words."""
    spec: StudySpec = spec_of(**changes)
    path = report.write(
        folder, spec, trials, Verdict.from_dict(facts) if facts else None, edition=report.Edition(DATA.source)
    )
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert path == folder / "report.html"
    assert page.faults == []
    return text, re.sub(r"\s+", " ", " ".join(page.words))


@pytest.mark.parametrize(
    "trials",
    [[], [trial_of(0)], [failed(0)], [failed(0), failed(1)], TRIALS[:1], TRIALS],
    ids=["none", "just begun", "one failed", "all failed", "one", "all kinds"],
)
def test_a_report_can_be_written_at_any_moment(tmp_path: Path, trials: list[Trial]) -> None:
    text, words = page_of(tmp_path, trials)
    assert "Not finished" in words
    assert text.count('<td class="why">') == len(trials)


def test_every_trial_is_a_row_with_its_state_and_why_it_ended(tmp_path: Path) -> None:
    text, words = page_of(tmp_path)
    assert "RuntimeError: out of memory" in words
    assert "rank 3 of 3, 1 advance" in words
    rows = [
        re.sub(r"<[^>]+>|\s+", " ", row).split() for row in re.split("<tr[^>]*>", text.split("<h2>Trials</h2>")[1])[2:8]
    ]
    assert [row[:3] for row in rows] == [
        ["0", "COMPLETED", "6"], ["1", "PRUNED", "2"], ["2", "FAILED", "1"], ["3", "FAILED", "0"],
        ["4", "RUNNING", "1"], ["5", "COMPLETED", "6"],
    ]  # fmt: skip


def test_a_trial_that_waits_at_a_rung_is_told_as_paused(tmp_path: Path) -> None:
    stood = [trial_of(0, [0.2, 0.3]), trial_of(1, [0.2, 0.3, 0.4])]
    for scheduler, told in {"promotion": ("PAUSED", "1 PAUSED"), "stopping": ("RUNNING", "2 RUNNING")}.items():
        ladder = {"min_epochs": 2, "max_epochs": 6, "scheduler": scheduler}
        source, words = page_of(tmp_path, stood, ladder=ladder)
        assert f'class="{told[0]}">{told[0]}<' in source
        assert told[1] in words


def test_a_verdict_is_told_with_its_gates_numbers_and_notes(tmp_path: Path) -> None:
    _, words = page_of(tmp_path, facts=FACTS)
    assert "Champion: small version 3" in words
    assert "trial0_seed1000001, chosen on val. map50_95 on test: 0.5990 (0.5100..0.6800) with its 95% interval" in words
    assert "+0.3000 (+0.2000..+0.4000): its difference to the mean of 2 models of the baseline" in words
    assert "yes, those of trial 0: +0.3000 map50_95 on test" in words
    assert "with 90% confidence the gain is at least +0.1000" in words
    for told in ("passed: gain", "note: no engine was built", "0.5500", "0.2500", "0.5990", "not measured here"):
        assert told in words


def test_a_no_is_told_as_a_proper_result(tmp_path: Path) -> None:
    refused = {"accepted": False, "reasons": ["refused: gain"], "engine": "", "params_better": False}
    _, words = page_of(tmp_path, facts=FACTS | refused | {"further": {"seeds": 3, "retrainings": 10}})
    assert "Nothing was promoted" in words
    assert "Champion: " not in words
    assert "not shown, which is a valid result: +0.3000" in words
    assert "3 more seeds of each would decide it if the difference persists" in words
    assert "model.engine" not in words


def test_passed_gates_are_folded_and_others_stand_open(tmp_path: Path) -> None:
    gates = [
        {"name": name, "passed": name == "loss", "limit": 1, "value": 2, "text": name} for name in ("loss", "size")
    ]
    text, words = page_of(
        tmp_path, facts=FACTS | {"gates": gates, "reasons": ["passed: loss", "refused: size", "other"]}
    )
    folded = text.partition("<details>")[2].partition("</details>")[0]
    assert "1 of 2 gates passed" in folded
    assert [reason in folded for reason in ("passed: loss", "refused: size", "other")] == [True, False, False]
    assert "refused: size" in words
    assert "other" in words


def test_a_verdict_of_an_earlier_version_is_told_with_its_gates(tmp_path: Path) -> None:
    known = {name: value for name, value in FACTS.items() if name not in {"shipped", "over_baseline", "params_better"}}
    _, words = page_of(tmp_path, facts=known)
    assert "Champion: small version 3" in words
    assert "passed: gain" in words


def test_what_is_not_known_without_re_trainings_is_said(tmp_path: Path) -> None:
    _, words = page_of(tmp_path, facts=FACTS | {"challenger": [], "default": [], "over_baseline": None})
    assert "not known: no model of the baseline was trained to the end" in words
    assert "not known: no model was retrained on fresh seeds (confirm.seeds is 0)" in words


@pytest.mark.parametrize("bound", [None, -inf])
def test_a_bound_that_is_not_there_is_said_so(tmp_path: Path, bound: float | None) -> None:
    _, words = page_of(tmp_path, facts=FACTS | {"lower_bound": bound, "default": [0.3]})
    assert "its confidence is unknown with fewer than two scores a side" in words
    assert "inf" not in words


def test_no_name_of_a_user_is_taken_for_html(tmp_path: Path) -> None:
    params: Params = {"optimizer": EVIL, "lr0": 0.1}
    evil = EVIL.replace("/", "\\")  # a slash makes a path of it, and of a path the last part is shown
    facts = FACTS | {"reasons": [EVIL], "notes": [EVIL], "metrics": {f"class/{EVIL}": 0.5}, "params": params}
    space = {"optimizer": {"choices": [evil, "SGD"], "default": evil}, "lr0": {"low": 0.1, "high": 1, "default": 1}}
    trials = [trial_of(0, [0.1], params=params, ending=Ending(cause=EVIL))]
    text, words = page_of(
        tmp_path / "a<b>&c", trials, facts, space=space, train={"cache": EVIL, "<b>": "x"}, model=EVIL, data=EVIL
    )
    assert "<script" not in text
    assert words.count(EVIL) >= 4
    assert evil in words
    assert "a<b>&c" in words


def test_a_page_needs_no_network(tmp_path: Path) -> None:
    text, _ = page_of(tmp_path, facts=FACTS)
    assert not re.search(r"(src|href)\s*=\s*[\"']?\s*(https?:)?//", text)
    assert "@import" not in text
    assert not re.search(r"url\(\s*[\"']?(?!#)", text)


def test_pictures_stand_in_the_page(tmp_path: Path) -> None:
    spread: list[Params] = [{"optimizer": "SGD", "lr0": 0.002 * (number + 1)} for number in range(12)]
    trials = [completed(number, [number / 12] * 6, params=params) for number, params in enumerate(spread)]
    text, words = page_of(tmp_path, trials, FACTS)
    assert text.count("<svg") == 5
    assert "baseline" in words
    assert "Too few trials" not in words
    assert page_of(tmp_path, TRIALS)[0].count("<svg") == 2


def test_the_time_of_the_whole_job_is_told_as_far_as_the_journal_has_it(tmp_path: Path) -> None:
    row = "wall-clock time of the whole job"
    assert row not in page_of(tmp_path)[1]
    journal = Journal.create(tmp_path, name="small", metric=METRIC)
    journal.note("elapsed", Elapsed({"start": 20.0, "search": 646.0}, Stage.SEARCH, 2).to_dict())
    assert f"{row} 11m06s: start 20s, search 10m46s" in page_of(tmp_path)[1]


def test_what_was_searched_is_told_with_conditions(tmp_path: Path) -> None:
    space = {
        "optimizer": {"choices": ["SGD", "AdamW"], "default": "SGD"},
        "momentum": {"low": 0.5, "high": 0.9, "default": 0.9, "when": {"optimizer": ["SGD"]}},
        "batch": {"low": 4, "high": 8, "default": 8, "type": "int", "log": True},
    }
    _, words = page_of(tmp_path, [trial_of(0, params={"optimizer": "AdamW", "batch": 8})], space=space)
    for told in ("SGD, AdamW", "0.5 to 0.9", "optimizer is SGD", "4 to 8, log, whole"):
        assert told in words


def test_the_cost_is_told_against_no_early_stopping(tmp_path: Path) -> None:
    _, words = page_of(tmp_path, facts=FACTS)
    assert "16 of 36 without early stopping (44%)" in words
    assert "4 of 6 epochs" in words


def test_a_report_written_again_replaces_the_old_one(tmp_path: Path) -> None:
    page_of(tmp_path, [])
    _, words = page_of(tmp_path, [completed(0, [0.5] * 6)], FACTS)
    assert "Not finished" not in words
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_hundred_trials_make_a_page_of_bearable_size(tmp_path: Path) -> None:
    trials = [
        Trial(number, {"lr0": 0.1}, number, tuple(measurement(e, 0.1) for e in range(1, 7))) for number in range(100)
    ]
    assert len(page_of(tmp_path, trials)[0]) < 500_000


def test_each_range_of_a_parameter_is_a_row_and_the_best_value_stands_in_its_own(tmp_path: Path) -> None:
    _, words = page_of(tmp_path, TRIALS, FACTS, space=RATES)
    assert "lr0 0.001 to 0.05, log 0.01 0.02 optimizer is SGD" in words
    assert re.search(r"lr0 0.0001 to 0.005, log 0.001 \S optimizer is AdamW", words)


def test_findings_are_rows_with_what_to_change(tmp_path: Path) -> None:
    spec, trial = spec_of(), TRIALS[0]
    folder = trial_folder(tmp_path, trial, spec.model)
    folder.mkdir(parents=True)
    findings_file.write(folder, [Finding("class suppressed", "trial 0", 6, f"scratch {EVIL}", "look at the labels")])
    text, words = page_of(tmp_path)
    assert "trial 0, epoch 6 class suppressed scratch" in words
    assert "look at the labels" in words
    assert EVIL not in text


def test_a_study_without_findings_says_so(tmp_path: Path) -> None:
    assert "The diagnosis found nothing." in page_of(tmp_path, [])[1]
