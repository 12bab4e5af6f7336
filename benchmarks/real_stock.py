"""The child process of `real_sides.py`: one stock search, one plain training, or a winner judged on the test split.

Ray and Ultralytics are imported when used: what the environment tells them must be in place before.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.real_sides import KEPT_PLAIN, METRIC, PLAIN, STOCK, STOCK_DEFAULTS, TEST, Order

MOST_CORES: Final = 2


def _two_cores() -> None:
    """Let Ultralytics give a trial one thread and one CPU: it takes one less than the machine has cores."""
    if (os.cpu_count() or 1) > MOST_CORES:
        os.cpu_count = lambda: MOST_CORES


def _stock(order: Order) -> None:
    """Search as Ultralytics does: its own call, on a Ray of its own."""
    _two_cores()
    import ray
    from ray import tune
    from ultralytics import YOLO, settings

    ray.init(address="local", num_cpus=order.concurrent, runtime_env={"worker_process_setup_hook": _two_cores})
    # Its Ray callback stays on: without it ASHA would see one result a trial.
    settings.update(
        {"sync": False} | dict.fromkeys(("clearml", "comet", "dvc", "mlflow", "tensorboard", "wandb"), False)
    )
    space = {name: _domain(tune, part) for name, part in order.space.items()}
    more = {"search_alg": _defaults_first(order)} if order.side == STOCK_DEFAULTS else {}
    YOLO(order.model, task="detect").tune(
        use_ray=True, space=space, grace_period=order.min_epochs, iterations=order.trials, data=order.data,
        epochs=order.epochs, seed=order.seed, device="cpu", workers=0, plots=False, verbose=False,
        project=order.folder, name=STOCK, **order.train, **more,
    )  # fmt: skip


def _domain(tune: Any, part: Mapping[str, Any]) -> Any:  # noqa: ANN401
    if "choices" in part:
        return tune.choice(part["choices"])
    return (tune.loguniform if part.get("log") else tune.uniform)(part["low"], part["high"])


def _defaults_first(order: Order) -> Any:  # noqa: ANN401
    """Return stock's own searcher, told to try the default params first."""
    from optuna.samplers import TPESampler
    from ray.tune.search.optuna import OptunaSearch

    sampler = TPESampler(multivariate=True, constant_liar=True)
    defaults = {name: part["default"] for name, part in order.space.items()}
    return OptunaSearch(sampler=sampler, metric=METRIC, mode="max", points_to_evaluate=[defaults])


def _plain(order: Order) -> None:
    """Train as `yolo train` does; what it shares with a search is image size, batch, epochs, seed and device."""
    from automl.trainers.yolo.vendor import ultralytics

    kept = {name: order.train[name] for name in KEPT_PLAIN}
    ultralytics().YOLO(order.model, task="detect").train(
        data=order.data, epochs=order.epochs, seed=order.seed, device="cpu", workers=0, plots=False, verbose=False,
        project=order.folder, name=PLAIN, **kept,
    )  # fmt: skip


def _test(weights: str, order: Order) -> None:
    from automl.trainers.yolo.vendor import ultralytics

    model = ultralytics().YOLO(weights, task="detect")
    kept = {name: order.train[name] for name in ("imgsz", "batch")}
    found = model.val(
        data=order.data, split="test", device="cpu", workers=0, plots=False, project=order.folder, name=TEST, **kept
    )
    print(found.results_dict[METRIC])


def _child(words: Sequence[str]) -> None:
    if words[0] == TEST:
        _test(words[1], Order(**json.loads(words[2])))
        return
    order = Order(**json.loads(Path(words[1]).read_text()))
    (_plain if words[0] == PLAIN else _stock)(order)


if __name__ == "__main__":
    _child(sys.argv[1:])
