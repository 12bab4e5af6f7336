"""Pages of the web page, in the order of the menu.

To add one: a module with `PAGE`, whose `add` registers its routes with `@ui.page` and `context.app`, and an entry here.
"""

from typing import Final

from automl.apps.web.page import Page
from automl.apps.web.pages import data, field, labels, language, model, study, train, watch

PAGES: Final[tuple[Page, ...]] = (
    watch.PAGE,
    data.PAGE,
    labels.PAGE,
    train.PAGE,
    model.PAGE,
    field.PAGE,
    study.PAGE,
    language.PAGE,
)
