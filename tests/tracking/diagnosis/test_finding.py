"""What a finding says, and that the documentation explains each."""

import re
from pathlib import Path

from automl.tracking.diagnosis import shipped_rules, study_rules, training_rules
from automl.tracking.diagnosis.finding import Finding

DOCUMENT = Path(__file__).parents[3] / "docs" / "diagnosis.md"


def test_the_document_explains_each_finding_and_no_other() -> None:
    names = re.findall(r"^\| `([^`]+)` \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(names) == sorted([*training_rules.NAMES, *study_rules.NAMES, *shipped_rules.NAMES])


def test_a_finding_is_one_line_with_its_place_and_its_advice() -> None:
    one = Finding("plateau", "trial 3", 9, "flat", "more")
    assert str(one) == "trial 3, epoch 9: plateau: flat; more"
    assert str(Finding("first rung ties", "", 0, "8 of 9", "later")) == "first rung ties: 8 of 9; later"


def test_a_finding_is_read_as_it_was_written() -> None:
    one = Finding("plateau", "trial 3", 9, "flat", "more", {"gain": 0.1}, subject="x")
    assert Finding.from_dict(one.to_dict()) == one
