"""Promotion by hand: a version that its gates refused only with an override, which is shown for ever."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

import automl
from automl.apps import promotion
from automl.apps.cli import app
from automl.apps.serve import __main__ as process
from automl.apps.serve.follower import opened
from automl.storage.journal import Journal
from automl.storage.registry import Registry
from tests import detectors
from tests.builders import METRIC, written
from tests.past_studies import past
from tests.tracking.card.test_page import VERDICT

LOSS = "ONNX against weights: loss <= 0.005 must hold, but got +0.1000"
REFUSED = {
    "accepted": False,
    "gates": [
        {"name": "ONNX loss", "passed": False, "limit": 0.005, "value": 0.1, "text": LOSS},
        {"name": "score", "passed": True, "limit": 0.0, "value": 0.6, "text": "score > 0"},
    ],
}


@pytest.fixture
def registry(tmp_path: Path) -> automl.Registry:
    """Return a registry of an accepted champion and of a version that its gates refused."""
    held = Registry(tmp_path / "models", "boards")
    for number, verdict in ((1, {"accepted": True}), (2, REFUSED)):
        held.publish({"best.pt": written(tmp_path, f"{number}.pt", str(number))}, {"promotion.json": verdict})
    held.promote(1, why="better")
    return automl.Registry(held.folder)


def test_a_refused_version_is_not_promoted_without_an_override(registry: automl.Registry) -> None:
    with pytest.raises(
        automl.RegistryError, match=r"version 2 must have passed its gates, but: ONNX .*--override REASON"
    ):
        registry.promote(2, why="it looks better")
    assert registry.aliases["champion"] == 1


@pytest.mark.parametrize("override", [" ", "\n"])
def test_an_override_needs_a_reason(registry: automl.Registry, override: str) -> None:
    with pytest.raises(automl.RegistryError, match=r"must be a reason for the history, but got .*; pass --override"):
        registry.promote(2, override=override)
    assert registry.aliases["champion"] == 1


@pytest.mark.parametrize("target", ["", "cpu"])
def test_of_two_that_promote_at_once_one_wins_and_the_other_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    held = Registry(tmp_path / "models", "boards")
    for number in (1, 2, 3):
        names = ("best.pt", "target-cpu.xml", "target-cpu.json")
        held.publish({name: written(tmp_path, f"{number}-{name}", f"{name} {number}") for name in names}, {})
    held.promote(1, why="better")
    refusals = promotion.refusals

    def other_first(registry: Registry, number: int, *, target: str = "") -> list[str]:
        monkeypatch.setattr(promotion, "refusals", refusals)
        promotion.promote(registry, 2, why="I am first", override="", target=target)
        return refusals(registry, number, target=target)

    monkeypatch.setattr(promotion, "refusals", other_first)
    alias = "champion/cpu" if target else "champion"
    with pytest.raises(
        automl.RegistryError, match=f"must have version 1 as {alias}, since version 3 .*, but has 2: an"
    ):
        automl.Registry(held.folder).promote(3, why="I am first", target=target)
    assert held.aliases()[alias] == 2
    assert automl.Registry(held.folder).promote(3, why="3 is better than 2", target=target).version == 3


def test_an_override_stands_in_the_history_for_ever(registry: automl.Registry) -> None:
    assert registry.promote(2, override="the line stands still").version == 2
    registry.rollback(why="it stands again")
    (move,) = registry.verify().overrides
    assert (move.kind, move.moves["champion"], move.why) == ("override", 2, "the line stands still")
    assert move.refused == (LOSS,)
    assert move.summary().endswith(f"the line stands still; OVERRIDE, refused by: {LOSS}")
    with pytest.raises(automl.RegistryError, match="version 2 must have passed its gates"):
        registry.promote(2, why="again")


def test_an_override_of_nothing_is_refused(registry: automl.Registry) -> None:
    with pytest.raises(
        automl.RegistryError, match="must be for a version that its gates refused, but version 1 is none"
    ):
        registry.promote(1, override="to be sure")


def test_a_version_that_a_later_verdict_accepted_needs_no_override(registry: automl.Registry) -> None:
    registry.stored.promote(2, why="another study: passed")
    registry.rollback(why="x")
    assert registry.promote(2, why="y").version == 2


@pytest.mark.parametrize("verdict", [None, {"study": "old"}])
def test_a_version_without_a_verdict_is_promoted_as_before(tmp_path: Path, verdict: dict[str, str] | None) -> None:
    held = Registry(tmp_path / "models", "boards")
    held.publish({"best.pt": written(tmp_path, "1.pt", "1")}, {"promotion.json": verdict} if verdict else {})
    assert automl.Registry(held.folder).promote(1, why="x").version == 1


def test_a_refusal_of_an_earlier_version_lists_no_gates(tmp_path: Path) -> None:
    held = Registry(tmp_path / "models", "boards")
    held.publish({"best.pt": written(tmp_path, "1.pt", "1")}, {"promotion.json": {"accepted": False}})
    with pytest.raises(automl.RegistryError, match="must have passed its gates, but: its verdict"):
        automl.Registry(held.folder).promote(1, why="x")


def test_the_command_line_takes_one_of_the_two_reasons(registry: automl.Registry) -> None:
    def run(*words: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["promote", str(registry.folder), "--version", "2", *words])
        return result.exit_code, result.output + result.stderr

    assert run()[0] == run("--why", "x")[0] == 2
    assert run("--override", "needed") == (0, "champion of boards: version 2\n")


def test_a_server_says_at_its_start_that_the_gates_were_overridden(tmp_path: Path) -> None:
    held = Registry(tmp_path / "models", "boards")
    held.publish({"model.onnx": detectors.saved(tmp_path / "model.onnx")}, {"promotion.json": REFUSED})
    automl.Registry(held.folder).promote(1, override="the line\nstands still")
    told = process.startup_message(opened(held.folder, "champion"), "127.0.0.1", 8000).splitlines()
    assert told[-1].startswith("  OVERRIDE  its gates refused it; promoted 20")
    assert told[-1].endswith(f"the line\\nstands still (refused by: {LOSS})")


def test_the_status_of_the_study_says_it_as_well(tmp_path: Path) -> None:
    folder = past(tmp_path, trials=[], champion="boards")
    held = Registry(tmp_path / "models", "boards")
    held.publish({"study.yaml": folder / "study.yaml"}, {"promotion.json": REFUSED})
    automl.Registry(held.folder).promote(1, override="needed")
    study = automl.open_study(folder)
    assert not [line for line in study.status().messages if "OVERRIDE" in line]
    Journal.create(folder, name="a", metric=METRIC).note("promotion", {**VERDICT.to_dict(), "version": 1})
    (line,) = [line for line in study.status().messages if "OVERRIDE" in line]
    assert line.startswith("OVERRIDE: boards version 1: its gates refused it; promoted ")
    (held.folder / "aliases.json").unlink()
    assert any("aliases.json: must be readable JSON" in line for line in study.status().messages)


def test_a_target_is_promoted_against_the_gates_with_an_override_alone(tmp_path: Path) -> None:
    held = Registry(tmp_path / "models", "boards")
    for number, verdict in ((1, {"accepted": True}), (2, REFUSED)):
        files = {"best.pt": written(tmp_path, f"{number}.pt", str(number))}
        held.publish({**files, "target-cpu.json": written(tmp_path, "t.json", "{}")}, {"promotion.json": verdict})
    held.promote(1, why="better")
    command = ["promote", str(held.folder), "--version", "2", "--target", "cpu"]
    refused = CliRunner().invoke(app, [*command, "--why", "small"])
    assert refused.exit_code == 2
    done = CliRunner().invoke(app, [*command, "--override", "fast enough"])
    assert done.stdout == "champion of boards for target cpu: version 2\n"
    assert held.aliases()["champion"] == 1
    (move,) = automl.Registry(held.folder).verify().overrides
    assert move.moves == {"champion/cpu": 2, "previous/cpu": 1}
    back = CliRunner().invoke(app, ["rollback", str(held.folder), "--target", "cpu", "--why", "not"])
    assert back.stdout == "champion of boards for target cpu: version 1\n"
