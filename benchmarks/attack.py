"""Damaged files, changed files, hostile input, counted: `python -m benchmarks.attack [--only NAME] [--tried N]`.

Each kind is a module of `benchmarks.attacks` with `run(folder, tried, seed)`, which prints what did not hold. The last
line is one JSON object: the counts of each kind.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from automl.trainers import trainer_of

TRIED: Final[Mapping[str, int]] = {
    "journals": 300, "registry_flips": 3000, "descriptions": 2000, "datasets": 100, "midstudy": 20, "server": 40_000,
}  # fmt: skip
"""Modules of `benchmarks.attacks`, and the default number of inputs of each."""
OF_DATA: Final = ("datasets", "midstudy")


def main() -> None:
    """Run the attacks and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=list(TRIED), action="append", help="a kind; may be given several times")
    parser.add_argument("--tried", type=int, help="inputs of each kind")
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args()
    names = wanted.only or list(TRIED)
    one = attacked if len(names) == 1 else attacked_apart
    print(json.dumps({name: one(name, tried=wanted.tried, seed=wanted.seed) for name in names}))


def attacked_apart(name: str, *, tried: int | None, seed: int) -> dict[str, float]:
    """Return the counts of one kind of attack, made by a process of its own.

    Some kinds fork children, which hang where this process has started threads of OpenCV or OpenMP before.
    """
    command = [sys.executable, "-m", "benchmarks.attack", "--only", name, "--seed", str(seed)]
    command += ["--tried", str(tried)] if tried else []
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=Path(__file__).parents[1])
    *lines, last = done.stdout.strip().splitlines()
    print("\n".join(lines), flush=True)
    counts: dict[str, float] = json.loads(last)[name]
    return counts


def attacked(name: str, *, tried: int | None, seed: int) -> dict[str, float]:
    """Return the counts of one kind of attack."""
    if name in OF_DATA:
        os.environ["AUTOML_CACHE"] = ""
        trainer_of().settings()  # loads the vendor once, before the children
    module = importlib.import_module(f"benchmarks.attacks.{name}")
    with tempfile.TemporaryDirectory(prefix=f"attack-{name}-") as folder:
        found: dict[str, float] = module.run(Path(folder), tried=tried or TRIED[name], seed=seed)
    print(f"{name}: {found}", flush=True)
    return found


if __name__ == "__main__":
    main()
