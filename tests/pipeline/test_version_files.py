"""Files of a new version: lineage, metrics, contract, bill of materials, cards; all under the manifest."""

import json
import logging
from pathlib import Path

import pytest

from automl.pipeline import finish
from automl.release import publish
from automl.release.gates import judge
from automl.storage import curves_file, environment, registry_check
from automl.storage.layout import (
    CARD,
    CARD_ZH,
    CONTRACT,
    CURVES,
    ENVIRONMENT,
    EXPORT,
    FINDINGS,
    LINEAGE,
    METRICS,
    ONNX_STATS,
    SBOM,
)
from tests.release.test_publish import SPEC, case_of, session_at, settled, unasked
from tests.shipped import TRAINED, Version, drawn, shipped

pytestmark = pytest.mark.slow
FURTHER = {CARD, CARD_ZH, CONTRACT, LINEAGE, METRICS, SBOM}


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Version:
    home = tmp_path_factory.mktemp("home")
    return shipped(home, drawn(home / "data"))


def test_a_version_has_all_files_and_the_manifest_lists_them(version: Version) -> None:
    assert FURTHER | {CURVES, FINDINGS} <= version.registry.manifest(version.number)["files"].keys()
    assert registry_check.problems(version.registry) == []


def test_the_lineage_tells_study_training_data_and_environment(version: Version) -> None:
    found = json.loads((version.folder / LINEAGE).read_text())
    assert (found["name"], found["version"], found["study"], found["seed"]) == ("boards", 1, "tiny", 0)
    assert (found["training"]["name"], found["training"]["params"]["lr0"]) == (TRAINED, 0.02)
    assert found["data"]["fingerprint"] == version.verdict.data
    assert found["data"]["splits"]["test"]["images"] == 12
    assert sum(found["data"]["splits"]["train"]["boxes"].values()) == 65
    assert found["environment"] == json.loads(json.dumps(environment.present(gpu=False).to_dict()))


def test_the_metrics_have_intervals_and_classes(version: Version) -> None:
    found = json.loads((version.folder / METRICS).read_text())
    assert (found["images"], found["split"], found["objective"]) == (12, "test", "map50_95")
    for metric in found["metrics"].values():
        assert 0 <= metric["low"] <= metric["value"] <= metric["high"] <= 1
    assert version.verdict.shipped is not None
    assert found["metrics"]["map50_95"]["value"] == version.verdict.shipped.score.value
    assert found["classes"].keys() == {"", "hole", "scratch", "spot"}
    assert found["classes"]["hole"].keys() >= {"boxes", "ap50_95", "recall", "threshold"}


def test_the_curve_is_that_of_the_training(version: Version) -> None:
    assert [measured.epoch for measured in curves_file.read_curves(version.folder)] == [1, 2, 3]


def test_a_study_of_an_earlier_version_is_published_with_what_is_known(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    session = session_at(tmp_path)
    caplog.set_level(logging.WARNING)
    settled(session, low=0.01)
    held = session.place.registry(SPEC.champion_name)
    files = held.manifest(1)["files"].keys()
    assert {CARD, CARD_ZH, LINEAGE, METRICS} <= files
    assert not {CONTRACT, SBOM} & files
    assert "没有记录" in (held.path(1) / CARD_ZH).read_text()
    assert json.loads((held.path(1) / METRICS).read_text())["metrics"]["map50_95"] == {
        "value": 0.6, "low": 0.5, "high": 0.7,
    }  # fmt: skip
    told = caplog.text
    for said in ("packages and hardware are not known", "intervals and results by class are left out", "contract: "):
        assert said in told


def test_damaged_evidence_and_environment_are_left_out_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    session = session_at(tmp_path)
    case = case_of(session, low=0.01)
    (case.chosen.weights.parent / ENVIRONMENT).write_text("{")
    (session.folder / EXPORT).mkdir()
    (session.folder / EXPORT / ONNX_STATS).write_text("no archive")
    verdict = publish.verdict_of(session, case, judge(case.built, SPEC.laws))
    done = finish.publish(session, verdict, compare_again=unasked)
    assert done.version == 1
    assert "environment.json: must be the environment of a training, but" in caplog.text
    assert "onnx.npz: must contain detections grouped by image, but" in caplog.text


def test_publishing_again_makes_no_new_version(version: Version) -> None:
    names = version.registry.manifest(1)["files"]
    kept = {name: version.folder / name for name in names if name not in FURTHER | {"promotion.json"}}
    assert version.registry.publish(kept, {}, texts=lambda _number: pytest.fail("nothing is to be written")) == 1
