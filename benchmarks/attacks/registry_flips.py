"""Single-bit flips anywhere in a registry: does `verify` find each, and does any verb end in a traceback?

Makes a registry with several versions, moves, rollbacks, overrides and signatures, flips one random bit of one file at
a time (half of the flips in a byte drawn from all, half in a file drawn from all), and runs the check. The lock file is
left out: its content is not read. Every tenth flip also meets the verbs that read versions or change the registry, on a
copy.

    python benchmarks/attacks/registry_flips.py --tried 3000 --seed 0

Prints one JSON object on the last line.
"""

import argparse
import json
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from automl.apps.registry import Registry as Verbs
from automl.storage.registry import Registry
from automl.study.errors import AutomlError

VERSIONS: Final = 7
NAME: Final = "boards"
FILES: Final = ("best.pt", "model.onnx", "params.yaml", "study.yaml", "curves.csv", "findings.json")
TEXTS: Final = ("CARD.md", "CARD.zh.md", "contract.json", "lineage.json", "metrics.json", "sbom.json")
OVERRIDDEN: Final = 4
"""The version that was promoted against its gates."""
CHANGING: Final = 10
"""Of so many flips, one meets the verbs that change the registry."""


def run(folder: Path, *, tried: int, seed: int) -> dict[str, float]:
    """Flip bits in a registry made in `folder`; return how many were tried, were found, and ended in a traceback."""
    chance, registry = Random(seed), made(folder)
    files = sorted(path for path in registry.folder.rglob("*") if path.is_file() and path.name != ".lock")
    sizes = [path.stat().st_size for path in files]
    held = tracebacks = 0
    for number in range(tried):
        (path,) = chance.choices(files, weights=sizes) if number % 2 else [chance.choice(files)]
        place = chance.randrange(8 * path.stat().st_size)
        whole = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(flipped(whole, place))
        found, failed = looked_at(registry.folder)
        if number % CHANGING == 0:
            failed += changed(registry.folder, folder / "copy")
        path.write_bytes(whole)
        held += found
        tracebacks += failed
        if failed or not found:
            print(f"{path.relative_to(folder)}: bit {place}: found {found}, tracebacks {failed}")
    return {"tried": tried, "held": held, "tracebacks": tracebacks}


def made(folder: Path) -> Registry:
    """Return a registry in `folder` with seven versions, of which some served and were taken back."""
    registry = Registry(folder / "models", NAME)
    for number in range(1, VERSIONS + 1):
        source = folder / "source"
        source.mkdir(parents=True, exist_ok=True)
        files = {name: source / name for name in FILES}
        for name, path in files.items():
            path.write_text(f"{name} of version {number}\n" * 6)
        documents = {"promotion.json": {"study": f"study {number}", "accepted": number != OVERRIDDEN}}
        version = registry.publish(files, documents, texts=texts)
        refused = ["loss <= 0.005 must hold, but got +0.01"] if number == OVERRIDDEN else []
        if number != 2:
            registry.promote(version, why=f"study {number}: passed: +0.01", refused=refused)
            registry.sign(version, lambda folder: ((folder / "manifest.json").read_bytes(), "5" * 64))
        if number in {3, 5}:
            registry.rollback(why=f"version {number} misses scratches")
    return registry


def texts(number: int) -> dict[str, str]:
    """Return the further files of a version."""
    return {name: f"{name} of version {number}\n" * 4 for name in TEXTS}


def flipped(content: bytes, place: int) -> bytes:
    """Return bytes with one bit flipped."""
    changed = bytearray(content)
    changed[place // 8] ^= 1 << place % 8
    return bytes(changed)


def looked_at(folder: Path) -> tuple[bool, int]:
    """Return whether the check finds a problem, and how many readers ended in a traceback."""
    found, failed = False, 0
    reads: list[Callable[[], Sequence[object]]] = [
        lambda: Verbs(folder).verify().problems,
        lambda: [] if Verbs(folder).history() else ["no move is left"],
    ]
    for read in reads:
        try:
            found |= bool(read())
        except AutomlError:
            found = True
        except Exception:  # noqa: BLE001  (what a verb must never end with is counted)
            traceback.print_exc()
            failed += 1
    return found, failed


def changed(folder: Path, copy: Path) -> int:
    """Run the verbs that change a registry on a copy; return how many ended in a traceback."""
    shutil.copytree(folder, copy / NAME)
    stored = Registry(copy, NAME)
    verbs: list[Callable[[], object]] = [
        lambda: Verbs(copy / NAME).rollback(why="x"),
        lambda: Verbs(copy / NAME).promote(2, why="x"),
        lambda: Verbs(copy / NAME).promote(4, override="x"),
        lambda: Verbs(copy / NAME).diff(1, 2),
        lambda: Verbs(copy / NAME).card(1),
        lambda: stored.sign(1, lambda _folder: (b"{}", "0" * 64)),
        lambda: stored.publish({"best.pt": Path(__file__)}, {}),
    ]
    failed = 0
    for verb in verbs:
        try:
            with suppress(AutomlError):
                verb()
        except Exception:  # noqa: BLE001  (what a verb must never end with is counted)
            traceback.print_exc()
            failed += 1
    shutil.rmtree(copy)
    return failed


def main() -> None:
    """Run the attack in a temporary folder and print its counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tried", type=int, default=3000, help="how many flips")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(run(Path(folder), tried=options.tried, seed=options.seed)))


if __name__ == "__main__":
    main()
