"""Metrics: requests, latency, images and versions in Prometheus' text format; strangers make no series."""

from pathlib import Path

import cv2
import numpy as np
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from automl.apps.serve import service, version
from automl.apps.serve.follower import Serving
from tests import detectors

PICTURE = cv2.imencode(".png", np.full((20, 30, 3), 255, np.uint8))[1].tobytes()


def scraped(client: TestClient) -> dict[tuple[str, ...], float]:
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, *(sample.labels[key] for key in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_requests_images_and_versions_are_counted(tmp_path: Path) -> None:
    registry = detectors.registered(tmp_path, 1.0, 0.9, float("nan"))
    held = Serving(version.load(registry, "champion"), registry=registry, alias="champion")
    with TestClient(service.app(held), base_url="http://127.0.0.1") as client:
        client.post("/predict", content=PICTURE)
        client.post("/predict", files=[("image", ("a.png", PICTURE)), ("image", ("b.png", PICTURE))])
        client.post("/predict", content=b"rubbish")
        client.get("/secret/of/strangers")
        client.request("BREW", "/health")
        registry.promote(3, why="broken")
        held.poll()
        registry.promote(2, why="better")
        held.poll()
        found = scraped(client)
    assert found["automl_requests_total", "POST", "/predict", "200"] == 2
    assert found["automl_requests_total", "POST", "/predict", "400"] == 1
    assert found["automl_requests_total", "GET", "other", "404"] == 1
    assert found["automl_requests_total", "other", "/health", "405"] == 1
    assert found["automl_images_total",] == 3
    assert found["automl_request_seconds_count", "/predict"] == 3
    assert found["automl_requests_in_flight",] == 1  # the scrape itself
    assert (found["automl_swaps_total",], found["automl_failed_swaps_total",]) == (1, 1)
    assert found["automl_alias_not_followed",] == 0
    info = next(key for key in found if key[0] == "automl_model_info")
    assert info == (
        "automl_model_info", "champion", "boards", "CPUExecutionProvider", held.current.sha256, "2"
    )  # fmt: skip
    assert found["process_resident_memory_bytes",] > 0
