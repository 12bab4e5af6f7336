"""Arguments and options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

SpecFile = Annotated[
    Path | None, typer.Argument(metavar="[SPEC]", help="The study's YAML; search_spaces/smoke.yaml if none.")
]
Data = Annotated[str | None, typer.Option(help="The data set's data.yaml, or `sample`; wins over the spec.")]
Model = Annotated[str | None, typer.Option(help="Weights or model YAML; wins over the spec.")]
Name = Annotated[str | None, typer.Option(help="The study's name; wins over the spec.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any key of the spec, such as budget.trials=6.")
]
Storage = Annotated[
    Path | None, typer.Option(help="Where runs/ and models/ go; seen by all nodes. $AUTOML_STORAGE, else here.")
]
Address = Annotated[
    str | None, typer.Option(help="A Ray cluster to join, such as auto; else the job's own, else an embedded one.")
]
FewerGpus = Annotated[bool, typer.Option("--fewer-gpus", help="Accept fewer GPUs than the study's last session used.")]
Plan = Annotated[bool, typer.Option("--plan", help="Say what it would do and cost, and stop.")]
Json = Annotated[bool, typer.Option("--json", help="Print the same facts as one JSON document.")]
StudyFolder = Annotated[
    Path, typer.Argument(metavar="STUDY", help="A study's folder, runs/<study>, or its name in the storage.")
]
ModelFolder = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A registry folder, models/<name>, or its name in the storage.")
]
Port = Annotated[int, typer.Option(min=1, max=65535)]
Seed = Annotated[int, typer.Option(min=0)]
Version = Annotated[str, typer.Option(help="A version's number, or an alias: champion, challenger, previous.")]
Why = Annotated[str, typer.Option(help="The reason, kept in the history.")]
Out = Annotated[Path | None, typer.Option(help="The file to write.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")]
