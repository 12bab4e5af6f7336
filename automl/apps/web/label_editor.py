"""Editor of the boxes of one image, as an element of a page; what a person does arrives as events."""

from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui


class LabelEditor(ui.element, component="label_editor.js"):
    """SVG editor over an image: draw, move, resize, delete boxes and set classes with mouse and keys.

    Events: `change` {key, version, boxes}, `undo`, `step` {by}, `background` {version}, `answer` {answer}, `cls` {cls}.
    """

    def __init__(self, names: Sequence[str], *, label: str) -> None:
        """Show an editor without an image.

        Args:
            names: class names in their order.
            label: what the editor is, for screen readers.
        """
        super().__init__()
        self._props["names"] = list(names)
        self._props["texts"] = {"editor": label}
        self._props["cls"] = 0
        self._props["view"] = {"key": "", "boxes": [], "serial": 0}

    def set_view(self, view: Mapping[str, Any]) -> None:
        """Show an image with its boxes (`LabelDesk.view`); without a picture that of before stays."""
        before = self._props["view"]
        kept = {name: before[name] for name in ("src", "width", "height") if name in before and name not in view}
        self._props["view"] = {**kept, **view, "serial": before["serial"] + 1}
        self.update()

    def set_class(self, number: int) -> None:
        """Choose the class of new boxes."""
        self._props["cls"] = number
        self.update()
