"""Arguments and options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

SpecFile = Annotated[
    Path | None, typer.Argument(metavar="[SPEC]", help="YAML file of the study; default: search_spaces/smoke.yaml.")
]
Data = Annotated[str | None, typer.Option(help="data.yaml of the data set, or `sample`; overrides the spec.")]
Model = Annotated[str | None, typer.Option(help="Weights (.pt) or model YAML; overrides the spec.")]
Name = Annotated[str | None, typer.Option(help="Name of the study; overrides the spec.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the spec, such as budget.trials=6."),
]
Storage = Annotated[
    Path | None,
    typer.Option(
        help="Folder of runs/ and models/, shared by all nodes; default: $AUTOML_STORAGE, else the working directory."
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        help="Ray cluster to join, such as auto; default: the cluster of the submitted job, else a local Ray."
    ),
]
FewerGpus = Annotated[bool, typer.Option("--fewer-gpus", help="Accept fewer GPUs than the last session used.")]
Plan = Annotated[bool, typer.Option("--plan", help="Print trials, cost, time and disk space of the study, and exit.")]
Json = Annotated[bool, typer.Option("--json", help="Print the output as one JSON document.")]
Lang = Annotated[str, typer.Option(metavar="LANGUAGE", help="Language of the page: en or zh.")]
StudyFolder = Annotated[
    Path, typer.Argument(metavar="STUDY", help="Folder of the study, runs/<study>, or its name in the storage.")
]
ModelFolder = Annotated[
    Path, typer.Argument(metavar="MODEL", help="Registry folder, models/<name>, or its name in the storage.")
]
ModelVersion = Annotated[
    str,
    typer.Argument(
        metavar="MODEL[@VERSION]",
        help="Registry folder, models/<name>, or its name in the storage; @ and a version number or an alias "
        "(champion, challenger, previous) select a version. Default: @champion.",
    ),
]
Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=1, max=65535)]
AllowedHosts = Annotated[
    list[str] | None,
    typer.Option("--allowed-host", metavar="NAME", help="A name in the Host header to answer; repeatable, * for any."),
]
TargetName = Annotated[
    str, typer.Option("--target", metavar="NAME", help="Run the artifact of this target; default: the ONNX file.")
]
Seed = Annotated[int, typer.Option(min=0)]
Version = Annotated[str, typer.Option(help="Version number, or an alias: champion, challenger, previous.")]
OneVersion = Annotated[str | None, typer.Option("--version", help="The same as after the @: a number, or an alias.")]
Why = Annotated[str, typer.Option(help="Reason, recorded in the history.")]
Out = Annotated[Path | None, typer.Option(help="Output file.")]
DataPage = Annotated[
    Path | None,
    typer.Option("--report", metavar="FILE.html", help="Write the report on the data as an HTML page with pictures."),
]
Prove = Annotated[
    bool,
    typer.Option("--prove", help="Train a few batches for each searched parameter, to show which ones change nothing."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")]
