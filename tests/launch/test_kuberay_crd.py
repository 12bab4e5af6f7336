"""The RayJob and the Helm cluster against the CRD of a KubeRay release, where one is given.

KubeRay's CRDs (`ray.io_rayjobs.yaml`) are in no package, and a megabyte each: $AUTOML_KUBERAY_CRD names the file, from
a release of KubeRay or from a cluster (`kubectl get crd rayjobs.ray.io -o yaml`). They are read as the API server reads
them with strict field validation.
"""

import os
import re
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest
import yaml

from tests.kuberay_schema import RAY_JOB
from tests.launch.test_files import ray_job
from tests.launch.test_helm_values import ray_cluster

VERSION: Final = "v1"
NO_CRD: Final = "$AUTOML_KUBERAY_CRD names no file with KubeRay's CRD of RayJob"
SMALL: Final = {
    "kind": "CustomResourceDefinition",
    "spec": {"versions": [{"name": "v1alpha1"}, {"name": VERSION, "schema": {"openAPIV3Schema": {
        "type": "object",
        "properties": {
            "metadata": {"type": "object"},
            "spec": {"type": "object", "required": ["pods"], "properties": {
                "pods": {"type": "array", "items": {"type": "object", "properties": {
                    "port": {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True}}}},
                "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {}},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "limit": {"x-kubernetes-int-or-string": True},
                "note": {"type": "string", "nullable": True},
            }},
        },
    }}}]},
}  # fmt: skip
"""In the form of a CRD, for the reader of them."""
FITS: Final[dict[str, Any]] = {
    "metadata": {"name": "any"},
    "spec": {"pods": [{"port": "http"}], "open": {"any": 1}, "labels": {"any": "text"}, "limit": 1, "note": None},
}


def schema_of(crd: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of a CRD's version that refuses what strict field validation refuses."""
    assert crd["kind"] == "CustomResourceDefinition", "the file must hold one CRD"
    (version,) = (one for one in crd["spec"]["versions"] if one["name"] == VERSION)
    found: dict[str, Any] = _strict(version["schema"]["openAPIV3Schema"])
    return found


def _strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    nested = ("properties", "items", "additionalProperties", "allOf", "anyOf", "oneOf")
    made = {key: value for key, value in schema.items() if key not in nested}
    made |= {key: _strict(schema[key]) for key in nested if key in schema and key != "properties"}
    if "properties" in schema:
        made["properties"] = {name: _strict(one) for name, one in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            made.setdefault("additionalProperties", False)
    if schema.get("x-kubernetes-int-or-string") and "anyOf" not in schema:
        made["type"] = ["integer", "string"]
    if schema.get("nullable") and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    return made


def test_what_a_crd_allows_is_accepted() -> None:
    jsonschema.validate(FITS, schema_of(SMALL))


@pytest.mark.parametrize(
    ("key", "wrong", "why"),
    [
        ("misspelt", 1, "'misspelt' was unexpected"),
        ("pods", [{"ports": 1}], "'ports' was unexpected"),
        ("pods", [{"port": 0.5}], "0.5 is not valid"),
        ("labels", {"a": 1}, "1 is not of type 'string'"),
        ("limit", 0.5, "0.5 is not of type 'integer', 'string'"),
    ],
)
def test_what_a_crd_does_not_allow_is_refused(key: str, wrong: object, why: str) -> None:
    with pytest.raises(jsonschema.ValidationError, match=re.escape(why)):
        jsonschema.validate({**FITS, "spec": {**FITS["spec"], key: wrong}}, schema_of(SMALL))


@pytest.fixture(scope="module")
def given() -> dict[str, Any]:
    """The schema of the CRD that the environment names."""
    if not (name := os.environ.get("AUTOML_KUBERAY_CRD")):
        pytest.skip(NO_CRD)
    return schema_of(yaml.safe_load(Path(name).read_text()))


def test_the_ray_job_holds_to_the_crd(given: dict[str, Any]) -> None:
    jsonschema.validate(ray_job(), {**given, "properties": {**given["properties"], "apiVersion": {}, "kind": {}}})


def test_the_cluster_of_the_helm_values_holds_to_the_crd(given: dict[str, Any]) -> None:
    jsonschema.validate(ray_cluster(), given["properties"]["spec"]["properties"]["rayClusterSpec"])


def test_the_schema_of_the_tests_has_no_field_that_the_crd_does_not_have(given: dict[str, Any]) -> None:
    assert not list(_unknown(RAY_JOB["properties"]["spec"], given["properties"]["spec"], "spec"))


def _unknown(ours: dict[str, Any], theirs: dict[str, Any], place: str) -> Any:
    for name, one in ours.get("properties", {}).items():
        if name not in theirs.get("properties", {}):
            yield f"{place}.{name}"
        elif one.get("properties") and name not in {"template", "submitterPodTemplate"}:
            yield from _unknown(one, theirs["properties"][name], f"{place}.{name}")
    if "items" in ours:
        yield from _unknown(ours["items"], theirs["items"], f"{place}[]")
