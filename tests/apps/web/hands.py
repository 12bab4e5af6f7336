"""Hands of a person on a page: what they do, and how long it takes by the keystroke-level model.

Card, Moran and Newell, "The keystroke-level model for user performance time with interactive systems", 1980: seconds of
an average typist for a key, to point, to press a button, to move the hand between mouse and keyboard, and to think.
The seconds are counted, not measured: they do not depend on the machine.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

KEY: Final = 0.28
POINT: Final = 1.1
PRESS: Final = 0.2
HOME: Final = 0.4
THINK: Final = 1.35


@dataclass
class Hands:
    """The actions on a page so far."""

    page: Any
    seconds: float = 0.0
    done: list[str] = field(default_factory=list)

    def click(self, target: Any, name: str) -> None:
        """Find something and click on it."""
        self._took(THINK + POINT + PRESS, name)
        target.click()

    def link(self, name: str) -> None:
        """Follow a link of the page."""
        self.click(self.page.get_by_role("link", name=name, exact=True).first, name)

    def button(self, name: str) -> None:
        """Press a button of the page."""
        self.click(self.page.get_by_role("button", name=name).first, name)

    def write(self, label: str, text: str) -> None:
        """Write into a field and leave it."""
        self._took(THINK + POINT + PRESS + HOME + KEY * (len(text) + 1), f"{label}: {text}")
        self.page.get_by_label(label).fill(text)
        self.page.get_by_label(label).press("Tab")

    def choose(self, selector: str, path: Path) -> None:
        """Choose a file: a click, the file in the dialog, and a click that closes it."""
        self._took(3 * (THINK + POINT + PRESS), f"choose {path.name}")
        self.page.set_input_files(selector, path)

    def draw(self, area: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Draw a box with the mouse; places are shares of the area."""
        self._took(THINK + 2 * POINT + PRESS, "draw a box")
        box = area.bounding_box()
        for step, (x, y) in enumerate((start, ((start[0] + end[0]) / 2, end[1]), end)):
            self.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
            if step == 0:
                self.page.mouse.down()
        self.page.mouse.up()

    def keys(self, *keys: str) -> None:
        """Press keys, where the keyboard is already."""
        for key in keys:
            self._took(THINK + KEY, key)
            self.page.keyboard.press(key)

    def _took(self, seconds: float, name: str) -> None:
        self.seconds += seconds
        self.done.append(name)
