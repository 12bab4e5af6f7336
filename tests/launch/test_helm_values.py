"""The values for KubeRay's chart `ray-cluster`: keys that it has, and the cluster that comes out of them.

No package brings the chart, so its keys are written from the table of its README (version 1.6.1) and the comments of
its values, and `ray_cluster` fills the template's fields by hand: Helm itself was not run.
"""

import importlib
from typing import Any

import jsonschema
import pytest

from tests.kuberay_schema import CLUSTER
from tests.launch.test_files import KUBERNETES, documents, pods, ray_job

TOP = {"fullnameOverride", "image", "common", "head", "worker"}
POD = {
    "rayStartParams", "containerEnv", "resources", "podSecurityContext", "securityContext", "volumes", "volumeMounts",
    "labels", "annotations", "nodeSelector", "tolerations", "affinity",
}  # fmt: skip
KEYS = {
    "image": {"repository", "tag", "pullPolicy"}, "common": {"containerEnv"},
    "head": POD | {"rayVersion", "enableInTreeAutoscaling", "autoscalerOptions", "headService"},
    "worker": POD | {"groupName", "replicas", "minReplicas", "maxReplicas"},
}  # fmt: skip


def values() -> dict[str, Any]:
    return documents("helm-values.yaml")[0]


def pod(role: str) -> dict[str, Any]:
    """Return the pod template that the chart makes of a role's values."""
    given, part = values(), values()[role]
    container = {
        "name": f"ray-{role}", "image": f"{given['image']['repository']}:{given['image']['tag']}",
        "env": given["common"]["containerEnv"] + part.get("containerEnv", []),
        "resources": part["resources"], "volumeMounts": part["volumeMounts"],
    }  # fmt: skip
    spec = {"containers": [container], "volumes": part["volumes"], "securityContext": part["podSecurityContext"]}
    return {"spec": spec}


def ray_cluster() -> dict[str, Any]:
    """Return the specification of the RayCluster that the chart makes."""
    head, worker = values()["head"], values()["worker"]
    group = {key: worker[key] for key in ("groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams")}
    return {
        "rayVersion": head["rayVersion"], "enableInTreeAutoscaling": head["enableInTreeAutoscaling"],
        "headGroupSpec": {"rayStartParams": head["rayStartParams"], "template": pod("head")},
        "workerGroupSpecs": [group | {"template": pod("worker")}],
    }  # fmt: skip


def test_the_chart_has_each_key() -> None:
    given = values()
    assert given.keys() <= TOP
    for part, keys in KEYS.items():
        assert given[part].keys() <= keys, part


def test_the_cluster_holds_to_the_field_reference_of_kuberay() -> None:
    jsonschema.validate(ray_cluster(), CLUSTER)


@pytest.mark.parametrize("role", ["head", "worker"])
def test_its_pods_hold_to_kubernetes_own_schema(role: str) -> None:
    made = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": role}, **pod(role)}
    importlib.import_module("kubernetes_validate").validate(made, KUBERNETES, strict=True)


@pytest.mark.parametrize(("role", "theirs"), [("head", "head"), ("worker", "gpu")])
def test_its_pods_are_those_of_the_ray_job(role: str, theirs: str) -> None:
    ours, job = pod(role)["spec"], pods()[theirs]["spec"]
    (mine,), (other,) = ours["containers"], job["containers"]
    assert mine["image"] == other["image"]
    assert mine["volumeMounts"] == other["volumeMounts"]
    assert mine["resources"]["requests"] == other["resources"]["requests"]
    assert ours["volumes"] == job["volumes"]
    assert ours["securityContext"] == job["securityContext"]
    assert values()["head"]["rayVersion"] == ray_job()["spec"]["rayClusterSpec"]["rayVersion"]


def test_the_token_comes_from_a_secret_on_each_pod() -> None:
    variables = {one["name"]: one for one in values()["common"]["containerEnv"]}
    assert variables["RAY_AUTH_MODE"]["value"] == "token"
    assert variables["RAY_AUTH_TOKEN"]["valueFrom"]["secretKeyRef"] == {"name": "automl-ray-token", "key": "auth_token"}
    assert "value" not in variables["RAY_AUTH_TOKEN"]


def test_no_trial_runs_on_the_head() -> None:
    assert values()["head"]["rayStartParams"] == {"num-cpus": "0", "num-gpus": "0"}
    assert "nvidia.com/gpu" not in values()["head"]["resources"]["limits"]
    assert values()["worker"]["rayStartParams"]["num-cpus"] == values()["worker"]["resources"]["requests"]["cpu"]
