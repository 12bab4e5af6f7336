"""From regret curves to figures: means with bands, and how much compute reaches the final regret of stock."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

Curves = np.ndarray
"""(studies, points): regret at equal steps of the budget, the last point at its end."""
Measure = Callable[[np.ndarray, np.ndarray], float]
"""Of two curves of regret, ours and theirs."""
DRAWS = 1000
STOCK = "stock"
OURS = "ours"
WARM = "ours_warm"
MISLED = "ours_misled"
WITHOUT = "ours_without_"
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

    Theirs the slower: what they need to reach their final regret, over what we need. Ours the slower: what they need
    to reach ours, over the whole budget, however early we got stuck. Between points the curve is a straight line.

    >>> ratio(np.array([0.5, 0.2, 0.1, 0.1]), np.array([0.8, 0.6, 0.4, 0.2]))
    2.0
    """
    if ours[-1] <= theirs[-1]:
        return _reached(theirs, theirs[-1]) / _reached(ours, theirs[-1])
    return _reached(theirs, ours[-1]) / len(ours)


def pace(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the geometric mean of the ratio at each tenth of the budget.

    One that tells how fast a search is on its way, and not only at its end, where curves are flat and a small
    difference in regret is a large one in compute.
    """
    tenths = [-(-len(ours) * tenth // 10) for tenth in range(1, 11)]
    return float(np.exp(np.mean([np.log(ratio(ours[:end], theirs[:end])) for end in tenths])))


def _reached(curve: np.ndarray, level: float) -> float:
    point = int(np.argmax(curve <= level))
    before = curve[point - 1] if point else 1.0
    share = (before - level) / (before - curve[point]) if before > curve[point] else 1.0
    return point + float(share)


def with_interval(
    table: Table, family: str, workers: int, pair: tuple[str, str], measure: Measure = ratio
) -> tuple[float, float, float]:
    """Return the ratio (or pace) of a pair (ours, theirs) on what both have, and its 90% interval by bootstrap."""
    table = table.shared(family, workers, pair)
    one, other = ((family, workers, strategy) for strategy in pair)
    found = measure(table.mean(one), table.mean(other))
    draws = []
    for number in range(DRAWS):
        same = [np.random.default_rng([number, workers]) for _ in pair]  # the same tasks and seeds for both
        draws.append(measure(table.drawn(one, same[0]), table.drawn(other, same[1])))
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
    lines.append("compute that the other needs for each unit of ours: where the slower ends; mean on the way (90%)")
    for family, workers, pair in _pairs(table):
        measured = (with_interval(table, family, workers, pair, measure) for measure in (ratio, pace))
        found = "; ".join(f"{value:.2f} ({low:.2f}..{high:.2f})" for value, low, high in measured)
        lines.append(f"{family:10} W={workers:<3} {' against '.join(pair)}: {found}")
        for task, (value, low, high) in _worse(table, family, workers, pair).items():
            lines.append(f"  worse by more than a fifth: {task} {value} ({low}..{high})")
    return "\n".join(lines)


def _pairs(table: Table) -> list[tuple[str, int, tuple[str, str]]]:
    """Return who is compared: ours, also with a warm start, with each rival; whatever else is ours with ours."""
    found = []
    for family, workers, one in sorted(table.cells):
        for other in sorted(key[2] for key in table.cells if key[:2] == (family, workers)):
            searches = one in {OURS, WARM} and not other.startswith(OURS)
            variant = one.startswith(f"{OURS}_") and other == OURS
            if searches or variant:
                found.append((family, workers, (one, other)))
    return found


def _worse(table: Table, family: str, workers: int, pair: tuple[str, str]) -> dict[str, list[float]]:
    """Return the tasks that lose by more than a fifth: ratio and its 90% interval, by bootstrap over the seeds."""
    found = {}
    table = table.shared(family, workers, pair)
    one, other = (table.cells[family, workers, strategy] for strategy in pair)
    for task in one:
        if ratio(one[task].mean(axis=0), other[task].mean(axis=0)) < WORSE:
            only = Table({key: {task: tasks[task]} for key, tasks in table.cells.items()})
            found[task] = [round(value, 2) for value in with_interval(only, family, workers, pair)]
    return found


def figures(table: Table) -> dict[str, Any]:
    """Return what a machine checks: ratio and pace against stock, without and with a warm start, and their lower ends.

    `seeds` is the smallest number of studies (tasks times seeds) behind a mean.
    """
    counted = [tasks for key, tasks in table.cells.items() if key[2] != BOUND]
    studies = [sum(len(curves) for curves in tasks.values()) for tasks in counted]
    answer: dict[str, Any] = {"ratio": {}, "low": {}, "seeds": min(studies)}
    parts = sorted({key[2] for key in table.cells if key[2].startswith(WITHOUT)})
    for name, pair in {
        "": (OURS, STOCK),
        "warm_": (WARM, STOCK),
        "default_first_": (OURS, "stock_default"),
        "warm_default_first_": (WARM, "stock_default"),
        "bound_": (BOUND, STOCK),
        "misled_": (MISLED, OURS),
        "stopping_": ("ours_stopping", OURS),
        **{f"{part.removeprefix('ours_')}_": (part, OURS) for part in parts},
    }.items():
        for family, workers, strategy in sorted(table.cells):
            if strategy == pair[0] and (family, workers, pair[1]) in table.cells:
                found, low, _ = with_interval(table, family, workers, pair)
                on_the_way, slowest, _ = with_interval(table, family, workers, pair, pace)
                for what, value in {
                    "ratio": round(found, 2),
                    "low": round(low, 2),
                    "pace": round(on_the_way, 2),
                    "pace_low": round(slowest, 2),
                    "tasks_worse": _worse(table, family, workers, pair),
                }.items():
                    answer.setdefault(name + what, {}).setdefault(family, {})[str(workers)] = value
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
