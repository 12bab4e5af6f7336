"""The `automl` command: the steps of a study by verb. A user's mistake is one message and exit code 2."""

import functools
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer
import uvicorn
from rich.console import Console

from automl.apps import serve
from automl.data import sample
from automl.pipeline import inputs, preview, run
from automl.release import tensorrt_builder
from automl.storage import registry
from automl.storage.journal import Journal
from automl.storage.layout import RUNS, TRIALS
from automl.storage.outage import PASSING
from automl.storage.place import Place, default_storage, read_spec
from automl.study import errors, load, yaml_io
from automl.study import spec as study_spec
from automl.study.errors import AutomlError, RegistryError, SpecError, StudyError
from automl.study.text import trial_name
from automl.study.verdict import Verdict
from automl.tracking import report, study_list
from automl.tracking import status as tracking_status
from automl.tracking.console import PLAIN_WIDTH, drawn
from automl.trainers import trainer_of
from automl.trials import heartbeat
from automl.trials.job_clock import Elapsed

USER_ERROR: Final = 2
app = typer.Typer(
    help="Hyperparameter search for Ultralytics YOLO, from a data set to a champion.",
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
)  # fmt: skip

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
Plan = Annotated[bool, typer.Option("--plan", help="Say what it would do and cost, and stop.")]
Study = Annotated[Path, typer.Argument(metavar="STUDY", help="A study's folder, runs/<study>.")]
Model_ = Annotated[Path, typer.Argument(metavar="MODEL", help="A registry folder, models/<name>.")]
Port = Annotated[int, typer.Option(min=1, max=65535)]
Seed = Annotated[int, typer.Option(min=0)]
Version = Annotated[str, typer.Option(help="A version's number, or an alias: champion, challenger, previous.")]


def readable(command: Callable[..., None]) -> Callable[..., None]:
    """Turn a user's mistake into one message and exit code 2, and an orderly stop into the code of its signal."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        try:
            command(*args, **kwargs)
        except AutomlError as error:
            print(f"automl: {error}", file=sys.stderr)
            raise typer.Exit(USER_ERROR) from None
        except OSError as error:
            if error.errno not in PASSING:
                raise
            print(
                f"automl: {error.filename or 'storage'}: {error.strerror}; mend that, then once more", file=sys.stderr
            )
            raise typer.Exit(USER_ERROR) from None
        except (KeyboardInterrupt, errors.Interrupted):
            print("automl: stopped; nothing is lost", file=sys.stderr)
            raise typer.Exit(128 + signal.SIGINT) from None

    return wrapped


@app.command()
@readable
def search(
    spec: SpecFile = None, *, data: Data = None, model: Model = None, name: Name = None, set_: Set = None,
    storage: Storage = None, address: Address = None, plan: Plan = False,
) -> None:  # fmt: skip
    """Search, confirm, export and promote; the same study again goes on where it stood."""
    described = _described(spec, {"data": data, "model": model, "name": name}, set_)
    if plan:
        _print_plan(described, storage)
        return
    _run(described, _place(storage), address)


@app.command()
@readable
def check(
    spec: SpecFile = None, *, data: Data = None, model: Model = None, set_: Set = None, storage: Storage = None
) -> None:
    """Look at a spec, its data and the earlier studies it learns from, without starting anything."""
    _print_plan(_described(spec, {"data": data, "model": model}, set_), storage)


@app.command()
@readable
def resume(study: Study, *, address: Address = None) -> None:
    """Go on with an interrupted study."""
    folder = study.absolute()
    described = read_spec(folder)
    if (folder.parent.name, folder.name) != (RUNS, described.name):
        raise StudyError(f"{folder}: must be named runs/{described.name}, as its study is; move it back")
    _run(described, Place(folder.parents[1]), address)


@app.command()
@readable
def status(study: Study) -> None:
    """Show a study's trials, also while it runs and from another machine."""
    folder = study.absolute()
    described = read_spec(folder)
    journal = Journal.read(folder, metric=described.metric)
    trials, notes = journal.trials(), journal.notes()
    beat = heartbeat.heard(folder)
    elapsed = tracking_status.with_driver(Elapsed.from_notes(notes), beat)
    console = Console()
    console.width = max(console.width, PLAIN_WIDTH)
    console.print(drawn(tracking_status.of_trials(described, trials, elapsed=elapsed)))
    beats = {
        t.number: heartbeat.present(folder / TRIALS / trial_name(t, described.model)) for t in trials if not t.ending
    }
    print(tracking_status.driver(beat, finished=bool(notes.get("promotion")), folder=str(study)))
    for line in tracking_status.where(described, trials, notes, beats):
        print(line)


@app.command()
@readable
def studies(
    *,
    storage: Storage = None,
    data: Annotated[str | None, typer.Option(help="A data.yaml, or `sample`: the most similar data first.")] = None,
) -> None:
    """List past studies; with a data set, by how much theirs is like it: candidates for warm_start."""
    view, problems = study_list.listing(_place(storage).storage, data=inputs.summary_at(data) if data else None)
    console = Console()
    console.width = max(console.width, PLAIN_WIDTH)
    console.print(drawn(view))
    for problem in problems:
        print(problem, file=sys.stderr)


@app.command(name="report")
@readable
def write_report(study: Study) -> None:
    """Write a study's report.html anew."""
    folder = study.absolute()
    described = read_spec(folder)
    journal = Journal.read(folder, metric=described.metric)
    source, plain = inputs.source_of(described, folder), journal.notes().get("promotion")
    verdict = Verdict.from_dict(plain) if plain else None
    path = report.write(folder, described, journal.trials(), verdict, source=source)
    print(path)


@app.command(name="sample")
@readable
def draw_sample(
    folder: Annotated[Path, typer.Argument(help="A new folder for the data set.")], *, seed: Seed = 0
) -> None:
    """Draw the sample data set: defects on brushed metal."""
    try:
        if folder.exists() and any(folder.iterdir()):
            raise StudyError(f"{folder}: must be new or empty, so that no file of yours is overwritten")
        print(sample.draw(folder, seed=seed))
    except OSError as error:
        raise StudyError(f"{folder}: must be a folder that can be written, but {error.strerror}") from None


@app.command()
@readable
def promote(
    model: Model_, version: Version, *, why: Annotated[str, typer.Option(help="The reason, kept in the history.")]
) -> None:
    """Make a version the champion by hand, against or without a verdict."""
    held = _registry(model)
    number = int(held.path(_version(version)).name)
    held.promote(number, why=f"by hand: {why}")
    print(f"champion of {held.name}: version {number}")


@app.command()
@readable
def rollback(model: Model_, *, why: Annotated[str, typer.Option(help="The reason, kept in the history.")]) -> None:
    """Go back to the previous champion."""
    held = _registry(model)
    print(f"champion of {held.name}: version {held.rollback(why=why)}")


@app.command()
@readable
def verify(model: Model_) -> None:
    """Check every byte of all versions against their manifests, and show who moved which alias, when and why."""
    held = _registry(model)
    if problems := [problem for number in held.versions() for problem in held.verify(number)]:
        raise RegistryError("\n".join(problems))
    for move in held.history():
        print(f"{move['at']} {move['by']} {move['moves']}: {move['why']}")
    print(f"{len(held.versions())} versions of {held.name} are as published; {held.aliases()}")


@app.command()
@readable
def export(
    model: Model_,
    target: Annotated[Path, typer.Argument(help="The engine file to write.")],
    *,
    version: Version = registry.CHAMPION,
    builder: Annotated[str, typer.Option("--engine", help="auto, tensorrt or tensorrt_rtx.")] = "auto",
) -> None:
    """Build an engine from a version's ONNX for the GPU of this machine."""
    held = _registry(model)
    folder = held.path(_version(version))
    if problems := held.verify(int(folder.name)):
        raise RegistryError("\n".join(problems))
    print(f"{target}: built by {tensorrt_builder.build_plan(folder / 'model.onnx', target.absolute(), wanted=builder)}")


@app.command(name="serve")
@readable
def serve_model(
    model: Model_, *, version: Version = registry.CHAMPION, host: str = "127.0.0.1", port: Port = 8000
) -> None:
    """Serve a version over HTTP: POST an image to /predict; on loopback unless told otherwise."""
    uvicorn.run(serve.app(_registry(model), _version(version)), host=host, port=port, log_level="warning")


def _described(spec: Path | None, given: dict[str, str | None], pairs: list[str] | None) -> study_spec.StudySpec:
    overrides: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    for key, value in overrides.items():
        yaml_io.refuse_secrets(value, where=f"--{key}")
    if overrides.get("data", study_spec.SAMPLE) != study_spec.SAMPLE:
        overrides["data"] = str(Path(overrides["data"]).absolute())
    for pair in pairs or []:
        yaml_io.refuse_secrets(pair, where="--set")
        key, equals, value = pair.partition("=")
        if not equals:
            raise SpecError([f"--set {pair}: must be KEY=VALUE, such as budget.trials=6"])
        overrides[key] = yaml_io.read_value(value)
    return load.load(spec or run.DEFAULT_SPEC, rules=trainer_of(), overrides=overrides)


def _run(described: study_spec.StudySpec, place: Place, address: str | None) -> None:
    run.run(described, place, address=address, console=Console())


def _place(storage: Path | None) -> Place:
    return Place((storage or default_storage()).absolute())


def _print_plan(described: study_spec.StudySpec, storage: Path | None) -> None:
    for line in preview.plan(described, _place(storage)):
        print(line)


def _registry(path: Path) -> registry.Registry:
    held = registry.Registry(path.absolute().parent, path.absolute().name)
    if not held.versions():
        raise RegistryError(f"{path}: must be a registry folder, models/<name>, but holds no version")
    return held


def _version(version: str) -> int | str:
    return int(version) if re.fullmatch("[0-9]{1,9}", version) else version
