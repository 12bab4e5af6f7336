"""Verbs for devices outside of the cluster: a folder to build and measure in, and what it returns."""

from pathlib import Path
from typing import Annotated

import typer

from automl.apps.cli.messages import print_line, readable
from automl.apps.cli.options import ModelFolder, ModelVersion, OneVersion, Storage


@readable
def device_kit(
    model: ModelVersion,
    folder: Annotated[Path, typer.Argument(help="New folder for the kit.")],
    *,
    target: Annotated[str, typer.Option(metavar="NAME", help="Target whose artifact the device runs.")],
    version: OneVersion = None,
    runtime: Annotated[
        str, typer.Option(help="onnxruntime, openvino or tensorrt; default: that of the target's format.")
    ] = "",
    images: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Pictures without labels instead: boxes are compared, accuracy is not measured."
        ),
    ] = None,
    split: Annotated[
        str, typer.Option(help="val or test, whole; default: val and the split that the version was judged on.")
    ] = "",
    data: Annotated[
        Path | None, typer.Option(help="The data set, if it is not where the description of the version says.")
    ] = None,
    storage: Storage = None,
) -> None:
    """Write a folder with which a device without automl builds a target's artifact and measures it.

    Copy it there, run `python build.py`, copy it back, then `automl device-built`. The device needs Python, NumPy and
    the runtime, and OpenCV for the end-to-end latency. The kit has whole splits, at most 4 GB of pictures.
    """
    from automl.apps import device_kit as kit
    from automl.apps.registry import Registry, number_or_alias, referred

    of_model, named_version = referred(model, version, storage)
    registry = Registry(of_model).stored
    wanted = int(registry.path(number_or_alias(named_version), target=target).name)
    print_line(kit.write(registry, wanted, folder, kit.Wanted(target, runtime, images, split, data)))


@readable
def device_built(
    model: ModelFolder,
    folder: Annotated[Path, typer.Argument(help="The folder of the kit, back from the device.")],
    *,
    storage: Storage = None,
) -> None:
    """Check what a device built and measured, apply the gates of its target, and publish it as a new version."""
    from automl.apps import device_built as built
    from automl.apps.registry import Registry, named

    print_line(built.take_back(Registry(named(model, storage)).stored, folder))
