"""Route that chooses the language: a cookie, and back to the page."""

from starlette.responses import RedirectResponse

from automl.apps.web.context import LANGUAGE_COOKIE, Context
from automl.apps.web.page import Page
from automl.tracking.report import Language


def add(context: Context) -> None:
    """Add the route."""

    @context.app.get("/language/{language}")
    async def choose(language: Language, next: str = "/") -> RedirectResponse:  # noqa: A002
        # One slash, so that no other host can be named.
        answer = RedirectResponse("/" + next.lstrip("/\\"), status_code=303)
        answer.set_cookie(LANGUAGE_COOKIE, language, max_age=365 * 24 * 3600, samesite="strict", httponly=True)
        return answer


PAGE = Page("/language", add)
