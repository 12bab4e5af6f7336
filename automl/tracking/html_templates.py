"""Templates of the HTML pages: escaped, strict, with names made readable."""

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from automl.study.text import one_line


def environment() -> Environment:
    """Return a new environment of Jinja for the templates of `automl/tracking/templates`.

    Who keeps it compiles each template once.
    """
    return Environment(
        loader=PackageLoader("automl.tracking"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, finalize=_readable,
    )  # fmt: skip


def _readable(value: object) -> object:
    """Return a name with control characters or line breaks as one line; escaping follows, but for markup."""
    return one_line(str(value)) if isinstance(value, str | Path) and not isinstance(value, Markup) else value
