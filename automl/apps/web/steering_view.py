"""Controls of a study's page: pause, resume, end the search, a larger budget, end of one trial."""

from collections.abc import Callable
from functools import partial
from typing import Any

from nicegui import ui
from starlette.concurrency import run_in_threadpool

from automl.apps.web import steering
from automl.apps.web.context import Context
from automl.apps.web.frame import heading
from automl.apps.web.live import LiveStudy
from automl.apps.web.tables import notify
from automl.apps.web.texts import Texts
from automl.study.errors import AutomlError

MOST_TRIALS = 1_000_000


class SteeringView:
    """The controls, and what the last one did."""

    def __init__(self, context: Context, texts: Texts, live: LiveStudy) -> None:
        self._context, self._texts, self._live = context, texts, live

    def buttons(self) -> None:
        """Build the buttons of the whole study in the present container."""
        jobs, name = self._context.jobs, self._live.spec.name
        self._button("pause", partial(jobs.stop, name), done="stopping")
        self._button("resume", partial(jobs.resume, name), done="resuming")

    def build(self) -> None:
        """Build the controls that change a study in the present container."""
        texts, place, folder = self._texts, self._context.place, self._live.folder
        heading(texts("steer"), 2)
        with ui.element("section").classes("card"):
            with ui.element("div").classes("actions"):
                trials = ui.number(texts("more trials"), min=1, max=MOST_TRIALS, precision=0).props("dense")
                hours = ui.number(texts("more hours"), min=0).props("dense")
                wanted: Callable[[], dict[str, float | None]] = lambda: {  # noqa: E731
                    steering.TRIALS: whole(trials.value), steering.HOURS: hours.value,
                }  # fmt: skip
                self._button("extend", lambda: steering.extend(place, folder, wanted()))
            with ui.element("div").classes("actions"):
                number = ui.number(texts("number"), min=0, precision=0).props("dense")
                self._button("cancel", lambda: steering.cancel(folder, whole(number.value) or 0))
                self._button("end search", lambda: steering.end_search(place, folder))
            ui.label(texts("end search text")).classes("soft")
            self._said = ui.label().props("role=status aria-live=polite lang=en").style("overflow-wrap:anywhere")

    def _button(self, key: str, change: Callable[[], Any], *, done: str = "") -> None:
        button = ui.button(self._texts(key)).props("outline no-caps")
        button.on_click(partial(self._do, button, change, done=done))

    async def _do(self, button: ui.button, change: Callable[[], Any], *, done: str) -> None:
        button.disable()
        try:
            said = await run_in_threadpool(change)
        except AutomlError as error:
            notify(error)
            return
        finally:
            button.enable()
        if done:
            ui.notify(self._texts(done))
        else:
            self._said.text = str(said)


def whole(value: float | None) -> int | None:
    """Return what a field of numbers contains as a whole number; None where it is empty."""
    return None if value is None else int(value)
