"""The model card: what it says, each string in both languages, no mixture."""

import re
from dataclasses import replace
from typing import Any

import pytest

from automl.study.footprint import Footprint, Latency
from automl.study.gate_result import GateResult
from automl.study.verdict import Claim, Comparison, Interval, Shipped, TargetVerdict, Verdict
from automl.tracking.card import Facts, Words, marked, rendered
from automl.tracking.card.chinese import CHINESE
from automl.tracking.card.english import ENGLISH
from automl.tracking.diagnosis.finding import Finding
from automl.tracking.diagnosis.shipped_rules import NAMES as SHIPPED_NAMES
from automl.tracking.diagnosis.training_rules import NAMES
from automl.tracking.report import Language

CJK = re.compile(r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")
TERMS = {"ONNX", "JSON", "IoU", "AP50", "F1", "SHA", "Python", "HTTP"}
"""Terms that Chinese texts use as they are."""
SCORE = {"boxes": 40, "ap50_95": 0.5, "ap50": 0.7, "precision": 0.8, "recall": 0.6, "f1": 0.7, "threshold": 0.31}
NAMED = (
    "ONNX F1 at threshold 0.31", "ONNX precision at threshold 0.31", "ONNX recall at threshold 0.31",
    "ONNX class recall", "ONNX confidence", "target cpu built", "target cpu objective", "engine loss", "engine built",
    "champion", "miss rate", "over-kill rate",
)  # fmt: skip
GATES = (
    *(GateResult(name, True, 0.0, 0.1, "z") for name in NAMED),
    GateResult("score", True, 0.0, 0.61, "x"),
    GateResult("ONNX loss", False, 0.005, 0.01, "y"),
)
CLAIM = Claim(1, {}, {}, (), (), 0.0, None, 0.95, better=False, retrainings=0, allowed=4, further=None)
VERDICT = Verdict(
    study="lines", accepted=False, side="trial7", reasons=(), notes=(), objective="map50_95", split="test", claim=CLAIM,
    metrics={}, torch_score=0.6, onnx_score=0.6, onnx_difference=0.0, engine="", engine_score=None, files={},
    data="f" * 64, names={"0": "hole", "1": "spot|<b>"}, gates=GATES,
    shipped=Shipped("trial 7", {"lr0": 0.02}, 0.6, 40, Interval(0.6, 0.5, 0.7, 0.52)),
    targets=(TargetVerdict("cpu", "openvino", "int8", True, 0.59, 3.21, 5.0, False, "EPYC", ("model.0",), ()),
             TargetVerdict("npu", "openvino", "fp16", False, None, None, None, False, "", (), ())),
    over_baseline=Comparison(2, Interval(0.1, 0.02, 0.18, 0.03)),
    onnx_cost=Footprint(Latency(3.0, 4.0, 5.0, 0.01, "EPYC"), 5.4, Latency(4.0, 6.0, 9.871, 0.5, "EPYC")),
)  # fmt: skip
ENVIRONMENT = {
    "python": "3.11.7", "platform": "Linux x86_64", "packages": {"torch": "2.15.0", "ray": "2.60.0"},
    "gpus": ["NVIDIA H100"], "driver": "580.95", "commit": "", "code": "c" * 64,
}  # fmt: skip
LINEAGE: dict[str, Any] = {
    "seed": 3,
    "training": {"name": "trial 7", "seed": 7, "epochs": 30, "model": {"name": "yolo11n.pt", "sha256": None},
                 "params": {"lr0": 0.02}, "settings": {}, "gpus": 0.3333},
    "data": {"splits": {"test": {"images": 40, "boxes": {"0": 30, "1": 10}}}},
    "environment": ENVIRONMENT,
}  # fmt: skip
METRICS = {
    "images": 40, "metrics": {"map50_95": {"value": 0.6, "low": 0.5, "high": 0.7}, "map50": {"value": 0.8}},
    "classes": {"": SCORE, "hole": SCORE | {"ap50_95": 0.3}, "spot|<b>": SCORE | {"recall": 0.2, "boxes": 9}},
}  # fmt: skip
CONTRACT = {"suppression": {"needed": True, "iou": 0.7}, "confidence": {"threshold": 0.25}, "max_det": 300,
            "file": "model.onnx"}  # fmt: skip
FACTS = Facts("boards", 3, VERDICT, LINEAGE, METRICS, CONTRACT, [
    Finding(name, "trial 7", epoch, "English text", "English advice", {}, "spot")
    for names, epoch in ((NAMES, 12), (SHIPPED_NAMES, 0)) for name in names
])  # fmt: skip


def prose(card: str) -> str:
    """Return a card without code, names of the data set and of the model."""
    bare = re.sub(r"```.*?```|`[^`]*`", "", card, flags=re.DOTALL)
    return bare.replace("spot\\|\\<b\\>", "").replace("hole", "").replace("boards", "")


def test_the_tables_have_the_same_strings_with_the_same_values() -> None:
    assert CHINESE.keys() == ENGLISH.keys()
    for key, text in ENGLISH.items():
        assert sorted(re.findall(r"{(\w+)", text)) == sorted(re.findall(r"{(\w+)", CHINESE[key])), key


@pytest.mark.parametrize("facts", [FACTS, replace(FACTS, lineage={**LINEAGE, "environment": None}, contract=None)])
def test_no_card_mixes_two_languages(facts: Facts) -> None:
    assert not CJK.search(rendered(facts, Language.EN))
    words = set(re.findall(r"[A-Za-z]{2,}\d*", prose(rendered(facts, Language.ZH))))
    assert words <= TERMS | {"AP50"}, words - TERMS


def test_a_card_says_where_a_version_comes_from_how_good_it_is_and_where_it_is_weak() -> None:
    card = rendered(FACTS, Language.EN)
    for said in (
        "# boards, version 3", "made from `yolo11n.pt` by the study `lines`", "Its gates refused it", "f" * 64,
        "| `test` | 40 | 40 | 30 | 10 |", "| `lr0` | `0.02` |", "Training `trial 7`, 30 epochs, seed 7.",
        "it shared one | 0.3333 |",
        "| Seed of the study; of the training | 3; 7 |", "`NVIDIA H100`; `580.95`", "`torch 2.15.0`, `ray 2.60.0`",
        "on 40 images of the split `test`", "| `map50_95` | 0.6000 | 0.5000..0.7000 |", "| `map50` | 0.8000 | not rec",
        "+0.1000 (+0.0200..+0.1800)", "| score | passed | 0.6100 | 0.0000 | +0.6100 |",
        "| ONNX loss | refused | 0.0100 | 0.0050 | -0.0050 |", "The gate ONNX loss refused it.",
        "Weakest class: hole, AP50-95 0.3000 on 40 boxes", "Most missed class: spot\\|\\<b\\>, recall 0.2000",
        "Fewer than 30 boxes of spot\\|\\<b\\>", "Only 40 images",
        "Diagnosis, after epoch 12: class suppressed (`spot`)",
        "| `cpu` | `openvino int8` | passed | 0.5900 | 3.21; 5.00; unstable | `EPYC` | `model.0` |",
        "| `npu` | `openvino fp16` | refused, not in this version |", "| miss rate | passed |",
        "Diagnosis of the model that ships: threshold too high (`spot`).",
        "Confidence above 0.25, IoU of non-maximum suppression 0.7, at most 300 boxes",
        "automl serve boards --version 3", "automl replay boards@3",
        "| `model.onnx` | in the model | 3.00 | 4.00 | 5.00 |",
        "| `model.onnx` | end to end | 4.00 | 6.00 | 9.87; unstable | `EPYC` |",
    ):  # fmt: skip
        assert said in card, said
    assert "English text" not in card


def test_a_head_without_suppression_has_no_threshold_of_overlap() -> None:
    card = rendered(replace(FACTS, contract=CONTRACT | {"suppression": {"needed": False}}), Language.EN)
    assert "the head needs no non-maximum suppression" in card


@pytest.mark.parametrize(
    ("language", "said"), [(Language.EN, "Reason: needed"), (Language.ZH, "理由\N{FULLWIDTH COLON}needed")]
)
def test_overrides_and_signatures_stand_above_the_card(language: Language, said: str) -> None:
    override = {"by": "me@here", "at": "2026-01-02", "why": "needed", "refused": ["loss <= 0.005", "score > 0"]}
    signed = {"at": "2026-01-03", "by": "me@here", "key": "k" * 64}
    text = "\n".join(marked(Words(language), [override], [signed]))
    for part in (said, "`me@here`", "`2026-01-02`", "`loss <= 0.005`", "k" * 64):
        assert part in text
    assert all(line.startswith(">") for line in text.splitlines() if line)


def test_gates_have_chinese_names() -> None:
    card = rendered(FACTS, Language.ZH)
    for said in (
        "| 漏检率上界 | 通过 |",
        "ONNX 文件在阈值 0.31 处 F1 的变化",
        "`cpu`已生成并测量",
        "与现役冠军模型之差",
    ):
        assert said in card
