"""Damaged files, changed files, hostile input, counted: `python -m benchmarks.attack [--only NAME] [--tried N]`.

Each kind is a module of `benchmarks.attacks` with `run(folder, tried, seed)`, which prints what did not hold. The last
line is one JSON object: the counts of each kind.
"""

import argparse
import importlib
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

TRIED: Final[Mapping[str, int]] = {
    "journals": 300, "registry_flips": 3000, "descriptions": 2000, "datasets": 100, "midstudy": 20, "server": 40_000,
}  # fmt: skip
"""Modules of `benchmarks.attacks`, and how much each tries unless told otherwise."""


def main() -> None:
    """Run the attacks and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=list(TRIED), action="append", help="a kind; may be given several times")
    parser.add_argument("--tried", type=int, help="inputs of each kind")
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args()
    found = {name: attacked(name, tried=wanted.tried, seed=wanted.seed) for name in wanted.only or TRIED}
    print(json.dumps(found))


def attacked(name: str, *, tried: int | None, seed: int) -> dict[str, float]:
    """Return the counts of one kind of attack."""
    module = importlib.import_module(f"benchmarks.attacks.{name}")
    with tempfile.TemporaryDirectory(prefix=f"attack-{name}-") as folder:
        found: dict[str, float] = module.run(Path(folder), tried=tried or TRIED[name], seed=seed)
    print(f"{name}: {found}", flush=True)
    return found


if __name__ == "__main__":
    main()
