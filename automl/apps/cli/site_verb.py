"""Verb for sites without a network: bundle-site."""

from pathlib import Path
from typing import Annotated

import typer

from automl.apps.cli.messages import print_line, readable
from automl.study.errors import StudyError


@readable
def bundle_site(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="New folder; with --verify, one that was made so.")],
    *,
    requirement: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Collect only this requirement; repeatable. Default: all of the program."),
    ] = None,
    constraints: Annotated[
        Path | None, typer.Option(help="File of exact versions; default: the checkout's constraints.txt.")
    ] = None,
    weights: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Weights to include; repeatable.")
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Compare the files with the manifest.")] = False,
) -> None:  # fmt: skip
    """Collect all that a site without a network needs in one folder: wheels, weights, font, sample, install script."""
    from automl.apps import site_bundle

    if verify:
        found = site_bundle.verify(out)
        for line in found:
            print_line(line)
        if found:
            raise StudyError(f"{out}: must be as its manifest says, but {len(found)} files differ; copy it again")
        print_line(f"{out}: all files are as the manifest says")
        return
    ours = Path(__file__).absolute().parents[3] / "constraints.txt"
    chosen = constraints or (ours if ours.is_file() else None)
    wanted = site_bundle.Wanted(tuple(requirement or ()), chosen, tuple(weights or ()))
    for line in site_bundle.collect(out, wanted):
        print_line(line)
    print_line(f"install there, without a network: sh {out.name}/install.sh ENVIRONMENT")
