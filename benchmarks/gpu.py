"""All checks of the project that need a GPU, within 25 minutes, and their figures: `make gpu`.

The gpu tests, how many trials share the GPU (`packing.py`), a study from data to a champion on it, what each precision
costs for that champion (`precision.py`), and learning curves at natural size (`detector_curves.py`) where data sets and
weights are given. Each part has a limit; one that fails or takes longer is said, and the others run. Figures are added
to `benchmarks/gpu-figures.jsonl`. Ends with 2 without a GPU, with 1 if a part failed.

    python benchmarks/gpu.py [--data DATASETS/bccd ... --weights yolo11n.pt]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from automl.storage import environment
from automl.trainers import trainer_of

FIGURES: Final = ROOT / "benchmarks" / "gpu-figures.jsonl"
MINUTES: Final = 25.0
NO_GPU, FAILED = 2, 1


@dataclass(frozen=True, slots=True)
class Part:
    """One check: a command, and how long it may take."""

    name: str
    command: Sequence[str]
    minutes: float
    environment: dict[str, str] = field(default_factory=dict)
    codes: tuple[int, ...] = (0,)
    """Exit codes of a check that passed."""


def parts(storage: Path, data: Sequence[Path], weights: Path | None) -> Iterator[Part]:
    """Yield the checks in their order; a study is made in `storage` first, whose champion the next one measures."""
    python, own = sys.executable, {"AUTOML_STORAGE": str(storage)}
    yield Part("tests", [python, "-m", "pytest", "-q", "-m", "gpu"], 5)
    yield Part("packing", [python, "benchmarks/packing.py"], 6)
    study = [python, "automl/search.py", "search_spaces/smoke.yaml", "--name", "gpu"]
    yield Part("study", study, 6, own)
    version, staged = storage / "models" / "gpu" / "versions" / "0001", storage / "runs" / "gpu" / "data" / "data.yaml"
    yield Part("precision", [python, "benchmarks/precision.py", "--version", str(version), "--data", str(staged)], 4)
    if data and weights:
        curves = [python, "benchmarks/detector_curves.py", "--device", "cuda", "--hours", "0.06"]
        given = ["--data", *map(str, data), "--weights", str(weights)]
        yield Part("detector curves", [*curves, *given], 4)


def run(part: Part, *, seconds: float) -> dict[str, Any]:
    """Run a check within its limit and what is left in all; return its figures, from its last line if that is JSON."""
    limit, began = min(part.minutes * 60, seconds), time.monotonic()
    if limit <= 0:
        return {"part": part.name, "ok": False, "seconds": 0.0, "problem": "no time was left"}
    try:
        done = subprocess.run(
            part.command, cwd=ROOT, env=os.environ | part.environment, capture_output=True, text=True, check=False,
            timeout=limit,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {"part": part.name, "ok": False, "seconds": round(limit, 1), "problem": f"took over {limit:.0f} s"}
    lines = done.stdout.strip().splitlines()
    found = {"part": part.name, "ok": done.returncode in part.codes, "seconds": round(time.monotonic() - began, 1)}
    last = lines[-1] if lines else ""
    if last.startswith("{"):
        return found | {"figures": json.loads(last)}
    if not found["ok"]:
        errors = done.stderr.strip().splitlines()
        return found | {"problem": (errors or lines or [f"ended with {done.returncode}"])[-1]}
    return found | {"said": last}


def played(wanted: Iterator[Part], place: Path, *, minutes: float = MINUTES) -> list[dict[str, Any]]:
    """Run the checks, print and keep their figures, and return them."""
    end, found = time.monotonic() + minutes * 60, []
    about = {"at": f"{datetime.now(UTC):%Y-%m-%dT%H:%MZ}", **environment.described(environment.present(gpu=True))}
    for part in wanted:
        one = run(part, seconds=end - time.monotonic())
        print(json.dumps(one))
        with place.open("a", encoding="utf-8") as file:
            file.write(json.dumps(about | one) + "\n")
        found.append(one)
    return found


def main() -> None:
    """Run all checks; one JSON object on the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="*", default=[], help="folders of data sets for the learning curves")
    parser.add_argument("--weights", type=Path, help="weights for the learning curves; nothing is downloaded")
    given = parser.parse_args()
    if not trainer_of().has_cuda():
        sys.stderr.write("gpu.py: needs a CUDA GPU, but this machine has none: nothing was checked\n")
        raise SystemExit(NO_GPU)
    with tempfile.TemporaryDirectory() as storage:
        found = played(parts(Path(storage), given.data, given.weights), FIGURES)
    failed = [one["part"] for one in found if not one["ok"]]
    print(
        json.dumps({"parts": len(found), "failed": failed, "seconds": round(sum(one["seconds"] for one in found), 1)})
    )
    raise SystemExit(FAILED if failed else 0)


if __name__ == "__main__":
    main()
