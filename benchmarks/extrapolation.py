"""Do the 80% intervals of `automl.hpo.learning_curves` hold? Forecasts in simulated studies against the tables.

A study draws rows of a table at random and trains them on a promotion ladder (rungs 2, 6, 18 of 50, one in three
advances, four workers), so few trials finish and those are the good ones. It is looked at once, at a random moment with
4 to 200 trials started; every unfinished trial is forecast and compared with its tabulated final best value.

    python benchmarks/extrapolation.py --data DIR        # or AUTOML_BENCH_DATA=DIR; synthetic curves without either

Every second task is held out: constants were chosen on the others (`curve_prior.py`), these figures come from it. The
last line is one JSON object.
"""

import argparse
import gzip
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from scipy.stats import spearmanr

from automl.hpo.learning_curves import forecast

EPOCHS = 50
RUNGS = (2, 6, 18)
FACTOR = 3
WORKERS = 4
FEWEST, MOST = 4, 200
CEILINGS = {"lcbench": 100.0, "taskset": 0.0, "quicktune": 100.0}
Tables = dict[str, list[np.ndarray]]
COLUMNS = ("task", "study", "epoch", "finished", "trials", "last", "low", "final", "high", "truth", "spread")


@dataclass(frozen=True, slots=True)
class Study:
    """A study stopped for a look: whole curves, of which the first `epochs` are known."""

    values: np.ndarray
    epochs: np.ndarray
    others: np.ndarray
    """Rows of the table that the study has not started."""

    @property
    def seen(self) -> list[list[float]]:
        """Return what a driver knows of each trial."""
        return [row[:epoch] for row, epoch in zip(self.values.tolist(), self.epochs.tolist(), strict=True)]


def tables(place: Path | None) -> Tables:
    """Return (rows, epochs) tables of each family by task name, higher is better; NaN where a training diverged."""
    if place is None:
        return {family: [synthetic(family, task) for task in range(8)] for family in CEILINGS}
    return {"lcbench": _lcbench(place), "taskset": _taskset(place), "quicktune": _quicktune(place)}


def _lcbench(place: Path) -> list[np.ndarray]:
    with np.load(place / "lcbench-surrogate" / "lcb2000.npz") as table:
        return [table[key].astype(float) for key in sorted(table.files) if key.startswith("acc__")]


def _taskset(place: Path) -> list[np.ndarray]:
    with np.load(place / "taskset-rnn" / "taskset_rnn12.npz") as table:
        return [-table[key].astype(float)[:, :EPOCHS] for key in sorted(table.files) if key.startswith("valid__")]


def _quicktune(place: Path) -> list[np.ndarray]:
    """Runs cut short by a crash or a clock have no final value: they are left out, and data sets with < 100 others."""
    scores = json.loads(gzip.decompress((place / "qt-zoo-extended" / "perf.json.gz").read_bytes()))
    whole = [[curve[:EPOCHS] for curve in scores[name].values() if len(curve) >= EPOCHS] for name in sorted(scores)]
    return [np.array(rows, float) for rows in whole if len(rows) >= 100]


def synthetic(family: str, task: int) -> np.ndarray:
    """Return a table of the family's form: smooth and partly falling, mostly at chance, or noisy."""
    rng = np.random.default_rng([len(family), task])
    epochs, rows = np.arange(1, EPOCHS + 1), 400
    good = rng.beta(2, 2, (rows, 1))
    rate = rng.lognormal(-1.5, 0.9, (rows, 1))
    rise = 1 - np.exp(-rate * epochs ** rng.uniform(0.5, 1.0))
    if family == "taskset":
        learns = rng.random((rows, 1)) < 0.12
        chance = -0.693 - rng.exponential(0.02, (rows, 1)) * np.exp(-rate * epochs)
        return np.asarray(np.where(learns, -0.693 + 0.5 * good * rise, chance) + rng.normal(0, 2e-4, (rows, EPOCHS)))
    if family == "lcbench":
        overfits = (rng.random((rows, 1)) < 0.2) * rng.uniform(0, 0.2, (rows, 1)) * epochs / EPOCHS
        return np.asarray(100 * (0.4 + 0.5 * good * (rise - overfits)))
    return np.asarray(np.clip(90 * good * rise + rng.normal(0, 1.5, (rows, EPOCHS)), 0, 100))


def study(table: np.ndarray, trials: int, rng: np.random.Generator) -> Study:
    """Return a study soon after it has started as many trials as asked for, or as there are."""
    order = rng.permutation(len(table))
    values = table[order]
    with np.errstate(invalid="ignore"):
        best = np.nan_to_num(np.fmax.accumulate(values, axis=1), nan=-np.inf)
    epochs = np.zeros(len(order), int)
    ladder: dict[int, list[int]] = {rung: [] for rung in RUNGS}
    gone: set[tuple[int, int]] = set()
    running: list[int] = []
    started, ticks = 0, int(rng.integers(1, 6))
    while ticks:
        while len(running) < WORKERS and (started < len(order)):
            advancing = _advance(ladder, best, gone)
            running.append(started if advancing is None else advancing)
            started += advancing is None
        epochs[running] += 1
        for trial in [trial for trial in running if epochs[trial] in (*RUNGS, EPOCHS)]:
            running.remove(trial)
            ladder.get(int(epochs[trial]), []).append(trial)
        ticks -= started >= min(trials, len(order))
    begun = epochs > 0
    return Study(values[begun], epochs[begun], values[~begun])


def _advance(ladder: Mapping[int, list[int]], best: np.ndarray, gone: set[tuple[int, int]]) -> int | None:
    for rung in reversed(RUNGS):
        ranked = sorted(ladder[rung], key=lambda trial: -best[trial, rung - 1])
        for trial in ranked[: len(ranked) // FACTOR]:
            if (rung, trial) not in gone:
                gone.add((rung, trial))
                return trial
    return None


def look(found: Study, task: int, number: int, ceiling: float) -> np.ndarray:
    """Return a row of `COLUMNS` for each unfinished trial that has a value, and one (epoch 0) for a trial to come."""
    whole = np.fmax.reduce(found.values, axis=1)
    spread = np.subtract(*np.nanquantile(whole, (0.9, 0.1)))
    told = forecast([*found.seen, []], EPOCHS, ceiling=ceiling)
    finished = int((found.epochs >= EPOCHS).sum())
    rows = []
    for answer, curve, truth in zip(told, [*found.seen, []], [*whole, *_coming(found)], strict=False):
        if len(curve) < EPOCHS and (np.isfinite(curve).any() or not curve):
            last = np.nanmax(curve) if curve else np.nan
            about = (task, number, len(curve), finished, len(found.epochs), last)
            rows.append((*about, answer.low, answer.final, answer.high, truth, spread))
    return np.array(rows).reshape(-1, len(COLUMNS))


def _coming(found: Study) -> list[float]:
    finals = np.fmax.reduce(found.others[:1], axis=1) if len(found.others) else np.array([])
    return [float(final) for final in finals if np.isfinite(final)]


def looks(family: str, of: list[np.ndarray], seeds: int, first: int) -> np.ndarray:
    """Return the rows of one study a task and seed; `first` is 0 for the open tasks, 1 for those held out."""
    return np.concatenate(
        [look(found, task, number, CEILINGS[family]) for number, (task, found) in enumerate(studies(of, seeds, first))]
    )


def studies(of: list[np.ndarray], seeds: int, first: int) -> Iterator[tuple[int, Study]]:
    """Yield one study a task and seed, of a size that is as likely small as large."""
    for task in range(first, len(of), 2):
        for seed in range(seeds):
            rng = np.random.default_rng([seed, task])
            size = int(np.exp(rng.uniform(np.log(FEWEST), np.log(MOST + 1))))
            yield task, study(of[task], size, rng)


def columns(rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return rows by the names of `COLUMNS`, with whether each interval held."""
    named = dict(zip(COLUMNS, rows.T, strict=True))
    slack = 1e-9 * (1 + np.abs(named["truth"]))
    named["above"] = named["truth"] > named["high"] + slack
    named["below"] = named["truth"] < named["low"] - slack
    named["held"] = ~named["above"] & ~named["below"]
    return named


Cell = Callable[[dict[str, np.ndarray]], np.ndarray]
CELLS: Mapping[str, Cell] = {
    "all": lambda named: named["epoch"] > 0,
    "stopped at rung 2": lambda named: named["epoch"] == 2,
    "stopped at rung 6": lambda named: named["epoch"] == 6,
    "stopped at rung 18": lambda named: named["epoch"] == 18,
    "between rungs": lambda named: (named["epoch"] > 0) & ~np.isin(named["epoch"], RUNGS),
    "0 finished": lambda named: (named["epoch"] > 0) & (named["finished"] == 0),
    "1 to 4 finished": lambda named: (named["epoch"] > 0) & (named["finished"] > 0) & (named["finished"] < 5),
    "5 or more finished": lambda named: (named["epoch"] > 0) & (named["finished"] >= 5),
    "up to 12 trials": lambda named: (named["epoch"] > 0) & (named["trials"] <= 12),
    "13 to 50 trials": lambda named: (named["epoch"] > 0) & (named["trials"] > 12) & (named["trials"] <= 50),
    "more than 50 trials": lambda named: (named["epoch"] > 0) & (named["trials"] > 50),
    "a trial to come": lambda named: named["epoch"] == 0,
}


def show(family: str, rows: np.ndarray) -> None:
    """Print what the forecasts of a family are worth."""
    print(f"\n{family}: {len(np.unique(rows[:, 1]))} studies, {len(np.unique(rows[:, 0]))} tasks")
    print(f"{'':22}{'forecasts':>9}{'held':>7}{'above':>7}{'below':>7}{'width':>8}{'error':>8}{'naive':>8}")
    for name, cell in CELLS.items():
        named = columns(rows)
        part = {key: column[cell(named)] for key, column in named.items()}
        if not len(part["held"]):
            continue
        unit = np.maximum(part["spread"], 1e-12)
        width, error, naive = part["high"] - part["low"], part["final"] - part["truth"], part["last"] - part["truth"]
        shares = "".join(f"{part[key].mean():7.3f}" for key in ("held", "above", "below"))
        sizes = "".join(f"{_trimmed(np.abs(size) / unit):8.3f}" for size in (width, error, naive))
        missed = abs(part["held"].mean() - 0.8) > 0.05
        print(f"{name:22}{len(unit):9}{shares}{sizes}{'  outside 75..85%' if missed else ''}")
    told, naive, count = ranks(rows)
    print(f"rank correlation with the truth, mean of {count} studies: forecast {told:.3f}, naive {naive:.3f}")


def _trimmed(shares: np.ndarray) -> float:
    """Return the mean of what is finite, a share above 5 counted as 5: one diverged study would be all that is seen."""
    return float(np.minimum(shares[np.isfinite(shares)], 5).mean()) if np.isfinite(shares).any() else float("nan")


def ranks(rows: np.ndarray) -> tuple[float, float, int]:
    """Return the mean Spearman correlation with the truth, of the forecast and of the value so far, within studies."""
    found = []
    for number in np.unique(rows[:, 1]):
        part = rows[(rows[:, 1] == number) & (rows[:, 2] > 0)]
        if len(part) >= 8:
            truth = part[:, COLUMNS.index("truth")]
            found.append([spearmanr(part[:, COLUMNS.index(by)], truth).statistic for by in ("final", "last")])
    told, naive = np.nanmean(found, axis=0)
    return float(told), float(naive), len(found)


def bounds(rows: np.ndarray, draws: int = 1000) -> tuple[float, float, float]:
    """Return the share of intervals that held, and its 95% bounds when other tasks and studies were drawn."""
    named = columns(rows[rows[:, 2] > 0])
    sums = [
        np.array([(named["held"][rows_of].sum(), rows_of.sum()) for number in np.unique(named["study"][of_task])
                  for rows_of in [named["study"] == number]])
        for task in np.unique(named["task"]) for of_task in [named["task"] == task]
    ]  # fmt: skip
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(draws):
        drawn = [sums[task][rng.integers(len(sums[task]), size=len(sums[task]))].sum(axis=0)
                 for task in rng.integers(len(sums), size=len(sums))]  # fmt: skip
        held, of = np.sum(drawn, axis=0)
        shares.append(held / of)
    low, high = np.quantile(shares, (0.025, 0.975))
    return float(named["held"].mean()), float(low), float(high)


def timing(table: np.ndarray) -> None:
    """Print how long a call takes."""
    rng = np.random.default_rng(0)
    for trials in (100, 2000):
        rows = table[rng.integers(len(table), size=trials)].tolist()
        ends = rng.choice([2, 6, 18, 50], size=trials, p=[0.6, 0.25, 0.1, 0.05])
        curves = [row[:end] for row, end in zip(rows, ends.tolist(), strict=True)]
        spent = []
        for _ in range(7):
            start = perf_counter()
            forecast(curves, EPOCHS)
            spent.append(perf_counter() - start)
        print(f"forecast of {trials} curves: {1000 * min(spent):.1f} ms")


def main() -> None:
    """Print the figures of each family, then all in one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("AUTOML_BENCH_DATA"), help="the folder of the tables")
    parser.add_argument("--seeds", type=int, default=40, help="studies of each task")
    parser.add_argument("--open", action="store_true", help="the tasks that constants were chosen on, not the others")
    given = parser.parse_args()
    if not given.data:
        print("no --data and no AUTOML_BENCH_DATA: these are SYNTHETIC curves, the figures say little about real ones")
    of = tables(Path(given.data) if given.data else None)
    print(f"{'open' if given.open else 'held-out'} tasks; width, error and naive error in shares of a study's spread")
    results = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for family, tasks in of.items():
            rows = looks(family, tasks, given.seeds, first=0 if given.open else 1)
            show(family, rows)
            results[family] = bounds(rows)
    print()
    timing(of["lcbench"][0])
    parts = (dict(zip(results, column, strict=True)) for column in zip(*results.values(), strict=True))
    held, low, high = ({family: round(share, 3) for family, share in part.items()} for part in parts)
    print(json.dumps({"coverage": held, "low": low, "high": high, "seeds": given.seeds, "synthetic": not given.data}))


if __name__ == "__main__":
    main()
