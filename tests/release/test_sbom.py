"""The bill of materials: valid CycloneDX 1.6, the same for the same version."""

import json
from typing import Any

import pytest

from automl.release.sbom import sbom
from automl.storage import environment
from automl.study.environment import Environment

WEIGHTS = {"best.pt": "a" * 64, "model.onnx": "b" * 64}


def document(**packages: str) -> dict[str, Any]:
    held = Environment("3.11.1", "Linux x86_64", packages, ("NVIDIA H100",), "580.95", "abc", "c" * 64)
    return sbom("boards", 3, held, weights=WEIGHTS)


def test_the_document_is_valid_cyclonedx() -> None:
    validation = pytest.importorskip("cyclonedx.validation.json", reason="cyclonedx-python-lib is not installed")
    version = pytest.importorskip("cyclonedx.schema", reason="cyclonedx-python-lib is not installed").SchemaVersion.V1_6
    validator = validation.JsonStrictValidator(version)
    real = sbom("boards", 3, environment.present(gpu=False), weights=WEIGHTS)
    for one in (real, document(), document(torch="2.9.0+cpu")):
        assert validator.validate_str(json.dumps(one)) is None
    assert validator.validate_str(json.dumps({**real, "components": [{"name": "x"}]})) is not None


def test_packages_are_named_by_their_address_on_the_index() -> None:
    found = document(torch="2.9.0+cpu", numpy="2.4.6")["components"]
    assert [component["purl"] for component in found] == ["pkg:pypi/numpy@2.4.6", "pkg:pypi/torch@2.9.0%2Bcpu"]


def test_files_and_hardware_are_in_it() -> None:
    metadata = document()["metadata"]
    assert [one["hashes"][0]["content"] for one in metadata["component"]["components"]] == ["a" * 64, "b" * 64]
    assert {"name": "automl:driver", "value": "580.95"} in metadata["properties"]


def test_the_serial_number_depends_on_the_version_alone() -> None:
    assert document(a="1")["serialNumber"] == document(b="2")["serialNumber"]
    other = sbom("boards", 4, environment.present(gpu=False), weights=WEIGHTS)
    assert other["serialNumber"] != document()["serialNumber"]
