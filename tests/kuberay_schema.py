"""A strict schema of KubeRay's RayJob, since no package brings one: unknown keys are refused, as kubectl refuses them.

Written from the field reference of ray.io/v1 in KubeRay 1.7.0, and compared with the CRD that has a RayJob's fields
(`ray.io_raycronjobs.yaml` at commit 034971d of ray-project/kuberay): equal in names, types and enumerations. Pod
templates are left open here; they are Kubernetes' own and are checked against its schema. So are the blocks that our
manifest does not use.
"""

from typing import Any, Final

TEXT: Final = {"type": "string"}
COUNT: Final = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
FLAG: Final = {"type": "boolean"}
NUMBER: Final = {"type": "number"}
TEXTS: Final = {"type": "object", "additionalProperties": TEXT}
OPEN: Final = {"type": "object"}
POD: Final = {"type": "object", "required": ["spec"], "properties": {"metadata": OPEN, "spec": OPEN}}


def closed(required: list[str], **properties: dict[str, Any]) -> dict[str, Any]:
    """Return an object's schema that refuses unknown keys."""
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}


def one_of(*values: str) -> dict[str, Any]:
    return {"enum": list(values)}


AUTH: Final = closed([], mode=one_of("disabled", "token"), secretName=TEXT, enableK8sTokenAuth=FLAG)

HEAD: Final = closed(
    ["template"],
    template=POD,
    headService=OPEN,
    enableIngress=FLAG,
    ingressOptions=OPEN,
    resources=TEXTS,
    labels=TEXTS,
    rayStartParams=TEXTS,
    serviceType=one_of("ClusterIP", "NodePort", "LoadBalancer"),
)

WORKERS: Final = closed(
    ["groupName", "maxReplicas", "minReplicas", "template"],
    groupName=TEXT,
    suspend=FLAG,
    replicas=COUNT,
    minReplicas=COUNT,
    maxReplicas=COUNT,
    idleTimeoutSeconds=COUNT,
    priority={"type": "integer"},
    numOfHosts=COUNT,
    resources=TEXTS,
    labels=TEXTS,
    rayStartParams=TEXTS,
    template=POD,
    scaleStrategy=OPEN,
)

CLUSTER: Final = closed(
    ["headGroupSpec"],
    authOptions=AUTH,
    upgradeStrategy=closed([], type=one_of("Recreate", "None")),
    suspend=FLAG,
    managedBy=TEXT,
    autoscalerOptions=OPEN,
    headServiceAnnotations=TEXTS,
    enableInTreeAutoscaling=FLAG,
    gcsFaultToleranceOptions=OPEN,
    historyServerOptions=OPEN,
    networkPolicy=OPEN,
    tlsOptions=closed([], enabled=FLAG),
    headGroupSpec=HEAD,
    rayVersion=TEXT,
    workerGroupSpecs={"type": "array", "items": WORKERS},
)

JOB: Final = closed(
    ["entrypoint", "rayClusterSpec"],
    activeDeadlineSeconds={"type": "integer", "minimum": 1},
    backoffLimit=COUNT,
    rayClusterSpec=CLUSTER,
    submitterPodTemplate=POD,
    metadata=TEXTS,
    clusterSelector=TEXTS,
    submitterConfig=closed([], backoffLimit=COUNT),
    managedBy=TEXT,
    deletionStrategy=OPEN,
    entrypoint=TEXT,
    runtimeEnvYAML=TEXT,
    jobId=TEXT,
    submissionMode=one_of("K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"),
    entrypointResources=TEXT,
    entrypointNumCpus=NUMBER,
    entrypointNumGpus=NUMBER,
    ttlSecondsAfterFinished=COUNT,
    preRunningDeadlineSeconds={"type": "integer", "minimum": 1},
    shutdownAfterJobFinishes=FLAG,
    suspend=FLAG,
)

RAY_JOB: Final = closed(
    ["apiVersion", "kind", "metadata", "spec"],
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayJob"},
    metadata={"type": "object", "required": ["name"]},
    spec=JOB,
)
