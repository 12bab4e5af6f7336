"""A person's hands in the tests of the page: each action is done and counted, with its time by a model.

The keystroke-level model (Card, Moran and Newell, Communications of the ACM 23(7), 1980) gives the time of a person who
knows what to do and makes no mistake. Here a mental preparation stands before each action, not only where a new
thought begins, which makes the time an upper bound within the model.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

SECONDS: Final = {"K": 0.28, "P": 1.1, "B": 0.1, "H": 0.4, "M": 1.35}
"""A key (average typist), pointing with a mouse, a button down or up, hands to the other device, mental preparation."""
WORDS_A_MINUTE: Final = 238
"""Silent reading of English (Brysbaert, Journal of Memory and Language 109, 2019)."""


@dataclass(slots=True)
class Hands:
    """The actions on a page so far."""

    page: Any
    operators: str = ""
    actions: Counter[str] = field(default_factory=Counter)
    words: int = 0
    """Of the text of the pages that were looked at."""
    _at: str = "mouse"

    def click(self, target: Any, **more: Any) -> None:
        """Click an element."""
        target.click(**more)
        self._did("click", "mouse", "PBB")

    def fill(self, target: Any, text: str) -> None:
        """Click a field and type a text."""
        target.fill(text)
        self._did("field", "mouse", "PBB")
        self._did("text", "keyboard", "K" * len(text))

    def press(self, target: Any, key: str) -> None:
        """Press a key, with those that are held."""
        target.press(key)
        self._did("key", "keyboard", "K" * len(key.split("+")))

    def draw(self, *corners: tuple[float, float]) -> None:
        """Draw with the mouse from one point of the window to another."""
        (x, y), (across, down) = corners
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(across, down)
        self.page.mouse.up()
        self._did("drawing", "mouse", "PBPB")

    def choose(self, field_: str, path: str | Path) -> None:
        """Choose a file: a click that opens the system's dialog, and a double click there."""
        self.page.set_input_files(field_, path)
        self._did("file", "mouse", "PBBMPBBBB")

    def read(self, page: Any = None) -> None:
        """Count the words of what a page shows."""
        self.words += len((page or self.page).inner_text("body").split())

    @property
    def seconds(self) -> float:
        """Return the time of all actions by the model."""
        return sum(SECONDS[operator] for operator in self.operators)

    @property
    def summary(self) -> dict[str, Any]:
        """Return what was counted, and the times."""
        reading = round(60 * self.words / WORDS_A_MINUTE)
        return {"actions": dict(self.actions), "operators": dict(Counter(self.operators)),
                "hands_s": round(self.seconds), "words": self.words, "reading_s": reading}  # fmt: skip

    def _did(self, action: str, device: str, operators: str) -> None:
        self.operators += ("" if device == self._at else "H") + "M" + operators
        self.actions[action] += 1
        self._at = device
