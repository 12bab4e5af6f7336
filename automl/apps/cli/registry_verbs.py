"""Verbs on a model registry: promote, rollback, verify, history, export, serve."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from automl.apps.cli.messages import print_json, print_line, readable
from automl.apps.cli.options import (
    AllowedHosts,
    Json,
    ModelFolder,
    ModelVersion,
    OneVersion,
    Port,
    Storage,
    TargetName,
    Version,
    Why,
)
from automl.storage.alias_history import text
from automl.study.errors import RegistryError
from automl.study.text import counted

if TYPE_CHECKING:
    from automl.apps.registry import Champion
    from automl.apps.signatures import Signature

MAX_PIXELS: Final = 12_500_000
"""Maximum pixels of an image; `automl.apps.serve.images` gives the reason, and brings in OpenCV."""
OUTPUT: Final = (
    "Output; its end selects the format: .onnx, .engine, .pt, .mlpackage (CoreML), .tflite, _ncnn_model or _rknn_model."
)
OneTarget = Annotated[
    str, typer.Option("--target", metavar="NAME", help="Only for this target; default: the model and its targets.")
]
POLL_SECONDS: Final = 2.0
"""As in `automl.apps.serve.__main__`."""


@readable
def promote(
    model: ModelFolder,
    version: Version,
    *,
    why: Annotated[str, typer.Option(help="Reason, recorded in the history.")] = "",
    override: Annotated[
        str,
        typer.Option(
            metavar="REASON", help="Reason to promote a version that its gates refused; it is shown for ever."
        ),
    ] = "",
    target: OneTarget = "",
    storage: Storage = None,
    json: Json = False,
) -> None:
    """Promote a version to champion manually; one that its gates refused only with --override REASON."""
    from automl.apps.registry import Registry, named

    registry = Registry(named(model, storage))
    _print_champion(registry.promote(version, why=why, override=override, target=target), json=json)


@readable
def rollback(model: ModelFolder, *, why: Why, target: OneTarget = "", storage: Storage = None) -> None:
    """Restore the champion before the current one; repeat it to go further back."""
    from automl.apps.registry import Registry, named

    _print_champion(Registry(named(model, storage)).rollback(why=why, target=target), json=False)


@readable
def verify(
    model: ModelFolder,
    *,
    key: Annotated[Path | None, typer.Option(help="Public key (PEM) with which the champion must be signed.")] = None,
    storage: Storage = None,
    json: Json = False,
) -> None:
    """Verify the checksums of all files and the aliases against the history, and print the history of the aliases."""
    from automl.apps.registry import Registry, named

    found = Registry(named(model, storage)).verify(key=key)
    if json:
        print_json(found)
    if found.problems:
        raise RegistryError(*found.problems)
    if not json:
        for move in found.history:
            print_line(move.summary())
        for note in found.notes:
            print_line(f"note: {note}")
        for signature in found.signatures:
            print_line(f"version {signature.version} is signed with the key {signature.key}{_check(signature, key)}")
        print_line(f"{found.name} is as published; {counted(len(found.versions), 'version')}: {text(found.aliases)}")


@readable
def history(model: ModelFolder, *, storage: Storage = None, json: Json = False) -> None:
    """Print the history of the aliases, oldest first: who moved which alias, when and why."""
    from automl.apps.registry import Registry, named

    moves = Registry(named(model, storage)).history()
    if json:
        print_json(moves)
        return
    for move in moves:
        print_line(move.summary())


@readable
def export(
    model: ModelVersion,
    target: Annotated[Path, typer.Argument(help=OUTPUT)],
    *,
    version: OneVersion = None,
    builder: Annotated[
        str, typer.Option("--engine", help="Builder of an .engine file: auto, tensorrt or tensorrt_rtx.")
    ] = "auto",
    imgsz: Annotated[
        str, typer.Option(metavar="HEIGHTxWIDTH", help="Input of the .onnx file; default: as trained, square.")
    ] = "",
    dynamic: Annotated[bool, typer.Option("--dynamic", help="Free the batch axis of the .onnx file.")] = False,
    precision: Annotated[
        str, typer.Option(help="fp16 or int8, by NVIDIA ModelOpt in an environment of its own; default: fp32.")
    ] = "",
    calibration: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Images of train for --precision int8.")
    ] = None,
    chip: Annotated[str, typer.Option(metavar="NAME", help="Device of an RKNN folder; default: rk3588.")] = "",
    storage: Storage = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Export a version: ONNX (other sizes and batches too), weights, a TensorRT engine, CoreML, LiteRT, RKNN, NCNN.

    An engine is built for the GPU of this machine. A new ONNX file is compared with the weights on the version's
    pictures, and its contract is written beside it. CoreML, LiteRT, RKNN and NCNN need their packages, and are not run.
    """
    from automl.apps import export_target
    from automl.apps.registry import Registry, referred

    of_model, wanted = referred(model, version, storage)
    registry = Registry(of_model)
    export_target.refuse(target, builder=builder, force=force)
    folder = registry.path(wanted)
    if problems := registry.stored.verify(int(folder.name)):
        raise RegistryError(*problems)
    form = export_target.form_of(target, imgsz=imgsz, dynamic=dynamic, chip=chip, version=folder)
    if precision or calibration:
        from automl.release import other_forms

        export_target.refuse_precision(target, precision=precision, calibration=calibration, form=form)
        print_line(other_forms.write_precision(folder, target, precision=precision, calibration=calibration))
        return
    print_line(str(export_target.write(folder, target, builder=builder, form=form)))


@readable
def serve(
    model: ModelVersion,
    *,
    version: OneVersion = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Port = 8000,
    allowed_host: AllowedHosts = None,
    max_pixels: Annotated[int, typer.Option(min=1, help="The most pixels of an image.")] = MAX_PIXELS,
    poll: Annotated[float, typer.Option(min=0.05, help="Seconds between two looks at the alias.")] = POLL_SECONDS,
    target: TargetName = "",
    field: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Keep unsure pictures and those posted to /feedback here; default: none."),
    ] = None,
    storage: Storage = None,
) -> None:
    """Serve a version over HTTP (POST an image to /predict), on the loopback address unless --host is given.

    When an alias moves to another version, that version replaces the one that serves, and no request is lost. A version
    given by its number is fixed.
    """
    from automl.apps.registry import Registry, number_or_alias, referred

    folder, wanted = referred(model, version, storage)
    # Errors are reported before the process is replaced.
    Registry(folder).stored.path(number_or_alias(wanted), target=target)
    arguments = [f"--version={wanted}", f"--host={host}", f"--port={port}", f"--max-pixels={max_pixels}"]
    arguments += [f"--target={target}"] if target else []
    arguments += [f"--field={field.absolute()}"] if field else []
    arguments += [f"--poll={poll}", *(f"--allowed-host={name}" for name in allowed_host or ())]
    command = [sys.executable, "-P", "-m", "automl.apps.serve", *arguments, "--", str(folder.absolute())]
    sys.stdout.flush()
    os.execve(sys.executable, command, _environment(max_pixels))


def _check(signature: "Signature", key: Path | None) -> str:
    """Return the result of the check of a signature as text."""
    if key is None:
        return ", which was not checked: pass --key"
    return ", the given one" if signature.checked else f", which is not the given one: {signature.reason}"


def _environment(max_pixels: int) -> dict[str, str]:
    """Return the environment of the serving process: import path, OpenCV's own pixel limit, limits of glibc's heap.

    OpenCV's limit is for files in which its reader sees another size than ours. glibc would learn to keep the memory of
    large images in its heap, where it stays.
    """
    found = [place for place in (os.environ.get("PYTHONPATH"), str(Path(__file__).parents[3])) if place]
    return {
        "MALLOC_MMAP_THRESHOLD_": str(8 * 2**20), "MALLOC_TRIM_THRESHOLD_": str(10 * 2**20), "MALLOC_ARENA_MAX": "2",
        **os.environ, "PYTHONPATH": os.pathsep.join(found), "OPENCV_IO_MAX_IMAGE_PIXELS": str(max_pixels),
    }  # fmt: skip


def _print_champion(champion: "Champion", *, json: bool) -> None:
    if json:
        print_json(champion)
    else:
        whom = f" for target {champion.target}" if champion.target else ""
        print_line(f"champion of {champion.name}{whom}: version {champion.version}")
