"""Tables, links and notices of the pages; what comes from files is set as text, never as HTML."""

import re
from collections.abc import Sequence
from html import escape, unescape
from typing import Final

from nicegui import ui

from automl.study.errors import AutomlError
from automl.study.text import one_line

TAGS: Final = re.compile("<[^>]+>")


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, key: str = "", kind: str = "") -> None:
    """Build a table of texts; `key` is the element id of its body, for rows that change.

    `kind` is `tall` for a long table in a box, `prose` for one of sentences.
    """
    head = "".join(f"<th scope=col>{escape(name)}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(f'<td>{escape(one_line(cell))}</td>' for cell in row)}</tr>" for row in rows)
    named = f' id="{escape(key)}"' if key else ""
    html = f"<table class='data {kind}'><thead><tr>{head}</tr></thead><tbody{named}>{body}</tbody></table>"
    ui.html(html, sanitize=False).classes(f"wide {'tall' if kind == 'tall' else ''}").props("tabindex=0")


def quoted(text: str, label: str) -> None:
    """Build a block with text of the program, which is English in every language."""
    ui.label(label).classes("soft")
    preformatted(text)


def preformatted(text: str) -> None:
    """Build a block of text as it is."""
    ui.html(f"<pre class=text lang=en tabindex=0>{escape(text)}</pre>", sanitize=False)


def notify(error: AutomlError) -> None:
    """Show a user's mistake."""
    ui.notify(str(error), type="negative", multi_line=True, timeout=0, close_button="✕")


def plain_text(html: str) -> str:
    """Return the text of HTML that the report's words form.

    >>> plain_text("a <code>yolo train</code> &lt; 3")
    'a yolo train < 3'
    """
    return unescape(TAGS.sub("", html))
