"""The model that ships: the best on val of all models trained whole, as the benchmark finds best."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from automl.hpo import selection
from automl.hpo.selection import Candidate
from automl.study.results import DEFAULT
from benchmarks import shipping
from benchmarks.winners import World, description, tally

ROOT = Path(__file__).parents[2]


def candidate(name: str, side: str, on_val: float) -> Candidate:
    return Candidate(name, side, on_val, Path(name) / "best.pt")


SINGLE = candidate("trial 3", "trial3", 0.50)
STUDY = (
    SINGLE,
    candidate("trial7_seed1000000", "trial7", 0.46),
    candidate("trial7_seed1000001", "trial7", 0.48),
    candidate("default_seed1000000", DEFAULT, 0.49),
    candidate("default_seed1000001", DEFAULT, 0.41),
)


def test_the_best_on_val_ships_whatever_it_was_trained_for() -> None:
    assert selection.choose(STUDY) == SINGLE


def test_of_equals_the_earlier_one_ships() -> None:
    first, second = candidate("trial 1", "trial1", 0.4), candidate("trial 2", "trial2", 0.4)
    assert [selection.choose(order) for order in ((first, second), (second, first))] == [first, second]


def test_without_a_model_none_ships() -> None:
    with pytest.raises(ValueError, match="candidates: must be at least one model, but got none"):
        selection.choose([])


def test_rules_of_the_benchmark_pick_from_what_they_are_named_after() -> None:
    picked = {name: rule(STUDY).name for name, rule in shipping.RULES.items()}
    assert picked["best_on_val"] == "trial 3"
    assert picked["best_retrained_on_val"] == "default_seed1000000"
    assert picked["best_side_then_val"] == "trial7_seed1000001"


def test_shrinkage_prefers_params_that_did_well_again_to_a_lucky_single_training() -> None:
    steady = [candidate(f"trial7_seed{seed}", "trial7", value) for seed, value in enumerate((0.52, 0.515, 0.525, 0.52))]
    weak = [candidate(f"default_seed{seed}", DEFAULT, value) for seed, value in enumerate((0.40, 0.46, 0.34, 0.40))]
    lucky = candidate("trial 3", "trial3", 0.526)
    assert shipping.shrunk([*steady, *weak, lucky], kept=0.0).side == "trial7"
    assert shipping.shrunk([*steady, *weak, lucky], kept=1.0) == lucky


@pytest.mark.slow
def test_the_chosen_model_is_better_than_the_one_shipped_by_proof_alone() -> None:
    for world in (World(), World(2.0, seed=1)):
        found = tally(world, description(), 100)
        assert found.shipped > found.today > 0


@pytest.mark.slow
def test_the_benchmark_of_rules_ends_with_figures_a_rule_and_gain() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "shipping.py"), "--runs", "2"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    figures = json.loads(told.splitlines()[-1])
    assert set(figures["rules"]) == {"today", "oracle", *shipping.RULES}
    assert all(len(gains) == len(shipping.GAINS) for gains in figures["rules"].values())
    assert figures["chosen"] in shipping.RULES


@pytest.mark.slow
def test_the_rule_that_the_benchmark_chooses_is_the_one_that_ships(capsys: pytest.CaptureFixture[str]) -> None:
    figures = shipping.compared(20)
    assert capsys.readouterr().out
    assert shipping.RULES[figures["chosen"]] is selection.choose
