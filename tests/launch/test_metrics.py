"""The dashboard of launch/grafana: well-formed, of metrics that exist; and, with a real Prometheus, full of data."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from automl.cluster.metrics import COUNTERS, EXPORTED_PREFIX, GAUGES, REPEAT_SECONDS
from automl.storage.journal import Journal
from automl.study import State
from automl.trainers import registration
from tests import tiny_trainer
from tests.builders import METRIC
from tests.free_port import free_port

ROOT = Path(__file__).resolve().parents[2]
BOARD = ROOT / "launch" / "grafana" / "studies.json"
CONFIGURATION = ROOT / "launch" / "prometheus.yml"
PATH = f"{os.environ['PATH']}:{ROOT / 'build/prometheus/usr/bin'}"
PROMETHEUS, PROMTOOL = shutil.which("prometheus", path=PATH), shutil.which("promtool", path=PATH)
COLUMNS = 24
WINDOW = "60s"
"""In place of Grafana's own interval, which is four scrapes: a busy machine misses some."""
OF_GPUS = "ray_node_g"
TRIALS, EPOCHS = 4, 4
DESCRIPTION = {
    "name": "watched", "model": tiny_trainer.MODEL, "budget": {"trials": TRIALS},
    "ladder": {"min_epochs": 2, "max_epochs": EPOCHS},
    "space": {"lr0": {"low": 0.001, "high": 0.1, "default": 0.01, "log": True}},
    "train": {"optimizer": "SGD", "imgsz": 32, "batch": 8, "epoch_seconds": 1.5},
    "confirm": {"seeds": 2}, "export": {"engine": "none", "end_to_end": False}, "resources": {"concurrent": 2},
}  # fmt: skip


def board() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(BOARD.read_text())
    return found


def expressions() -> list[str]:
    """Return the queries of all panels, with Grafana's variables filled in."""
    found = [target["expr"] for panel in board()["panels"] for target in panel["targets"]]
    return [expr.replace("$study", ".+").replace("$__rate_interval", WINDOW) for expr in found]


def test_the_dashboard_is_one_that_grafana_imports() -> None:
    found = board()
    assert found["schemaVersion"] >= 39
    assert found["title"]
    assert re.fullmatch(r"[\w-]{1,40}", found["uid"])
    names = [variable["name"] for variable in found["templating"]["list"]]
    assert names == ["datasource", "study"]
    assert found["templating"]["list"][0]["type"] == "datasource"
    assert len({panel["id"] for panel in found["panels"]}) == len(found["panels"])
    for panel in found["panels"]:
        assert panel["type"] in {"timeseries", "stat", "bargauge"}
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]) > 0
        for source in (panel, *panel["targets"]):
            assert source["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_its_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in board()["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= COLUMNS
        assert not cells & taken
        taken |= cells


def test_it_shows_every_metric_and_no_other() -> None:
    counters = {f"{EXPORTED_PREFIX}{name}_total" for name in COUNTERS}
    ours = {f"{EXPORTED_PREFIX}{name}" for name in GAUGES} | counters
    assert set(re.findall(rf"{EXPORTED_PREFIX}\w+", " ".join(expressions()))) == ours


RECORDED = {
    'ray_automl_trainings{study="s",kind="trial",state="COMPLETED",WorkerId="a"}': 3,
    'ray_automl_trainings{study="s",kind="trial",state="COMPLETED",WorkerId="b"}': 4,
    'ray_automl_trainings{study="s",kind="trial",state="PRUNED",WorkerId="b"}': 5,
    'ray_automl_trainings_asked{study="s",kind="trial",WorkerId="a"}': 12,
    'ray_automl_trainings_asked{study="s",kind="trial",WorkerId="b"}': 12,
    'ray_node_gpus_utilization{ip="10.0.0.1",GpuIndex="0",GpuDeviceName="NVIDIA H200",GpuUuid="u"}': 70,
    'ray_node_gram_used{ip="10.0.0.1",GpuIndex="0",GpuDeviceName="NVIDIA H200",GpuUuid="u"}': 30,
    'ray_node_gram_available{ip="10.0.0.1",GpuIndex="0",GpuDeviceName="NVIDIA H200",GpuUuid="u"}': 90,
}
"""Series with the labels of Ray: a study while it resumes, whose old driver `a` has not gone stale, and a GPU."""
SHOWN = {
    "Progress": ('{study="s", kind="trial"}', 0.75),
    "GPU use": ('{ip="10.0.0.1", GpuIndex="0", GpuDeviceName="NVIDIA H200"}', 70),
    "GPU memory": ('{ip="10.0.0.1", GpuIndex="0"}', 0.25),
}


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed: make prometheus")
def test_what_a_panel_shows_while_a_study_resumes_and_of_a_gpu(tmp_path: Path) -> None:
    queries = {panel["title"]: query for panel, query in zip(board()["panels"], expressions(), strict=True)}
    told = [
        {"expr": queries[title], "eval_time": "1m", "exp_samples": [{"labels": labels, "value": value}]}
        for title, (labels, value) in SHOWN.items()
    ]
    series = [{"series": name, "values": f"{value}x6"} for name, value in RECORDED.items()]
    test = {"interval": "10s", "input_series": series, "promql_expr_test": told}
    (tmp_path / "test.yml").write_text(yaml.safe_dump({"rule_files": [], "tests": [test]}))
    command = [str(PROMTOOL), "test", "rules", str(tmp_path / "test.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def times(series: list[dict[str, Any]]) -> list[float]:
    """Return the times of all samples."""
    return sorted({float(at) for one in series for at, _ in one["values"]})


@dataclass
class Prometheus:
    """A real Prometheus that scrapes the clusters below a temporary folder of Ray."""

    url: str

    def ask(self, call: str, **values: str) -> Any:
        asked = f"{self.url}/api/v1/{call}?{urllib.parse.urlencode(values)}"
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=120) as response:
            return json.loads(response.read())["data"]

    def series(self, expr: str, *, since: float) -> list[dict[str, Any]]:
        """Return the series of an expression over the run; an invalid one is an HTTP error."""
        found = self.ask("query_range", query=expr, start=str(since), end=str(time.time()), step="2")
        return list(found["result"])


@pytest.fixture(scope="module")
def short_folder() -> Iterator[Path]:
    """Ray's sockets must have short paths."""
    folder = Path(tempfile.mkdtemp(prefix="am-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def prometheus(short_folder: Path) -> Iterator[Prometheus]:
    if PROMETHEUS is None:
        pytest.skip("prometheus is not installed: make prometheus")
    plain = yaml.safe_load(CONFIGURATION.read_text())
    plain["global"]["scrape_interval"] = "2s"
    (discovery,) = plain["scrape_configs"][0]["file_sd_configs"]
    first = discovery["files"][0].removeprefix("/tmp/")
    discovery |= {"files": [str(short_folder / first)], "refresh_interval": "1s"}
    configuration, port = short_folder / "prometheus.yml", free_port()
    configuration.write_text(yaml.safe_dump(plain))
    command = [
        PROMETHEUS, "--config.file", str(configuration), "--storage.tsdb.path", str(short_folder / "tsdb"),
        "--web.listen-address", f"127.0.0.1:{port}",
    ]  # fmt: skip
    with (short_folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield Prometheus(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait()


def run_study(folder: Path, data: Path) -> Path:
    """Run a tiny study on an embedded Ray of its own, which reports every second; return its folder."""
    (folder / "study.yaml").write_text(yaml.safe_dump(DESCRIPTION | {"data": str(data)}))
    environment = {
        **os.environ, "HOME": str(folder), "AUTOML_STORAGE": str(folder), "RAY_TMPDIR": str(folder),
        "AUTOML_DASHBOARD": "1", "RAY_metrics_report_interval_ms": "1000", "PYTHONPATH": str(ROOT),
        registration.CHOSEN: tiny_trainer.registered(),
    }  # fmt: skip
    command = [sys.executable, str(ROOT / "automl" / "search.py"), str(folder / "study.yaml")]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "runs" / "watched"


@pytest.mark.ray
@pytest.mark.slow
def test_every_query_of_the_dashboard_returns_data_of_a_real_study(
    prometheus: Prometheus, short_folder: Path, data: Path
) -> None:
    began = time.time()
    study = run_study(short_folder, data)

    for expr in expressions():
        found = prometheus.series(expr, since=began)
        assert found or OF_GPUS in expr, expr
    variable = re.fullmatch(r"label_values\((\w+), (\w+)\)", board()["templating"]["list"][1]["definition"])
    assert variable is not None
    metric, label = variable.groups()
    assert prometheus.ask(f"label/{label}/values", **{"match[]": metric}) == ["watched"]

    def most(expr: str) -> float:
        return max(float(value) for one in prometheus.series(expr, since=began) for _, value in one["values"])

    trials = Journal.read(study, metric=METRIC).trials()
    assert most('ray_automl_trainings_asked{kind="trial"}') == TRIALS
    assert most('ray_automl_trainings{state="RUNNING",kind="trial"}') == 2
    assert 1 <= most("ray_automl_trainings_queued") <= TRIALS  # the first scrape may come after the first trials start
    completed = sum(trial.state is State.COMPLETED for trial in trials)
    assert most('ray_automl_trainings{state="COMPLETED",kind="trial"}') == completed
    best = max(value for trial in trials if (value := trial.best(METRIC)) is not None)
    assert most("ray_automl_best_objective_ratio") == pytest.approx(best)
    assert most('ray_automl_epochs_total{kind="trial"}') == sum(trial.epoch for trial in trials)
    epochs = prometheus.series('ray_automl_epochs_total{kind="trial"}', since=began)
    values = [float(value) for one in epochs for _, value in one["values"]]
    assert all(before <= after for before, after in pairwise(values))
    # Gauges stay while nothing sets them: those of trials are exported during the confirmation.
    confirming = times(prometheus.series('ray_automl_trainings{kind="retraining",state="RUNNING"} > 0', since=began))
    last = times(prometheus.series('ray_automl_trainings{kind="trial"}', since=began))[-1]
    assert last >= confirming[-1] - 2 * REPEAT_SECONDS  # each is set again so often, not in the same moment
    labels = {label for one in prometheus.series('{__name__=~"ray_automl_.*"}', since=began) for label in one["metric"]}
    assert {"study", "kind", "state", "cause", "objective"} <= labels
    assert not {"trial", "number"} & labels
