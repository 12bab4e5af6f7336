"""Runs attacks, each in a child process with limits of time and memory, and counts those that were held."""

import argparse
import json
import multiprocessing
import os
import random
import resource
import tempfile
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from automl.study.errors import AutomlError
from automl.trainers import trainer_of

SECONDS: Final = 120.0
"""Time limit of one attack; an input of this size is answered in a second."""
MEMORY: Final = 6 << 30
"""Limit of the address space of a child, in bytes."""
MOST_TEXT: Final = 20_000
"""Maximum length of all that one input makes the program say, in characters."""


def failure(attack: Callable[[], str]) -> str:
    """Return why an attack was not held, empty if it was.

    `attack` returns what is wrong with the result, empty if it is right. It may raise; an AutomlError that it does not
    expect is for itself to catch.
    """
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_attacked, args=(attack, theirs))
    child.start()
    theirs.close()
    try:
        found = str(ours.recv()) if ours.poll(SECONDS) else f"hangs: no answer in {SECONDS:g} s"
    except EOFError:
        found = "the process ended without an answer"
    child.kill()
    child.join()
    return found


def _attacked(attack: Callable[[], str], answer: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        found = attack()
    except AutomlError as error:
        found = f"refused: {error}"
    except BaseException:  # noqa: BLE001  (what an attack finds)
        found = traceback.format_exc()
    answer.send(found[:MOST_TEXT])


def counted(
    names: Sequence[str], attack: Callable[[str, Path, int], str], folder: Path, *, tried: int, seed: int
) -> dict[str, float]:
    """Try so many attacks, each kind in turn, and return how many were tried and held; print what was not held.

    `attack` gets the name of the kind, a new folder and a seed.
    """
    kinds, held = [*names], 0
    random.Random(seed).shuffle(kinds)
    for number in range(tried):
        name, place, turn = kinds[number % len(kinds)], folder / f"{number:04d}", seed + number // len(kinds)
        place.mkdir(parents=True)
        why = failure(lambda: attack(name, place, turn))  # noqa: B023  (called at once)
        held += not why
        if why:
            print(f"not held: {name}: {why}", flush=True)
    return {"tried": float(tried), "held": float(held)}


def main(doc: str | None, run: Callable[..., dict[str, float]], *, tried: int, cached: bool) -> None:
    """Run a kind of attack on data sets in a temporary folder and print its counts; `cached` keeps decoded images."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tried", type=int, default=tried)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    trainer_of().settings()  # loads the vendor once, before the children
    with tempfile.TemporaryDirectory() as folder:
        os.environ["AUTOML_CACHE"] = str(Path(folder) / "cache") if cached else ""
        print(json.dumps(run(Path(folder), tried=given.tried, seed=given.seed)))
