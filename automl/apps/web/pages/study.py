"""Page of one study, live, and its report."""

import json as json_text
from functools import partial
from typing import Any, Final

from nicegui import ui
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from automl.apps import api
from automl.apps.web import live_socket
from automl.apps.web.boards import Boards
from automl.apps.web.context import Context
from automl.apps.web.frame import frame, heading
from automl.apps.web.live import LiveStudy
from automl.apps.web.machine import Use
from automl.apps.web.page import BUILD_SECONDS, Page
from automl.apps.web.security import REPORT_POLICY
from automl.apps.web.steering_view import SteeringView
from automl.apps.web.tables import notify, plain_text, preformatted, table
from automl.apps.web.texts import Texts
from automl.apps.web.texts.watch import WATCH
from automl.storage.layout import REPORT, trial_folder
from automl.study import Trial
from automl.study.errors import AutomlError
from automl.study.text import amount, duration
from automl.tracking import event_pictures
from automl.tracking import status as status_texts
from automl.tracking.report import finding_rows, language_of
from automl.tracking.report.language import Words

SLOW_SECONDS: Final = 2.0
MOST_LINES: Final = 60
"""Trials whose curves are drawn, the best ones: more lines cannot be told from each other."""


def add(context: Context) -> None:
    """Add the page and the report."""
    boards = Boards()
    live_socket.add(context)

    @ui.page("/studies/{name}", response_timeout=BUILD_SECONDS)
    async def page(request: Request, name: str) -> None:
        texts = Texts(context.language_of(request), WATCH)
        with frame(context, request, name):
            try:
                live = context.live.study(context.study(name))
            except AutomlError as error:
                _without_folder(context, texts, name, error)
                return
            await run_in_threadpool(live.refresh)
            await run_in_threadpool(live.refresh_slow)
            View(context, texts, live, boards).build()

    @context.app.get("/studies/{name}/report")
    async def report(request: Request, name: str) -> Response:
        try:
            folder = context.study(name)
            language = context.language_of(request)
            written = api.open_study(folder).report
            await run_in_threadpool(partial(written, lang=language_of(language)))
        except AutomlError as error:
            return PlainTextResponse(str(error), status_code=404)
        return FileResponse(folder / REPORT, media_type="text/html", headers={"content-security-policy": REPORT_POLICY})

    @context.app.get("/studies/{name}/pictures/{number}")
    async def picture(name: str, number: int, *, first: bool = False) -> Response:
        try:
            live = context.live.study(context.study(name))
            trial = next((one for one in live.trials if one.number == number), None)
            folder = trial_folder(live.folder, trial, live.spec.model) if trial else None
            read = event_pictures.first if first else event_pictures.latest
            content = await run_in_threadpool(read, folder, PREDICTIONS) if folder else b""
        except AutomlError as error:
            return PlainTextResponse(str(error), status_code=404)
        if not content:
            return PlainTextResponse("no picture yet", status_code=404)
        return Response(content, media_type="image/png" if content.startswith(b"\x89PNG") else "image/jpeg")


GONE: Final = 'onerror="this.closest(&quot;figure&quot;).hidden = true"'
"""A trial that has shown no picture yet has no frame on the page."""
PREDICTIONS: Final = "val/predictions"


def _without_folder(context: Context, texts: Texts, name: str, error: AutomlError) -> None:
    """Build the page of a study whose process has not made its folder yet, or could not."""
    if not context.jobs.is_starting(name) and not context.jobs.failed(name):
        ui.label(str(error)).props("lang=en")
        return
    ui.label(texts("starting" if context.jobs.is_starting(name) else "failed"))
    preformatted(context.jobs.tail(name))
    if context.jobs.is_starting(name):
        ui.timer(SLOW_SECONDS, ui.navigate.reload, immediate=False)


class View:
    """The elements of one browser's page of a study; rows and curves come by a websocket of their own."""

    def __init__(self, context: Context, texts: Texts, live: LiveStudy, boards: Boards) -> None:
        self._context, self._texts, self._live, self._boards = context, texts, live, boards
        self._steering = SteeringView(context, texts, live)
        self._head_shown: object = None
        self._below_shown: object = None

    def build(self) -> None:
        """Build the page, and the timers that keep it up to date."""
        texts, live = self._texts, self._live
        with ui.element("div").classes("card"):
            self._head = ui.element("div")
            self._use = ui.label().classes("soft")
        self._actions()
        heading(texts("curves"), 2)
        ui.label(texts("curves_text", objective=live.spec.objective)).classes("soft")
        self._chart = ui.echart(_chart(texts, live.spec.ladder.max_epochs)).classes("chart")
        heading(texts("rungs"), 2)
        table([texts("rung"), texts("reached"), texts("further"), texts("best")], [], key="rungs")
        heading(texts("table"), 2)
        names = ("number", "state", "epoch", "value", "seconds", "why", "params")
        table([texts(name) for name in names], [], key="trials", kind="tall")
        self._steering.build()
        self._below = ui.element("div")
        self._show_slow()
        where = {"url": f"/studies/{live.spec.name}/live", "most": MOST_LINES}
        ui.run_javascript(f"automl.live({json_text.dumps(where)}, () => getElement({self._chart.id})?.chart)")
        ui.timer(SLOW_SECONDS, self._slow, immediate=False)

    async def _slow(self) -> None:
        await run_in_threadpool(self._live.refresh_slow)
        self._show_slow()
        use = await run_in_threadpool(self._context.machine.use)
        text = machine_text(use, self._texts) if use else ""
        if self._use.text != text:
            self._use.text = text

    def _show_slow(self) -> None:
        """Show what is read every few seconds, each part if it is another one."""
        live, status = self._live, self._live.status
        facts = status and (
            status.running, status.finished, status.ended, status.budget, status.best_value, round(status.seconds / 10),
        )  # fmt: skip
        head = facts, live.problem, self._context.jobs.is_starting(live.spec.name)
        if head != self._head_shown:
            self._head_shown = head
            self._head.clear()
            with self._head:
                self._state()
        _lead_to(self._ray_link, live.dashboard)
        pictured = [(trial.number, trial.epoch) for trial in self._pictured()]
        below = pictured, status and (status.messages, status.findings)
        if below != self._below_shown:
            self._below_shown = below
            self._below.clear()
            with self._below:
                self._pictures()
                self._findings()

    def _state(self) -> None:
        texts, live, status = self._texts, self._live, self._live.status
        name = live.spec.name
        if live.problem:
            preformatted(live.problem)
        if status is None:
            return
        starting = self._context.jobs.is_starting(name) and not status.running
        verdict = status.verdict
        state = ("promoted" if verdict.accepted else "not promoted") if verdict else "stopped"
        state = "running" if status.running else "starting" if starting else state
        state = "failed" if state == "stopped" and self._context.jobs.failed(name) else state
        ui.label(texts(f"state.{state}")).props("role=status").classes("good" if status.running else "")
        parts = [texts("progress", ended=status.ended, budget=status.budget)]
        if status.best_value is not None:
            parts.append(texts("best_now", objective=status.objective, value=f"{status.best_value:.4f}"))
        parts.append(texts("time", time=duration(status.seconds)))
        if live.left:
            fewest, most = (duration(seconds) for seconds in live.left)
            parts.append(texts("left" if fewest != most else "left_one", fewest=fewest, most=most))
        ui.label(" · ".join(parts))
        with ui.element("div").classes("bar").props("aria-hidden=true"):
            ui.element("div").style(f"width:{100 * status.ended / max(status.budget, 1):.0f}%")
        if state == "failed":
            preformatted(self._context.jobs.tail(name))

    def _actions(self) -> None:
        texts, name = self._texts, self._live.spec.name
        with ui.element("div").classes("actions"):
            self._steering.buttons()
            ui.link(texts("result"), f"/models/{self._live.spec.champion_name}")
            ui.link(texts("report"), f"/studies/{name}/report").props("target=_blank")
            if self._context.loopback:
                self._board = ui.button(texts("tensorboard"), on_click=self._tensorboard).props("flat no-caps")
            else:
                ui.label(texts("tensorboard_remote", command=f"automl tensorboard {name}"))
            self._board_link = ui.link(texts("open tensorboard"), new_tab=True)
            self._ray_link = ui.link(texts("ray"), new_tab=True)
            self._board_link.visible = self._ray_link.visible = False

    async def _tensorboard(self) -> None:
        """Start TensorBoard and show its address: browsers block a tab that does not open at the click itself."""
        self._board.disable()
        ui.notify(self._texts("tensorboard starts"))
        try:
            address = await run_in_threadpool(self._boards.address, self._live.folder)
        except AutomlError as error:
            notify(error)
            self._board.enable()
        else:
            self._board.visible = False
            _lead_to(self._board_link, address)

    def _pictured(self) -> list[Trial]:
        """Return the baseline and the best trial, once they have an epoch."""
        live = self._live
        best = status_texts.leading(live.trials, live.spec.metric)
        numbers = dict.fromkeys([0, *([best.number] if best else [])])
        return [trial for trial in live.trials if trial.number in numbers and trial.epoch]

    def _pictures(self) -> None:
        """Show the same images of val as the baseline and the best trial saw them first, and as they see them now."""
        texts, live, shown = self._texts, self._live, self._pictured()
        if not shown:
            return
        heading(texts("pictures"), 2)
        with ui.element("div").classes("fields"):
            for trial in shown:
                where = f"/studies/{live.spec.name}/pictures/{trial.number}"
                _picture(f"{where}?first=1", texts("first picture", number=trial.number))
                _picture(f"{where}?epoch={trial.epoch}", texts("picture", number=trial.number, epoch=trial.epoch))

    def _findings(self) -> None:
        texts, status = self._texts, self._live.status
        heading(texts("findings"), 2)
        if status is None or not status.findings:
            ui.label(texts("findings_none")).classes("soft")
        else:
            found = finding_rows.rows(status.findings, Words(texts.language), {})
            rows = [[plain_text(str(cell)) for cell in (row.where, row.name, row.text, row.advice)] for row in found]
            table([texts(name) for name in ("where", "what", "evidence", "advice")], rows, kind="prose")
        if status and status.messages:
            heading(texts("messages"), 2)
            preformatted("\n".join(status.messages))


def _picture(where: str, about: str) -> None:
    with ui.element("figure"):
        ui.html(f'<img class=shot loading=lazy alt="{about}" src="{where}" {GONE}>', sanitize=False)
        ui.label(about).classes("soft")


def _lead_to(link: ui.link, address: str) -> None:
    """Show a link to an address, none where it is empty."""
    if link.visible != bool(address) or (address and link.props.get("href") != address):
        link.props["href"] = address
        link.visible = bool(address)
        link.update()


def machine_text(use: Use, texts: Texts) -> str:
    """Return the use of the server's machine as a line."""
    percents = [{"number": gpu.number, "percent": gpu.percent, "used": amount(gpu.used), "memory": amount(gpu.memory)}
                for gpu in use.gpus]  # fmt: skip
    return " · ".join([texts("machine", **use.values), *(texts("gpu", **values) for values in percents)])


GREY: Final = {"color": "#888"}
AXIS: Final = {"splitLine": {"lineStyle": {"color": "#8884"}}, "axisLabel": GREY, "nameTextStyle": GREY}
"""Greys that can be read on light and on dark."""


def _chart(texts: Texts, epochs: int) -> dict[str, Any]:
    return {
        "animation": False, "tooltip": {"trigger": "item"}, "grid": {"left": 48, "right": 16, "top": 16, "bottom": 40},
        "xAxis": {
            "type": "value", "name": texts("epoch"), "nameLocation": "middle", "nameGap": 24, "max": epochs, **AXIS,
        },
        "yAxis": {"type": "value", "scale": True, **AXIS}, "series": [],
    }  # fmt: skip


PAGE = Page("/studies", add)
