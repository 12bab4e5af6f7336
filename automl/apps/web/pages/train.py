"""Page train."""

from nicegui import ui
from starlette.requests import Request

from automl.apps.web.context import Context
from automl.apps.web.frame import frame
from automl.apps.web.page import Page


def add(context: Context) -> None:
    """Add the page."""

    @ui.page("/train")
    async def page(request: Request) -> None:
        with frame(context, request, "train"):
            pass


PAGE = Page("/train", add, ("train", "train"))
