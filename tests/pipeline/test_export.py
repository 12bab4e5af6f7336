"""Which model ships and what it is worth, with a real registry, files of weights and a stand-in for the cluster."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automl import cluster
from automl.pipeline import export
from automl.pipeline.session import Session
from automl.release import parity
from automl.storage import job_file, outage
from automl.storage.curves_file import write_curves
from automl.storage.detections import ImageStats
from automl.storage.layout import ONNX_STATS, TORCH_STATS, trial_folder
from automl.study import Ending, Job, Params, Trial
from automl.study.errors import DataAwayError, StudyError
from automl.study.text import trial_name
from tests.builders import METRIC, completed, curve, measurement, pruned
from tests.conftest import job_at
from tests.release.test_publish import SPEC, session_at

SLOTS = cluster.Slots(cpus=1.0, gpus=0.0, concurrent=2)
OTHER: Params = {"lr0": 0.02, "optimizer": "SGD"}
TRIALS = [
    completed(0, [0.40]),
    completed(1, [0.43], params=OTHER),
    replace(completed(2, [0.9], params=OTHER), measurements=(replace(measurement(1, 0.9), changed="batch halved"),)),
    pruned(3, [0.95], params=OTHER),
]


def stats(rate: float, images: int = 30) -> ImageStats:
    """Return a model that finds the one object of an image with a given rate."""
    hit = np.arange(images) < rate * images
    index = np.arange(images, dtype=np.int64)
    return ImageStats(
        image=index, tp=np.repeat(hit[:, None], 10, axis=1), conf=np.linspace(0.9, 0.1, images),
        kind=np.zeros(images, np.int64), truth_image=index, truth_kind=np.zeros(images, np.int64), images=images,
        names=tuple(f"{number:03d}.jpg" for number in range(images)),
    )  # fmt: skip


def trial_weights(session: Session, trial: Trial) -> Path:
    folder = session.folder / "trials" / trial_name(trial, SPEC.model)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "best.pt").write_text(f"trial {trial.number}")
    job_file.write(job_at(folder, Path("data.yaml")))
    return folder / "best.pt"


def retrained(session: Session, name: str, on_val: float, *, judged: float | None) -> tuple[str, Job]:
    folder = session.folder / "confirm" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "best.pt").write_text(name)
    job = replace(job_at(folder, Path("data.yaml")), split="test")
    job_file.write(job)
    write_curves(folder, curve([on_val]))
    ending = Ending(final=replace(measurement(1, 0.5), metrics={"test/map50_95": 0.5})) if judged else Ending(cause="x")
    session.journal.note(f"confirm:{name}", ending.to_dict())
    if judged:
        stats(judged).save(folder / "judged.npz")
    return name, job


def test_of_all_models_trained_whole_the_best_on_val_ships(tmp_path: Path) -> None:
    session = session_at(tmp_path)
    for trial in TRIALS:
        trial_weights(session, trial)
    jobs = dict(
        [
            retrained(session, "default_seed1000000", 0.44, judged=0.5),
            retrained(session, "trial1_seed1000000", 0.42, judged=0.6),
            retrained(session, "trial1_seed1000001", 0.99, judged=None),
        ]
    )

    chosen = export.choose(session, TRIALS, jobs)

    folders = {trial.number: trial_folder(session.folder, trial, SPEC.model) for trial in TRIALS}
    found = export.candidates(TRIALS, jobs, notes=session.journal.notes(), folders=folders, metric=METRIC)
    names = {one.name: one.side for one in found}
    assert names == {
        "trial 0": "default", "trial 1": "trial1", "default_seed1000000": "default", "trial1_seed1000000": "trial1",
    }  # fmt: skip
    assert (chosen.name, chosen.on_val) == ("default_seed1000000", 0.44)
    assert export.params_of(chosen, TRIALS) == TRIALS[0].params
    told = (session.folder / "study.log").read_text()
    assert "models to choose from: 4; the best on val: default_seed1000000 0.4400" in told


def test_a_trial_of_the_search_may_ship_and_one_whose_weights_are_gone_may_not(tmp_path: Path) -> None:
    session = session_at(tmp_path)
    for trial in TRIALS:
        trial_weights(session, trial)
    assert export.choose(session, TRIALS, {}).name == "trial 1"

    trial_weights(session, TRIALS[1]).unlink()

    assert export.choose(session, TRIALS, {}).name == "trial 0"


def test_where_no_training_was_whole_the_best_one_ships_and_that_is_said(tmp_path: Path) -> None:
    session, trials = session_at(tmp_path), [pruned(0, [0.1]), pruned(1, [0.2], params=OTHER)]
    with pytest.raises(StudyError, match="must be the weights of trial 1, but was deleted"):
        export.choose(session, trials, {})
    trial_weights(session, trials[1])
    assert export.choose(session, trials, {}).name == "trial 1"
    assert (
        "no model was trained to the last epoch; trial 1 is the best of those trained longest"
        in (session.folder / "study.log").read_text()
    )


def measuring(asked: list[Path], rate: float = 0.3) -> Callable[..., Any]:
    """Return a stand-in for a worker that measures: it notes what it was asked for."""

    def score(weights: Path, _job: Job, *, keep: Path) -> dict[str, float]:
        asked.append(weights)
        stats(rate).save(keep)
        return {"test/map50_95": rate}

    return score


def exported(session: Session, rate: float) -> None:
    for name in (ONNX_STATS, TORCH_STATS):
        stats(rate).save(session.folder / "export" / name)


def local(work: Callable[..., Any], arguments: tuple[Any, ...], _slots: object) -> Any:
    return work(*arguments)


@pytest.mark.slow
def test_a_model_is_compared_with_every_model_of_the_baseline_and_with_the_champion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = session_at(tmp_path)
    asked: list[Path] = []
    monkeypatch.setattr(cluster, "call", local)
    monkeypatch.setattr(parity, "score", measuring(asked))
    jobs = dict(
        [
            retrained(session, "default_seed1000000", 0.44, judged=0.5),
            retrained(session, "default_seed1000001", 0.43, judged=0.4),
            retrained(session, "trial1_seed1000000", 0.50, judged=0.9),
        ]
    )
    exported(session, 0.9)
    chosen = export.choose(session, TRIALS, jobs)
    alone = export.worth(session, chosen, TRIALS, jobs, SLOTS)
    assert (alone.images, alone.baselines, alone.over_champion, alone.champion, asked) == (30, 2, None, 0, [])
    assert alone.over_baseline
    assert 0 < alone.over_baseline.low < alone.over_baseline.value < alone.over_baseline.high

    registry = session.place.registry(SPEC.champion_name)
    files = {name: chosen.weights.parent / name for name in ("best.pt", "params.yaml")}
    (tmp_path / "champion.pt").write_text("another")
    onnx = tmp_path / "model.onnx"
    onnx.write_text("onnx")
    number = registry.publish(files | {"best.pt": tmp_path / "champion.pt", "model.onnx": onnx}, {})
    registry.promote(number, why="first")

    against = export.worth(session, chosen, TRIALS, jobs, SLOTS)

    assert [path.name for path in asked] == ["model.onnx"]
    assert against.champion == number
    assert against.over_champion
    assert against.over_champion.lower > 0
    assert export.over_champion(session, chosen.weights, SLOTS) == (number, against.over_champion)
    assert "the serving champion scores 0.3000" in (session.folder / "study.log").read_text()


def test_a_model_that_serves_already_is_not_compared_with_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = session_at(tmp_path)
    monkeypatch.setattr(cluster, "call", local)
    jobs = dict([retrained(session, "default_seed1000000", 0.44, judged=0.5)])
    exported(session, 0.5)
    chosen = export.choose(session, TRIALS, jobs)
    registry = session.place.registry(SPEC.champion_name)
    registry.promote(registry.publish({"best.pt": chosen.weights}, {}), why="first")
    worth = export.worth(session, chosen, TRIALS, jobs, SLOTS)
    assert (worth.over_champion, worth.champion) == (None, 1)


def test_without_re_trainings_trial_0_is_measured_for_the_comparison(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = session_at(tmp_path)
    asked: list[Path] = []
    monkeypatch.setattr(cluster, "call", local)
    monkeypatch.setattr(parity, "score", measuring(asked))
    exported(session, 0.9)
    for trial in TRIALS:
        trial_weights(session, trial)

    found = export.worth(session, export.choose(session, TRIALS, {}), TRIALS, {}, SLOTS)

    assert (found.baselines, [path.parent.name for path in asked]) == (1, [trial_name(TRIALS[0], SPEC.model)])
    assert found.over_baseline
    lost = [pruned(0, [0.1]), TRIALS[1]]
    assert export.worth(session, export.choose(session, lost, {}), lost, {}, SLOTS).over_baseline is None


def test_a_baseline_whose_detections_were_not_kept_is_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = session_at(tmp_path)
    asked: list[Path] = []
    monkeypatch.setattr(cluster, "call", local)
    monkeypatch.setattr(parity, "score", measuring(asked))
    jobs = dict([retrained(session, "default_seed1000000", 0.44, judged=0.5)])
    (jobs["default_seed1000000"].folder / "judged.npz").unlink()
    exported(session, 0.9)
    export.worth(session, export.choose(session, TRIALS, jobs), TRIALS, jobs, SLOTS)
    assert len(asked) == 1


@pytest.mark.slow
def test_a_model_is_measured_again_when_its_images_are_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = session_at(tmp_path)
    asked: list[Path] = []
    calls: list[int] = []

    def away_at_first(work: Callable[..., Any], arguments: tuple[Any, ...], _slots: object) -> Any:
        calls.append(len(calls))
        if len(calls) == 1:
            raise DataAwayError("3 staged images lead nowhere")
        return work(*arguments)

    monkeypatch.setattr(cluster, "call", away_at_first)
    monkeypatch.setattr(parity, "score", measuring(asked))
    jobs = dict([retrained(session, "default_seed1000000", 0.44, judged=0.5)])
    (jobs["default_seed1000000"].folder / "judged.npz").unlink()
    exported(session, 0.9)
    said: list[str] = []
    with outage.retries_enabled(outage.RetrySettings(said.append)):
        export.worth(session, export.choose(session, TRIALS, jobs), TRIALS, jobs, SLOTS)
    assert (len(calls), len(asked)) == (2, 1)
    assert said[0] == "data: 3 staged images lead nowhere; the evaluation waits until the data set is back"
