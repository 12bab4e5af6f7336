"""Software bill of materials of a version: CycloneDX 1.6 as JSON, with the packages of the training's environment."""

import uuid
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from automl.study.environment import Environment

SPEC_VERSION: Final = "1.6"
SPACE: Final = uuid.UUID("6f0c6f3e-3a55-5c0f-9e0b-0d6a5d1f2c11")
"""Namespace of the serial numbers: the same version always has the same one."""


def sbom(name: str, number: int, environment: Environment, *, weights: Mapping[str, str]) -> dict[str, Any]:
    """Return the document of version `number` of a model; `weights` maps its files to their SHA-256.

    >>> sbom("boards", 3, Environment("3.11.1", "linux", {"a": "1"}, (), "", "", ""), weights={})["components"]
    [{'type': 'library', 'bom-ref': 'pkg:pypi/a@1', 'name': 'a', 'version': '1', 'purl': 'pkg:pypi/a@1'}]
    """
    model = f"automl:{name}@{number}"
    libraries = [_library(package, version) for package, version in sorted(environment.packages.items())]
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPEC_VERSION}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "serialNumber": f"urn:uuid:{uuid.uuid5(SPACE, repr((model, sorted(weights.items()))))}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "machine-learning-model",
                "bom-ref": model,
                "name": name,
                "version": str(number),
                "components": [
                    {"type": "file", "bom-ref": f"{model}/{file}", "name": file, "hashes": [_sha256(digest)]}
                    for file, digest in sorted(weights.items())
                ],
            },
            "properties": [
                {"name": f"automl:{key}", "value": value}
                for key, value in (
                    ("python", environment.python), ("platform", environment.platform),
                    ("gpus", ", ".join(environment.gpus)), ("driver", environment.driver),
                    ("commit", environment.commit), ("code", environment.code),
                ) if value
            ],
        },
        "components": libraries,
        "dependencies": [{"ref": model, "dependsOn": [library["bom-ref"] for library in libraries]}],
    }  # fmt: skip


def _library(package: str, version: str) -> dict[str, str]:
    purl = f"pkg:pypi/{quote(package, safe='')}@{quote(version, safe='')}"
    return {"type": "library", "bom-ref": purl, "name": package, "version": version, "purl": purl}


def _sha256(digest: str) -> dict[str, str]:
    return {"alg": "SHA-256", "content": digest}
