"""Hover effects of the report without a script: a trial under the pointer stands out in all figures and in the table.

What a figure draws of a trial gets an id from `mark`, which `titled` turns into classes and a tooltip of the SVG; the
CSS of `rules` then uses `:has()`, which browsers have since 2023. Older ones show the tooltips only.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from markupsafe import Markup

from automl.study import Trial
from automl.study.text import one_line, short
from automl.tracking.report.language import MISSING, Words

AIM_WIDTH: Final = 9.0
"""Width in points of the invisible line over a thin one, which the pointer meets more easily."""
MARKED: Final = re.compile(r'<g id="(trial|aim)-(\d+)">')
DRAWN: Final = re.compile(r'class="trial t(\d+)"')
BASE: Final = (
    ".aim path { stroke-opacity: 0 !important; } .plot text { pointer-events: none; } "
    "body:has(.run:hover, .aim:hover, .trial:hover) .trial { opacity: .25; }"
)
RULES: Final = (
    "body:has(.t{0}:hover) .trial.t{0} {{ opacity: 1; }} "
    "body:has(.t{0}:hover) .trial.t{0} > path {{ stroke-width: 3.5 !important; stroke-opacity: 1 !important; }} "
    "body:has(.t{0}:hover) .trial.t{0} use {{ filter: drop-shadow(0 0 1.5px #000) drop-shadow(0 0 3px #fff); }} "
    "body:has(.t{0}:hover) .run.t{0} {{ background: #fff3cd; }}"
)


def mark(trial: Trial) -> str:
    """Return the id of what is drawn of a trial."""
    return f"trial-{trial.number}"


def aim(axes: Any, xs: Sequence[float], ys: Sequence[float], trial: Trial) -> None:  # noqa: ANN401
    """Draw an invisible wide line over that of a trial."""
    axes.plot(xs, ys, linewidth=AIM_WIDTH, alpha=0.0, gid=f"aim-{trial.number}", zorder=4)


def titles(
    trials: Sequence[Trial], names: Sequence[str], words: Words, *, metric: str, objective: str
) -> dict[int, str]:
    """Return the tooltip of each trial by its number: epoch, best value, and the params of the given names."""
    found = {}
    for trial in trials:
        best = trial.best(metric)
        head = [
            words.plain("trial_number", number=trial.number),
            f"{words.plain('epoch')} {trial.epoch}",
            f"{objective} {MISSING if best is None else f'{best:.4f}'}",
        ]
        params = [f"{one_line(name)} {short(trial.params[name])}" for name in names if name in trial.params]
        found[trial.number] = "\n".join([", ".join(head), *params])
    return found


def titled(svg: str, texts: Mapping[int, str]) -> str:
    """Return an SVG whose marked groups have the classes of their trial, and a tooltip if there is a text.

    >>> titled('<g id="trial-3">', {3: "a < b"})
    '<g class="trial t3"><title>a &lt; b</title>'
    """

    def group(found: re.Match[str]) -> str:
        kind, number = found[1], int(found[2])
        title = Markup("<title>{}</title>").format(texts[number]) if number in texts else ""
        return f'<g class="{kind} t{number}">{title}'

    return MARKED.sub(group, svg)


def rules(figures: Sequence[str]) -> Markup:
    """Return the CSS for the trials that these figures show; it holds numbers of trials and nothing else."""
    numbers = sorted({int(number) for figure in figures for number in DRAWN.findall(figure)})
    return Markup("\n".join([BASE, *(RULES.format(number) for number in numbers)]) if numbers else "")
