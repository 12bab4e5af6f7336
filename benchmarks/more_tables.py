"""Writes the learning curves of the LCBench tasks that the ready table leaves out, by evaluating the same surrogate.

python benchmarks/more_tables.py --data DIR reads DIR/lcbench-surrogate (model.onnx, encoding.json, lcb2000.npz) and
writes lcb2000_more.npz there: the same 2,000 configurations, 17 further tasks, every second one held out as in the
first table. It begins by making a task of the first table anew, and stops where that differs.
"""

import argparse
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import onnxruntime

from automl.storage.files import write_bytes
from benchmarks.tables import LCBENCH, MORE

EPOCHS: Final = range(2, 52)
"""The surrogate's epochs that the ready table holds."""
NO_TASKS: Final = ("#na#", "167083")
"""Codes of the encoding that are no task of the benchmark."""
LEAST_SHARE: Final = 0.2
"""Of a configuration's mean epoch: no epoch is cheaper, as in the ready table."""
EXACT: Final = 0.01
"""How much a value of the ready table, in per cent, may differ when it is made anew."""
Table = tuple[np.ndarray, np.ndarray]


def settings(shares: np.ndarray) -> np.ndarray:
    """Return batch size, learning rate, momentum, weight decay, layers, units and dropout in natural units."""
    low = np.array([16, 1e-4, 0.1, 1e-5, 1, 64, 0])
    high = np.array([512, 0.1, 0.99, 0.1, 5, 1024, 1])
    found = low + shares * (high - low)
    for column in (0, 1, 5):
        found[:, column] = low[column] * (high[column] / low[column]) ** shares[:, column]
    found[:, 4] = np.minimum(5, np.floor(1 + 5 * shares[:, 4]))
    found[:, [0, 5]] = np.rint(found[:, [0, 5]])
    return np.asarray(found)


def surrogate(place: Path, shares: np.ndarray) -> Callable[[int], Table]:
    """Return what answers the code of a task with accuracy in per cent and seconds, (configurations, epochs) each."""
    session = onnxruntime.InferenceSession(place / "model.onnx")
    asked = settings(shares)

    def table(code: int) -> Table:
        values, clock = [], [np.zeros(len(asked))]
        for epoch in EPOCHS:
            numbers = np.column_stack([np.full(len(asked), epoch), asked]).astype(np.float32)
            codes = np.full((len(asked), 1), code, np.int32)
            answer = session.run(None, {"x_cat": codes, "x_cont": numbers})[0]
            clock.append(answer[:, 0])
            values.append(np.clip(answer[:, 1], 0, 100))
        seconds = np.diff(np.array(clock).T, axis=1)
        seconds = np.maximum(seconds, LEAST_SHARE * seconds.mean(axis=1, keepdims=True))
        return np.array(values, np.float32).T, seconds.astype(np.float32)

    return table


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("AUTOML_BENCH_DATA"))
    given = parser.parse_args()
    if not given.data:
        parser.error("--data or AUTOML_BENCH_DATA must name the folder of the tables")
    place = Path(given.data) / "lcbench-surrogate"
    with np.load(place / LCBENCH) as ready:
        known = sorted(key.removeprefix("acc__") for key in ready.files if key.startswith("acc__"))
        shares, values = ready["U"], ready[f"acc__{known[0]}"]
    codes = json.loads((place / "encoding.json").read_text())["OpenML_task_id"]
    table = surrogate(place, shares.astype(float))
    off = float(np.abs(table(codes[known[0]])[0] - values).max())
    if off > EXACT:
        parser.error(f"{place}: task {known[0]} made anew differs from {LCBENCH} by {off:.3f} per cent")
    made = {"U": shares}
    for name in sorted(set(codes) - set(known) - set(NO_TASKS)):
        made[f"acc__{name}"], made[f"cost__{name}"] = table(codes[name])
    content = io.BytesIO()
    np.savez_compressed(content, **made)
    write_bytes(place / MORE, content.getvalue())
    print(json.dumps({"tasks": (len(made) - 1) // 2, "differs_by": round(off, 5)}))


if __name__ == "__main__":
    main()
