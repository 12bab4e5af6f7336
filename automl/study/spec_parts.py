"""Parts of a description: objective, confirmation, resources, retention, export, targets, tracking, gates."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from automl.study.trial import Params, ParamValue

MOST: Final = 1_000_000
"""Limit of trials and epochs: detects typos such as 1e30, and keeps confirmation seeds distinct from trial seeds."""


class Part(BaseModel):
    """Part of a description: no unknown keys, no conversion of types, immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Metric = Literal["map50_95", "map50", "precision", "recall"]


class OverKillSpec(Part):
    """Over-kill rate at which the miss rate is measured."""

    over_kill: Annotated[float, Field(gt=0, lt=1)]
    """Maximum share over-killed on val; the lowest threshold that holds it is used. Unit: 0 to 1."""
    per: Literal["image", "box"] = "image"
    """As `contract.per`."""


class ObjectiveSpec(Part):
    """A metric with limits on what a model costs on a target, which depends on model and image size alone.

    Each model and image size of the space is measured once, untrained, before the first trial. Those that break a
    constraint are not tried, and no model that breaks one becomes champion.
    """

    metric: Metric | Literal["miss_rate"] = "map50_95"
    """Metric that is maximised; it also selects the best epoch's weights. `miss_rate`, the share of defects that are
    missed at the over-kill rate of `at`, is minimised: the search maximises one minus it, the detection rate."""
    at: OverKillSpec | None = None
    """Where `miss_rate` is measured, such as `{over_kill: 0.02}`; null for other metrics."""
    constraints: list[str] = Field(default_factory=list)
    """Limits such as `latency_ms <= 8 on cpu` (median time of one image in the model itself), `end_to_end_ms <= 12 on
    cpu` (from the bytes of an image to its boxes as JSON, as `automl serve` computes them) or `size_mb <= 10 on cpu`
    (files of the artifact, in 10^6 bytes), on one of `targets`, or on `onnx`, the ONNX file on a CPU."""
    second: str | None = None
    """Cost that is minimised beside the metric, such as `latency_ms on cpu`: the study looks for the best model at each
    cost and ends with the Pareto front. Needs `model` or `imgsz` as choices; null: the metric alone counts."""
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """What may be lost of the metric for a lower `second`: the cheapest model and image size whose best trial is within
    this of the best of all is confirmed and ships; 0: the most accurate one. Unit: of the metric, 0 to 1."""


class ConfirmSpec(Part):
    """Confirmation of the best trial on fresh seeds; `auto`: as many as the measured noise between seeds requires."""

    seeds: Literal["auto"] | Annotated[int, Field(ge=0, le=1000)] = "auto"
    """A number: seeds of the best trial and of the baseline each, compared once; 0: no re-training; never 1."""
    finalists: Literal["auto"] | Annotated[int, Field(ge=1, le=100)] = "auto"
    """Maximum number of trials to choose from; `auto`: those within the noise of the best, at most 3, by
    `retrainings`: below 24 the best alone, from 48 on 3. A number requires `seeds: auto`."""
    retrainings: Literal["auto"] | Annotated[int, Field(ge=4, le=2000)] = "auto"
    """Maximum number of full trainings, at least twice `seeds`; `auto`: three times the expected cost of the search, 6
    to 48. About a third of what is above 6 is used on average. May be raised in a finished study, which then continues
    its confirmation. Unit: trainings."""
    split: Literal["test", "val"] = "test"
    """Split on which finalists, baseline and the shipped model are evaluated; `val` for data without a test split."""
    earlier_data: list[Annotated[str, Field(min_length=1)]] = Field(default_factory=list)
    """Paths of the `data.yaml` of earlier data sets with the same classes: on their judged split the shipped model must
    not be worse than the present champion by more than `gates.max_forgetting`."""


class ExceptionSpec(Part):
    """Resources of the trials of some structures, such as one model; what is null is as for all others."""

    when: dict[str, Annotated[list[ParamValue], Field(min_length=1)]] = Field(min_length=1)
    """Trials in which each named parameter has one of the listed values, such as `{model: [yolo11x.pt]}`."""
    gpus: Annotated[float, Field(ge=0)] | None = None
    """As `resources.gpus`."""
    cpus: Annotated[float, Field(gt=0)] | None = None
    """As `resources.cpus`."""
    memory_gb: Annotated[float, Field(gt=0)] | None = None
    """As `resources.memory_gb`."""

    def applies(self, params: Params) -> bool:
        """Return True for the params of such a trial; files are compared by name."""
        return all(
            name in params and any(_by_name(params[name]) == _by_name(value) for value in values)
            for name, values in self.when.items()
        )


def _by_name(value: ParamValue) -> ParamValue:
    return value.rpartition("/")[2] if isinstance(value, str) else value


class ResourcesSpec(Part):
    """Resources of a trial while it runs, and its retries."""

    gpus: Literal["auto"] | Annotated[float, Field(ge=0)] = "auto"
    """Per trial: below 1, trials share a GPU; a whole number of 2 or more, GPUs of one node, each of which trains on an
    equal part of every batch. `auto`: the share with the highest total throughput, by a probe of each model, image size
    and batch before the first trial; 0 if the cluster has no GPU. Unit: GPUs."""
    cpus: Literal["auto"] | Annotated[float, Field(gt=0)] = "auto"
    """Per trial. `auto`: the cores of a node divided by its GPUs; 1 without a GPU. Unit: CPU cores."""
    concurrent: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    """Maximum number of trials that run at a time; `auto`: as many as fit into the cluster as it is at any time. With a
    number above that one trial more waits in Ray, so that an autoscaler adds a node."""
    memory_gb: Annotated[float, Field(gt=0)] | None = None
    """Main memory per trial, which Ray then counts on each node; null: not counted. Unit: GB (10^9 bytes)."""
    exceptions: list[ExceptionSpec] = Field(default_factory=list)
    """Other resources for some trials, such as `[{when: {model: [yolo11x.pt]}, gpus: 1, cpus: 8}]`; the first that
    applies counts."""
    local_copy: Literal["auto", "always", "never"] = "auto"
    """Whether each node copies the data set once to its own disk, into the cache folder (`AUTOML_CACHE`), for all
    trials there; `auto`: if its images are on a network file system."""
    local_copy_gb: Annotated[float, Field(gt=0)] = 100.0
    """Maximum size of all such copies on a node; the longest unused are deleted. A data set that does not fit is read
    where it is. Unit: GB (10^9 bytes)."""
    retries: Annotated[int, Field(ge=0)] = 5
    """Consecutive retries at one epoch after the trial's process died or hung; lost nodes do not count."""
    own_retries: Annotated[int, Field(ge=0)] = 1
    """Retries after the training raised an error that may be transient."""
    hung_minutes: Annotated[float, Field(gt=0)] = 10.0
    """Heartbeat timeout after which a trial resumes on another worker; also the shortest time limit of an epoch.
    Unit: minutes."""


class RetentionSpec(Part):
    """Which weights are kept. These, `tracking.mlflow` and `confirm.retrainings` may be changed after a study began."""

    keep: Annotated[int, Field(ge=1, le=MOST)] = 5
    """Number of best ended trials whose weights are kept; the others keep curves, params and log. Unit: trials."""
    quota_gb: Annotated[float, Field(gt=0)] | None = None
    """Maximum size of the study's folder; near it, the worst paused trials are ended. null: no limit.
    Unit: GB (10^9 bytes)."""


class ExportSpec(Part):
    """What is built from the shipped model in addition to ONNX."""

    engine: Literal["auto", "tensorrt", "tensorrt_rtx", "none"] = "auto"
    """Builder of the engine; `auto`: `tensorrt` on a machine with CUDA, else `tensorrt_rtx`, each if installed."""
    end_to_end: bool = True
    """Time ONNX and each target from the bytes of an image to its boxes as JSON, as `automl serve` runs them: at most a
    minute each."""
    dynamic: bool = False
    """Free the batch axis of the ONNX file, which then takes any number of images at once. Compared with the weights
    one image at a time and in batches; engines and targets stay at one."""


class MlflowSpec(Part):
    """Server of MLflow to which each trial and re-training is sent as a run."""

    uri: str
    """Its address, such as `https://mlflow.example.org`, without user and password: these are read from the environment
    variables MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, of the search."""
    experiment: Annotated[str, Field(min_length=1, max_length=250)] = "automl"
    """Name of the experiment; it is created if there is none."""


class NotifySpec(Part):
    """Who gets a message when the study ends, is stopped, fails or has trouble. May be changed after a study began."""

    webhook: str | None = None
    """Address to which each event is sent by POST as JSON (`study`, `event`, `text`, ...). One that contains a token
    belongs in a variable of the search's environment, `$NAME`, or in a file, `file:/path`; null: none."""
    command: str | None = None
    """Command line that gets each event as JSON on standard input; run without a shell; null: none."""
    events: list[Literal["end", "trouble"]] = Field(default=["end", "trouble"], min_length=1)
    """`end`: done, stopped or failed; `trouble`: a warning of the running study, at most one every 10 minutes."""


class TargetSpec(Part):
    """A kind of device that the shipped model is built for, in addition to ONNX.

    Its artifact is measured on the judged split and compared with the weights at the served threshold; a version
    contains it if it passes the gates.
    """

    format: Literal["openvino", "onnx", "tensorrt"]
    """`openvino`: for CPUs, and Intel's GPUs and NPUs; `onnx`: the ONNX file in another precision, by NVIDIA ModelOpt,
    for ONNX Runtime and engines that a device builds; both are built and measured on any machine. `tensorrt`: an engine
    of that graph, built and measured on a node with a CUDA GPU, `tensorrt` and `cuda-bindings`."""
    precision: Literal["fp32", "fp16", "int8"] = "fp16"
    """`fp16`: weights in 16 bits, for `onnx` activations too; `int8`: weights and activations in 8 bits, calibrated on
    images of train. Blocks that lose too much on val stay in floating point. `fp32`: not for `onnx`."""
    compatible: list[Literal["hardware", "version"]] = []
    """Of an engine of TensorRT, built here or on its device: `hardware`: it runs on any GPU from Ampere on; `version`:
    on later minor versions of TensorRT. What that costs in latency and size is measured where it is built."""
    resource: Annotated[str, Field(pattern=r"^\S{1,100}$")] | None = None
    """Resource of Ray that the nodes with this device have, such as `orin` of `ray start --resources '{"orin": 1}'`, or
    `accelerator_type:L4`: the artifact is built and measured on such a node. null: on any node."""
    max_loss: Literal["auto"] | Annotated[float, Field(ge=0, lt=1)] = "auto"
    """Maximum loss against the weights, for the lower bound of the difference; `auto`: 0.01 for `int8`, else 0.005.
    Unit: of the objective, 0 to 1."""
    required: bool = False
    """Refuse the model as champion if the artifact for this target is not built, or fails its gates."""
    max_latency_ms: Annotated[float, Field(gt=0)] | None = None
    """Maximum median time of one image in the model itself; null: no limit. Unit: ms."""
    max_end_to_end_ms: Annotated[float, Field(gt=0)] | None = None
    """Maximum median time from the bytes of an image to its boxes as JSON; null: no limit. Unit: ms."""
    max_mb: Annotated[float, Field(gt=0)] | None = None
    """Maximum size of the files of the artifact; null: no limit. Unit: MB (10^6 bytes)."""


class ContractSpec(Part):
    """What an inspection task allows: a miss rate at an over-kill rate, each shown by an exact upper bound."""

    max_miss_rate: Annotated[float, Field(gt=0, lt=1)]
    """Maximum share of defects that are missed. Unit: 0 to 1."""
    max_overkill_rate: Annotated[float, Field(gt=0, lt=1)]
    """Maximum share over-killed; the served threshold is the lowest that holds it on val. Unit: 0 to 1."""
    per: Literal["image", "box"] = "image"
    """`image`: an image with boxes is missed if nothing is predicted in it, one without is over-killed if something is;
    `box`: a box is missed if none of its class is predicted at IoU 0.50; predictions that match none are over-kill."""
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.95
    """Confidence of the upper bounds."""
    stop: bool = False
    """End the search once a trial trained to the last epoch holds the contract on val; needs `objective.metric:
    miss_rate` at no more than this over-kill rate."""


class TrackingSpec(Part):
    """What is shown of a trial, and where. Has no influence on results."""

    pictures_every: Annotated[int, Field(ge=0, le=MOST)] = 10
    """Pictures of the first, of every so-many-th and of the last epoch; 0: none. Unit: epochs."""
    histograms: bool | Literal["auto"] = "auto"
    """Histograms of weights and gradients with the pictures; `auto`: where the training loss oscillates."""
    budget_mb: Annotated[float, Field(gt=0)] = 20.0
    """Limit of a trial's event files; beyond it the oldest pictures are deleted, scalars never. Unit: MB."""
    mlflow: MlflowSpec | None = None
    """Runs are sent to this server as well; null: to none."""


class GatesSpec(Part):
    """Conditions that a model must meet to become champion."""

    policy: Literal["proven", "expected"] = "proven"
    """Comparison with the present champion: `proven`: the lower bound of the difference must exceed `min_gain`;
    `expected`: the difference itself must. Both models are evaluated as ONNX files on the same images."""
    min_gain: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Gain that must be exceeded over a champion, and for params to count as better. Unit: of the objective, 0 to 1."""
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.95
    """Confidence level of the one-sided lower bounds."""
    max_export_loss: Annotated[float, Field(ge=0, lt=1)] = 0.005
    """Maximum loss of ONNX or engine against the weights. Unit: of the objective, 0 to 1."""
    require_engine: bool = False
    """Refuse a model whose engine was not built and evaluated on this machine."""
    max_threshold_loss: Annotated[float, Field(ge=0, lt=1)] = 0.02
    """Maximum loss of F1 at the served threshold, of ONNX and of each target against the weights, for the lower bound
    of the difference; also of precision and recall, for the difference itself. Unit: 0 to 1."""
    max_class_recall_loss: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Maximum loss of recall at the served threshold of a class with at least 20 boxes. Unit: 0 to 1."""
    max_drift: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Maximum change of the mean confidence of the true boxes. Unit: 0 to 1."""
    max_forgetting: Annotated[float, Field(ge=0, lt=1)] = 0.02
    """Maximum loss against the present champion on each data set of `confirm.earlier_data`: of the lower bound of the
    difference with `proven`, of the difference itself with `expected`. Unit: of the objective, 0 to 1."""
    max_champion_recall_loss: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Maximum loss of recall of a class with at least 20 boxes against the present champion, both at their own served
    thresholds on the judged split; 1: no limit. Unit: 0 to 1."""
