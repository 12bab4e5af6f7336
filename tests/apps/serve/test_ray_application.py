"""The service under Ray Serve: the same answers, and the alias is followed; launch/serve.yaml fits Ray's schema."""

import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest
import yaml

from automl.apps.serve import version
from automl.apps.serve.images import decode
from automl.apps.serve.thresholds import Thresholds
from automl.storage.registry import Registry
from automl.study.errors import StudyError
from tests import detectors
from tests.apps.predict.test_run import scene
from tests.free_port import free_port

REASON = "the extra [ray-serve] is not installed"
pytest.importorskip("ray.serve", reason=REASON, exc_type=ImportError)
pytest.importorskip("uvloop", reason=REASON)
FILE = Path(__file__).parents[3] / "launch" / "serve.yaml"
PICTURE = cv2.imencode(".png", scene((2, 1), (6, 5)))[1].tobytes()


def test_the_launch_file_fits_the_schema_and_names_arguments_that_are_known() -> None:
    from ray.serve.schema import ServeDeploySchema  # noqa: PLC0415

    from automl.apps.serve import ray_application  # noqa: PLC0415

    given = yaml.safe_load(FILE.read_text())
    found = ServeDeploySchema.model_validate(given)
    assert found.http_options.host == "127.0.0.1"
    (described,) = found.applications
    assert described.import_path == f"{ray_application.__name__}:application"
    assert set(described.args) == {"model", *ray_application.DEFAULTS}
    assert [one.name for one in described.deployments] == [ray_application.Replica.name]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("args", "law"),
    [({}, "args.model: must be MODEL"), ({"model": "a", "modle": "b"}, "args: must be model, .*, but got modle")],
)
def test_arguments_outside_the_law_are_told(args: dict[str, Any], law: str) -> None:
    from automl.apps.serve.ray_application import application  # noqa: PLC0415

    with pytest.raises(StudyError, match=law):
        application(args)


def post(port: int) -> tuple[Any, str | None]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/predict", PICTURE, {"host": "detector.example"})
    with urllib.request.urlopen(request, timeout=300) as answer:
        return json.loads(answer.read()), answer.headers["model-version"]


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return detectors.registered(tmp_path, 0.95, 0.6)


@pytest.fixture
def port(request: pytest.FixtureRequest, registry: Registry) -> Iterator[int]:
    from ray import serve  # noqa: PLC0415

    from automl.apps.serve.ray_application import application  # noqa: PLC0415

    request.getfixturevalue("dashboard")
    found = free_port()
    serve.start(http_options={"host": "127.0.0.1", "port": found})
    try:
        serve.run(application({"model": f"{registry.folder}@champion", "poll": 0.1}), route_prefix="/")
        yield found
    finally:
        serve.shutdown()


@pytest.mark.ray
def test_a_replica_answers_like_the_service_and_follows_the_alias(port: int, registry: Registry) -> None:
    expected = {
        number: version.load(registry, number).detector.detect(decode(PICTURE), Thresholds()) for number in (1, 2)
    }
    told, named = post(port)
    assert (told["version"], named, told["boxes"]) == (1, "1", expected[1])
    registry.promote(2, why="better")
    end = time.monotonic() + 300
    while told["version"] == 1 and time.monotonic() < end:
        told, named = post(port)
    assert (told["version"], named, told["boxes"]) == (2, "2", expected[2])
