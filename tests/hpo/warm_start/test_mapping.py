"""How an earlier study's trials are ranked, and put in the terms of a space that is not quite theirs."""

from collections.abc import Mapping, Sequence
from statistics import mean, pstdev
from typing import Any

import pytest

from automl.hpo.warm_start.mapping import Terms, fitted, translated
from automl.hpo.warm_start.past_study import PastTrial
from automl.hpo.warm_start.ranking import order, scores
from automl.study import State
from automl.study.space import Choice, Integer, Parameter, Real, Single
from tests.builders import rates_space, space_of
from tests.past_studies import SETTINGS

LR = Real(1e-4, 0.1, 0.01, log=True)
OPTIMIZER = Choice(("SGD", "AdamW"), "SGD")
MIXUP = Real(0.0, 1.0, 0.0)
MOMENTUM = Real(0.5, 0.99, 0.9)
OF_SGD = Real(0.5, 0.99, 0.9, when={"optimizer": ("SGD",)})
IMGSZ = Choice((480, 640), 640)
SGD = {"optimizer": "SGD"}

Space = Mapping[str, Parameter]
Row = tuple[str, Space, Mapping[str, Any], Space, Mapping[str, Any], Mapping[str, Any], object]
TABLE: Sequence[Row] = [
    # what is shown, space and fixed there, space and fixed here, params there, params here or what does not fit
    ("the same space", {"lr0": LR}, SGD, {"lr0": LR}, SGD, {"lr0": 0.02}, {"lr0": 0.02}),
    ("a number no longer searched is left out", {"lr0": LR, "mixup": MIXUP}, SGD, {"lr0": LR}, SGD,
     {"lr0": 0.02, "mixup": 0.9}, {"lr0": 0.02}),
    ("a number newly searched has the value that was fixed", {"lr0": LR}, {**SGD, "mixup": 0.3},
     {"lr0": LR, "mixup": MIXUP}, SGD, {"lr0": 0.02}, {"lr0": 0.02, "mixup": 0.3}),
    ("or the trainer's own", {"lr0": LR}, SGD, {"lr0": LR, "mixup": MIXUP}, SGD, {"lr0": 0.02},
     {"lr0": 0.02, "mixup": 0.0}),
    ("unless it lies outside", {"lr0": LR}, SGD, {"lr0": LR, "mixup": Real(0.5, 1.0, 0.6)}, SGD,
     {"lr0": 0.02}, "mixup"),
    ("a choice newly searched must hold what was fixed", {"lr0": LR}, {"optimizer": "AdamW"},
     {"optimizer": OPTIMIZER, "lr0": LR}, {}, {"lr0": 0.02}, {"optimizer": "AdamW", "lr0": 0.02}),
    ("optimizer auto is no choice", {"mixup": MIXUP}, {}, {"optimizer": OPTIMIZER, "mixup": MIXUP}, {},
     {"mixup": 0.1}, "optimizer"),
    ("under optimizer auto nobody knows lr0", {"mixup": MIXUP}, {}, {"lr0": LR, "mixup": MIXUP}, SGD,
     {"mixup": 0.1}, "lr0"),
    ("unless auto is a choice", {"mixup": MIXUP}, {}, {**rates_space().parameters, "mixup": MIXUP}, {},
     {"mixup": 0.1}, {"optimizer": "auto", "mixup": 0.1}),
    ("where auto was fixed, lr0 was not searched", {"mixup": MIXUP}, {"lr0": 0.02}, rates_space().parameters, {},
     {"mixup": 0.1}, {"optimizer": "auto"}),
    ("a value must lie in the range of its optimizer", {"optimizer": OPTIMIZER, "lr0": LR}, {},
     rates_space().parameters, {}, {"optimizer": "AdamW", "lr0": 0.02}, "lr0"),
    ("as here", {"optimizer": OPTIMIZER, "lr0": LR}, {}, rates_space().parameters, {},
     {"optimizer": "SGD", "lr0": 0.02}, {"optimizer": "SGD", "lr0": 0.02}),
    ("or a little outside it", {"optimizer": OPTIMIZER, "lr0": LR}, {}, rates_space().parameters, {},
     {"optimizer": "AdamW", "lr0": 6e-3}, {"optimizer": "AdamW", "lr0": 5e-3}),
    ("several ranges there, one here", rates_space().parameters, {}, {"lr0": LR}, {"optimizer": "adamw"},
     {"optimizer": "AdamW", "lr0": 2e-3}, {"lr0": 2e-3}),
    ("an optimizer in any case", {"lr0": LR}, {"optimizer": "sgd"}, rates_space().parameters, {},
     {"lr0": 0.02}, {"optimizer": "SGD", "lr0": 0.02}),
    ("a choice no longer searched must be the one fixed", {"optimizer": OPTIMIZER, "lr0": LR}, {}, {"lr0": LR},
     {"optimizer": "AdamW"}, {"optimizer": "AdamW", "lr0": 0.02}, {"lr0": 0.02}),
    ("else the trial is of another kind", {"optimizer": OPTIMIZER, "lr0": LR}, {}, {"lr0": LR}, {"optimizer": "AdamW"},
     {"optimizer": "SGD", "lr0": 0.02}, "optimizer"),
    ("a condition that does not hold leaves out the child", {"optimizer": OPTIMIZER, "momentum": MOMENTUM}, {},
     {"optimizer": OPTIMIZER, "momentum": OF_SGD}, {}, {"optimizer": "AdamW", "momentum": 0.8}, {"optimizer": "AdamW"}),
    ("one that holds keeps it", {"optimizer": OPTIMIZER, "momentum": MOMENTUM}, {},
     {"optimizer": OPTIMIZER, "momentum": OF_SGD}, {}, {"optimizer": "SGD", "momentum": 0.8},
     {"optimizer": "SGD", "momentum": 0.8}),
    ("a child without a value there was trained with the fixed one", {"optimizer": OPTIMIZER, "momentum": OF_SGD}, {},
     {"optimizer": OPTIMIZER, "momentum": MOMENTUM}, {}, {"optimizer": "AdamW"},
     {"optimizer": "AdamW", "momentum": 0.9}),
    ("another order of parameters", {"lr0": LR, "optimizer": OPTIMIZER}, {}, {"optimizer": OPTIMIZER, "lr0": LR}, {},
     {"lr0": 0.02, "optimizer": "SGD"}, {"optimizer": "SGD", "lr0": 0.02}),
    ("a little outside is taken for the end", {"lr0": LR}, SGD, {"lr0": Real(1e-3, 0.05, 0.01, log=True)}, SGD,
     {"lr0": 0.06}, {"lr0": 0.05}),
    ("far outside is dropped", {"lr0": LR}, SGD, {"lr0": Real(1e-3, 0.05, 0.01, log=True)}, SGD, {"lr0": 0.1}, "lr0"),
    ("a model is told by its digest", {"model": Choice(("m/1/a.pt", "m/2/b.pt"), "m/1/a.pt"), "lr0": LR}, SGD,
     {"lr0": LR}, {**SGD, "model": "m/2/b.pt"}, {"model": "m/2/b.pt", "lr0": 0.02}, {"lr0": 0.02}),
    ("a size newly searched", {"lr0": LR}, SGD, {"lr0": LR, "imgsz": IMGSZ}, SGD, {"lr0": 0.02},
     {"lr0": 0.02, "imgsz": 640}),
]  # fmt: skip


@pytest.mark.parametrize("row", TABLE, ids=[row[0] for row in TABLE])
def test_params_are_put_in_the_terms_of_the_new_space(row: Row) -> None:
    _, space, fixed, new, fixes, params, wanted = row
    there = Terms(space_of(**space), {**SETTINGS, **fixed})
    here = Terms(space_of(**new), {**SETTINGS, **fixes})
    found = translated(params, there, here)
    assert found == wanted
    assert isinstance(found, str) or (here.space.contains(found) and list(found) == [n for n in new if n in found])


@pytest.mark.parametrize(
    ("parameter", "value", "wanted"),
    [
        (Real(0.0, 1.0, 0.5), 1, 1.0),
        (Real(0.0, 1.0, 0.5), -0.09, 0.0),
        (Real(0.0, 1.0, 0.5), -0.11, None),
        (Real(0.0, 1.0, 0.5), True, None),
        (Real(0.0, 1.0, 0.5), "0.5", None),
        (Real(0.0, 1.0, 0.5), None, None),
        (Real(0.0, 1.0, 0.5), float("nan"), None),
        (Real(0.0, 1.0, 0.5), float("inf"), None),
        (Real(0.0, 1.0, 0.5), 10**400, None),
        (Real(0.0, 1.0, 0.5), [0.5], None),
        (LR, 0.0, None),
        (LR, -1.0, None),
        (LR, 9e-5, 1e-4),
        (Integer(4, 64, 16), 16.4, 16),
        (Integer(4, 64, 16), 66, 64),
        (Integer(4, 64, 16), 80, None),
        (IMGSZ, 640.0, 640),
        (IMGSZ, 512, None),
        (Choice((True, False), True), 1, None),
        (Choice((1, 2), 1), True, None),
        (Choice(("a", "1"), "a"), 1, None),
        (Choice(("a", "b"), "a"), ["a"], None),
    ],
)
def test_a_value_is_taken_only_as_what_it_was(parameter: Single, value: object, wanted: object) -> None:
    found = fitted(parameter, value)
    assert (found, type(found)) == (wanted, type(wanted))


def trial(*values: float, first: int = 1) -> PastTrial:
    return PastTrial({}, dict(enumerate(values, start=first)), State.COMPLETED)


def test_stopped_trials_are_compared_at_the_epoch_that_both_got_to() -> None:
    slow, fast, stopped, hopeless = trial(0.1, 0.2, 0.9), trial(0.5, 0.6, 0.7), trial(0.3), trial(0.05)
    assert order([slow, fast, stopped, hopeless]) == [[3], [1], [2], [0]], (
        "at epoch 1 the stopped one was ahead of one, so it ends ahead of one; the hopeless one of none"
    )


def test_a_high_value_early_is_no_higher_than_a_late_one_it_did_not_beat() -> None:
    assert order([trial(0.1, 0.2), trial(0.09)]) == [[1], [0]]
    assert order([trial(0.5, 0.4, 0.3), trial(0.2, 0.45)]) == [[1], [0]]  # best so far: a late fall takes nothing away


def test_equal_trials_share_their_rank() -> None:
    flat = [trial(0.0), trial(0.0), trial(0.0), trial(0.0, 0.5)]
    assert order(flat) == [[0, 1, 2], [3]]
    found = scores(flat)
    assert found[0] == found[1] == found[2] < found[3]


def test_an_epoch_without_validation_is_no_disadvantage() -> None:
    assert order([trial(0.5, 0.6, first=2), trial(0.1)]) == [[1], [0]]


@pytest.mark.parametrize("count", [1, 2, 9, 100])
def test_scores_have_mean_nought_and_a_spread_about_one(count: int) -> None:
    found = scores([trial(number / 1000) for number in range(count)])
    assert found == sorted(found)
    assert mean(found) == pytest.approx(0, abs=1e-9)
    assert count < 100 or pstdev(found) == pytest.approx(1, abs=0.03)


def test_a_score_does_not_depend_on_the_scale_or_the_order_of_trials() -> None:
    trials = [trial(0.1, 0.2), trial(0.15), trial(0.3, 0.4), trial(0.05)]
    scaled = [PastTrial({}, {e: 0.01 * v**3 for e, v in t.curve.items()}, t.state) for t in trials]
    assert scores(scaled) == scores(trials)
    assert scores(trials[::-1]) == scores(trials)[::-1]
