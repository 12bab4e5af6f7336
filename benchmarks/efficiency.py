"""From regret curves to figures: means with bands, and how much compute reaches the final regret of stock."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

Curves = np.ndarray
"""(studies, points): regret at equal steps of the budget, the last point at its end."""
DRAWS = 1000
STOCK = "stock"
OURS = "ours"
WARM = "ours_warm"
BOUND = "bound"
"""What no search can beat: the right row trained alone from the first second on."""
WORSE = 1 / 1.2
"""A task counts as worse than stock below this ratio: stock's regret, but for a fifth more compute."""


@dataclass(frozen=True, slots=True)
class Table:
    """All curves: family, workers, strategy, task to the curves of its seeds."""

    cells: dict[tuple[str, int, str], dict[str, Curves]]

    @classmethod
    def of(cls, results: Iterable[tuple[Mapping[str, Any], np.ndarray]]) -> Self:
        """Sort results into cells; within a task by seed, so that strategies are paired."""
        found: dict[tuple[str, int, str], dict[str, list[tuple[int, np.ndarray]]]] = {}
        for cell, regret in results:
            place = found.setdefault((cell["family"], cell["workers"], cell["strategy"]), {})
            place.setdefault(cell["task"], []).append((cell["seed"], regret))
        return cls(
            {
                key: {
                    task: np.array([curve for _, curve in sorted(runs, key=lambda run: run[0])])
                    for task, runs in tasks.items()
                }
                for key, tasks in found.items()
            }
        )

    def shared(self, family: str, workers: int, pair: tuple[str, str]) -> Self:
        """Return the curves of a pair of strategies for the tasks, and as many seeds, as both have."""
        one, other = (self.cells[family, workers, strategy] for strategy in pair)
        seeds = {task: min(len(one[task]), len(other[task])) for task in one if task in other}
        return type(self)(
            {
                (family, workers, strategy): {task: runs[task][:count] for task, count in seeds.items()}
                for strategy, runs in zip(pair, (one, other), strict=True)
            }
        )

    def mean(self, key: tuple[str, int, str]) -> np.ndarray:
        """Return the mean curve: tasks count alike."""
        return np.asarray(np.mean([curves.mean(axis=0) for curves in self.cells[key].values()], axis=0))

    def drawn(self, key: tuple[str, int, str], generator: np.random.Generator) -> np.ndarray:
        """Return the mean curve of a bootstrap draw: tasks, and within them seeds, with replacement."""
        tasks = self.cells[key]
        names = list(tasks)
        chosen = [tasks[names[index]] for index in generator.integers(len(names), size=len(names))]
        drawn = [runs[generator.integers(len(runs), size=len(runs))].mean(axis=0) for runs in chosen]
        return np.asarray(np.mean(drawn, axis=0))


def ratio(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return how many times more compute they need to get where the slower of the two ends.

    Above 1: the whole budget over what we need to reach their final regret. Below 1: what they need to reach ours,
    over the whole budget. Between points of the budget the curve is a straight line.

    >>> ratio(np.array([0.5, 0.2, 0.1, 0.1]), np.array([0.8, 0.6, 0.4, 0.2]))
    2.0
    """
    if ours[-1] <= theirs[-1]:
        return len(ours) / _reached(ours, theirs[-1])
    return _reached(theirs, ours[-1]) / len(ours)


def _reached(curve: np.ndarray, level: float) -> float:
    point = int(np.argmax(curve <= level))
    before = curve[point - 1] if point else 1.0
    share = (before - level) / (before - curve[point]) if before > curve[point] else 1.0
    return point + float(share)


def with_interval(table: Table, family: str, workers: int, pair: tuple[str, str]) -> tuple[float, float, float]:
    """Return the ratio of a pair (ours, theirs) on what both have, and its 90% interval by bootstrap."""
    table = table.shared(family, workers, pair)
    one, other = ((family, workers, strategy) for strategy in pair)
    found = ratio(table.mean(one), table.mean(other))
    draws = []
    for number in range(DRAWS):
        same = [np.random.default_rng([number, workers]) for _ in pair]  # the same tasks and seeds for both
        draws.append(ratio(table.drawn(one, same[0]), table.drawn(other, same[1])))
    low, high = np.quantile(draws, [0.05, 0.95])
    return found, float(low), float(high)


def told(table: Table) -> str:
    """Return the tables in words: regret at a quarter, half and all of the budget, ratios, tasks that lose."""
    lines = ["mean regret at 25 / 50 / 100% of the budget (0: best row of the table, 1: its median)"]
    for key in sorted(table.cells):
        mean = table.mean(key)
        quarter, half = mean[len(mean) // 4 - 1], mean[len(mean) // 2 - 1]
        studies = sum(len(curves) for curves in table.cells[key].values())
        lines.append(
            f"{key[0]:10} W={key[1]:<3} {key[2]:24} {quarter:.3f} {half:.3f} {mean[-1]:.3f}  ({studies} studies)"
        )
    lines.append("compute that the other needs for each unit of ours, to where the slower ends (90% interval)")
    for family, workers, one, other in _pairs(table):
        found, low, high = with_interval(table, family, workers, (one, other))
        lines.append(f"{family:10} W={workers:<3} {one} against {other}: {found:.2f} ({low:.2f}..{high:.2f})")
        if worse := _worse(table, family, workers, (one, other)):
            lines.append(f"  tasks worse by more than a fifth: {worse}")
    return "\n".join(lines)


def _pairs(table: Table) -> list[tuple[str, int, str, str]]:
    mine = [key for key in sorted(table.cells) if key[2].startswith(OURS)]
    return [
        (*key, other[2])
        for key in mine
        for other in sorted(table.cells)
        if other[:2] == key[:2] and other[2] != key[2] and (not other[2].startswith(OURS) or key[2] != OURS)
    ]


def _worse(table: Table, family: str, workers: int, pair: tuple[str, str]) -> dict[str, float]:
    cells = table.shared(family, workers, pair).cells
    one, other = (cells[family, workers, strategy] for strategy in pair)
    found = {task: ratio(one[task].mean(axis=0), other[task].mean(axis=0)) for task in one}
    return {task: round(value, 2) for task, value in found.items() if value < WORSE}


def figures(table: Table) -> dict[str, Any]:
    """Return what a machine checks: ratios against stock, without and with a warm start, and their lower ends.

    `seeds` is the smallest number of studies (tasks times seeds) behind a mean.
    """
    counted = [tasks for key, tasks in table.cells.items() if key[2] != BOUND]
    studies = [sum(len(curves) for curves in tasks.values()) for tasks in counted]
    answer: dict[str, Any] = {"ratio": {}, "low": {}, "seeds": min(studies)}
    for name, pair in {
        "": (OURS, STOCK),
        "warm_": (WARM, STOCK),
        "default_first_": (OURS, "stock_default"),
        "warm_default_first_": (WARM, "stock_default"),
        "bound_": (BOUND, STOCK),
    }.items():
        for family, workers, strategy in sorted(table.cells):
            if strategy == pair[0] and (family, workers, pair[1]) in table.cells:
                found, low, _ = with_interval(table, family, workers, pair)
                answer.setdefault(f"{name}ratio", {}).setdefault(family, {})[str(workers)] = round(found, 2)
                answer.setdefault(f"{name}low", {}).setdefault(family, {})[str(workers)] = round(low, 2)
                worse = _worse(table, family, workers, pair)
                answer.setdefault(f"{name}tasks_worse", {}).setdefault(family, {})[str(workers)] = worse
    return answer


def draw(table: Table, path: Path) -> None:
    """Draw regret against compute with 80% bands: a row a family, a column a number of workers."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    families, counts = (sorted({key[part] for key in table.cells}) for part in (0, 1))
    figure, axes = plt.subplots(
        len(families), len(counts), figsize=(4.6 * len(counts), 3.4 * len(families)), squeeze=False, sharex=True
    )
    names = sorted({key[2] for key in table.cells})
    colours = dict(zip(names, plt.get_cmap("tab20").colors, strict=False))
    for row, family in zip(axes, families, strict=True):
        for axis, workers in zip(row, counts, strict=True):
            for name in names:
                if (key := (family, workers, name)) in table.cells:
                    _draw_one(axis, table, key, colours[name])
            axis.set_title(f"{family}, {workers} workers", fontsize=10)
            axis.set_yscale("log")
            axis.set_ylim(0.004, 1.05)
            axis.grid(alpha=0.3)
        row[0].set_ylabel("normalised regret")
    for axis in axes[-1]:
        axis.set_xlabel("share of the budget")
    handles = {line.get_label(): line for axis in axes.flat for line in axis.get_lines()}
    columns = 2 * len(counts)
    figure.legend(handles.values(), handles.keys(), loc="lower center", ncols=columns, fontsize=9, frameon=False)
    figure.tight_layout(rect=(0, 0.02 * -(-len(handles) // columns), 1, 1))
    figure.savefig(path, dpi=110)


def _draw_one(axis: Any, table: Table, key: tuple[str, int, str], colour: Any) -> None:  # noqa: ANN401
    mean = table.mean(key)
    shares = np.arange(1, len(mean) + 1) / len(mean)
    draws = [table.drawn(key, np.random.default_rng(number)) for number in range(200)]
    low, high = np.quantile(draws, [0.1, 0.9], axis=0)
    width = 2.2 if key[2].startswith(OURS) else 1.1
    axis.plot(shares, mean, label=key[2], color=colour, linewidth=width)
    axis.fill_between(shares, low, high, color=colour, alpha=0.12, linewidth=0)
