"""Metrics of the service in Prometheus' text format, and the middleware that counts requests."""

import time
from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from automl.apps.serve.follower import Serving

PATHS: Final = frozenset({"/", "/health", "/ready", "/model", "/metrics", "/predict"})
"""Values of the label `path`; all others are counted as `other`, so that strangers cannot make series."""
METHODS: Final = frozenset({"GET", "POST"})
BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds: from a micro model on one core to the timeout of a request."""
VERSION_HEADER: Final = b"model-version"


class Metrics:
    """Counters of one service."""

    def __init__(self, serving: Serving) -> None:
        """Start at zero."""
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "automl_requests", "Requests that were answered.", ("path", "method", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "automl_request_seconds", "Seconds from the headers of a request to its response.", ("path",),
            buckets=BUCKETS, registry=self._registry,
        )  # fmt: skip
        self.in_flight = Gauge("automl_requests_in_flight", "Requests that run or wait.", registry=self._registry)
        self.images = Counter("automl_images", "Images in which boxes were detected.", registry=self._registry)
        self._registry.register(_Versions(serving))
        ProcessCollector(registry=self._registry)

    def count(self, scope: Scope, status: int, seconds: float) -> None:
        """Record a request that was answered."""
        path = scope["path"] if scope["path"] in PATHS else "other"
        method = scope["method"] if scope["method"] in METHODS else "other"
        self._requests.labels(path, method, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def text(self) -> bytes:
        """Return all values in Prometheus' text format."""
        return generate_latest(self._registry)


class _Versions(Collector):
    """What the follower knows, read when it is asked for."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving

    def collect(self) -> Iterator[Metric]:
        """Yield the version that serves, and how often it was replaced."""
        served = self._serving.current
        labels = ("name", "version", "alias", "sha256", "provider")
        info = GaugeMetricFamily("automl_model_info", "The version that serves.", labels=labels)
        values = (served.name, str(served.number), self._serving.alias, served.sha256, served.detector.provider)
        info.add_metric(values, 1)
        yield info
        yield CounterMetricFamily("automl_swaps", "Versions that took the place of another.", self._serving.swaps)
        failed = self._serving.failed_swaps
        yield CounterMetricFamily("automl_failed_swaps", "Attempts to load a version that failed.", failed)
        behind = int(self._serving.failure is not None)
        yield GaugeMetricFamily("automl_alias_not_followed", "1 if another version should serve.", behind)


class Observed:
    """ASGI middleware that gives a request its version, names that version in the response, and counts both.

    A request keeps the version that served when it began, `request.state.served`, to its end.
    """

    def __init__(self, app: ASGIApp, *, serving: Serving, metrics: Metrics) -> None:
        self._app, self._serving, self._metrics = app, serving, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        served, start, status = self._serving.current, time.perf_counter(), 500
        scope.setdefault("state", {})["served"] = served

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (VERSION_HEADER, str(served.number).encode())]
            await send(message)

        with self._metrics.in_flight.track_inprogress():
            try:
                await self._app(scope, receive, answer)
            finally:
                self._metrics.count(scope, status, time.perf_counter() - start)
