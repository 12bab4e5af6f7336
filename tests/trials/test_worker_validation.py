"""Epochs that are not validated: no stale value, no zero, nowhere; and a real training that skips some."""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from automl.hpo.sampler import Sampler
from automl.hpo.selection import best_trial
from automl.storage import curves_file, layout
from automl.storage.epoch_details import EpochDetails
from automl.storage.journal import Journal
from automl.study import Ending, Job, Measurement, Score, State, Trial, load
from automl.study.errors import SpecError
from automl.study.spec_parts import ResourcesSpec
from automl.tracking import status
from automl.tracking.console import Progress
from automl.tracking.report import Language, figures
from automl.tracking.report.language import Words
from automl.tracking.tensorboard_writer import Board, BoardSettings
from automl.trainers import OnEpoch, yolo
from automl.trainers.yolo.vendor import ultralytics
from automl.trials import checkpoints, retrainings, worker
from automl.trials.job_clock import Elapsed
from tests.builders import METRIC, FakeRules, measurement, mixed_space, spec_of, trial_of, written
from tests.conftest import small_job_at as job_at
from tests.simulated_study import Clock, open_search, saturating, simulate
from tests.storage.test_journal import record, stock
from tests.study.test_load import TEXT
from tests.tracking.report.test_page import page_of
from tests.tracking.test_tensorboard_writer import read

SPACE = mixed_space()
NOTHING: Sequence[float | None] = [None, None]
LATE: Sequence[float | None] = [None, 0.4, None, 0.3, None]


class Killed(BaseException):
    """What the loss of its worker looks like to a trial."""


def skipped(epoch: int) -> Measurement:
    return Measurement(epoch, {"train/box_loss": 1.5, "lr/weights": 0.01}, seconds=1.0)


def sparse(number: int, values: Sequence[float | None], *, ending: Ending | None = None) -> Trial:
    """Return a trial that was not validated after the epochs of None."""
    found = (skipped(e) if v is None else measurement(e, v) for e, v in enumerate(values, start=1))
    return replace(trial_of(number, ending=ending), measurements=tuple(found))


def job_of(folder: Path, *, epochs: int, every: int, rungs: tuple[int, ...] = ()) -> Job:
    return Job(folder, 0, {}, 0, epochs, "m.yaml", "d.yaml", METRIC, {}, validate_every=every, rungs=rungs)


@pytest.mark.parametrize(
    ("every", "rungs", "epochs"),
    [(1, (), [1, 2, 3, 4, 5, 6, 7]), (3, (2,), [2, 3, 6, 7]), (3, (), [3, 6, 7]), (100, (2, 4), [2, 4, 7])],
)
def test_rungs_and_the_last_epoch_are_always_validated(
    tmp_path: Path, every: int, rungs: tuple[int, ...], epochs: list[int]
) -> None:
    job = job_of(tmp_path, epochs=7, every=every, rungs=rungs)
    assert [epoch for epoch in range(1, 8) if job.validates(epoch)] == epochs


@pytest.mark.parametrize(
    ("value", "law"), [(0, "greater than or equal to 1"), (-3, "greater"), (1.5, "a whole number")]
)
def test_a_rhythm_of_less_than_an_epoch_is_refused(tmp_path: Path, value: float, law: str) -> None:
    path = written(tmp_path, "spec.yaml", TEXT)
    with pytest.raises(SpecError, match=rf"spec.yaml: ladder.validate_every: must be .*{law}.*, but got {value}"):
        load.load(path, rules=FakeRules(), overrides={"ladder.validate_every": value})


def test_a_job_of_a_study_validates_as_described_and_a_re_training_always(tmp_path: Path) -> None:
    spec = spec_of(ladder={"min_epochs": 2, "max_epochs": 6, "validate_every": 4})
    job = open_search(tmp_path, spec).job(trial_of(0))
    sides = {"trial1": {"lr0": 0.1}, "default": {"lr0": 0.2}}
    again = retrainings.plan(job, sides, {"trial1": [0, 1], "default": [0]}).values()
    assert [epoch for epoch in range(1, 7) if job.validates(epoch)] == [2, 4, 6]
    assert all(one.validates(epoch) for one in again for epoch in range(1, 7))


@pytest.mark.parametrize(
    ("values", "best"), [(NOTHING, [None, None]), (LATE, [None, 0.4, 0.4, 0.4, 0.4]), ([-1.0, None], [-1.0, -1.0])]
)
def test_the_best_value_is_that_of_a_validated_epoch(values: Sequence[float | None], best: list[float | None]) -> None:
    found = sparse(0, values)
    assert [found.best(METRIC, until=epoch) for epoch in range(1, len(values) + 1)] == best
    assert found.epoch == len(values)


def test_curves_have_an_empty_cell_where_nothing_was_measured(tmp_path: Path) -> None:
    curves = sparse(0, LATE).measurements
    curves_file.write_curves(tmp_path, curves)
    head, first, *_ = (tmp_path / layout.CURVES).read_text().splitlines()
    cells = dict(zip(head.split(","), first.split(","), strict=True))
    assert (cells[METRIC], cells["val/loss"], cells["train/box_loss"]) == ("", "", "1.5")
    assert curves_file.read_curves(tmp_path) == curves


def test_the_best_epoch_is_a_validated_one() -> None:
    assert checkpoints.best_epoch(sparse(0, LATE).measurements, METRIC) == 2
    assert checkpoints.best_epoch(sparse(0, NOTHING).measurements, METRIC) == 0


def test_a_journal_gives_back_every_epoch_and_optuna_only_what_was_measured(tmp_path: Path) -> None:
    trials = [
        sparse(0, LATE, ending=Ending(pruned="budget.hours 1 spent")),
        sparse(1, NOTHING, ending=Ending(pruned="budget.hours 1 spent")),
        sparse(2, LATE),
    ]
    journal = Journal.create(tmp_path, name="small", metric=METRIC)
    for found in trials:
        record(journal, found)
    before = (tmp_path / "journal.log").read_bytes()
    for told in trials[2].measurements:
        journal.measured(2, told)
    assert (tmp_path / "journal.log").read_bytes() == before
    assert Journal.read(tmp_path, metric=METRIC).trials() == journal.trials() == trials
    assert [frozen.intermediate_values for frozen in stock(tmp_path).trials] == [{2: 0.4, 4: 0.3}, {}, {2: 0.4, 4: 0.3}]
    assert [frozen.value for frozen in stock(tmp_path).trials] == [0.3, None, None]


def test_tensorboard_has_a_point_where_something_was_measured(tmp_path: Path) -> None:
    board, found = Board(tmp_path, SPACE, BoardSettings(metric=METRIC)), sparse(0, LATE)
    (folder := tmp_path / "0000").mkdir()
    board.on_start(replace(found, measurements=()), folder)
    for count in range(1, 6):
        board.on_measurement(replace(found, measurements=found.measurements[:count]))
    board.close()
    board.on_start(found, folder)
    board.close()
    shown = read(folder).scalars
    assert shown[METRIC] == [(2, 0.4), (4, 0.3)]
    assert shown["best/map50_95"] == [(2, 0.4), (4, 0.4)]
    assert [epoch for epoch, _ in shown["train/box_loss"]] == [1, 3, 5, 5]


def test_a_report_draws_measured_points_at_their_epochs(tmp_path: Path) -> None:
    trials = [sparse(0, LATE), sparse(1, NOTHING, ending=Ending(cause="lost")), sparse(2, [None, None, 0.2])]
    _, words = page_of(tmp_path, trials)
    lines: list[Any] = list(
        figures.curves(trials, spec_of().ladder.rungs, metric=METRIC, objective="map50_95", words=Words(Language.EN))
        .axes[0]
        .lines
    )
    points = {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in lines}
    assert "trial 0" in words
    assert points["baseline"] == ([2, 4], [0.4, 0.3])
    assert page_of(tmp_path, [sparse(0, NOTHING)])[0].count("<svg") == 2


def test_a_table_shows_the_epoch_and_the_best_so_far() -> None:
    view = status.of_trials(spec_of(), [sparse(0, LATE), sparse(1, NOTHING)], elapsed=Elapsed())
    assert [list(row[1:4]) for row in view.rows] == [["RUNNING", "5/6", "0.4000"], ["PAUSED", "2/6", ""]]


@pytest.mark.slow
def test_a_resumed_sampler_invents_no_value_for_an_epoch_before_the_first_validation() -> None:
    lived, resumed = (Sampler(SPACE, seed=1, metric=METRIC, max_epochs=6) for _ in range(2))
    endings = [Ending(final=measurement(5, 0.4)), Ending(pruned="low"), Ending(pruned="spent")]
    for number in range(12):
        params, _ = lived.draw()
        values = [LATE, [None, -0.1 * number], NOTHING][number % 3]
        found = replace(sparse(number, values, ending=endings[number % 3]), params=params)
        lived.add(replace(found, measurements=(), ending=None))
        for epoch in range(1, found.epoch + 1):
            lived.observe(replace(found, measurements=found.measurements[:epoch], ending=None))
        lived.tell(found)
        resumed.add(found)
    assert lived.draw() == resumed.draw()


@pytest.mark.slow
def test_a_study_that_validates_seldom_judges_at_its_rungs_and_goes_on_after_a_cut(tmp_path: Path) -> None:
    spec = spec_of(budget={"trials": 12}, ladder={"min_epochs": 3, "max_epochs": 9, "validate_every": 4})
    whole = open_search(tmp_path, spec, workers=2)
    simulate(whole, saturating, clock=Clock())
    path = tmp_path / "journal.log"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source = open_search(tmp_path, spec, workers=2)
    simulate(source, saturating, clock=Clock())
    assert source.finished
    for found in source.trials:
        assert [m.epoch for m in found.measurements] == list(range(1, found.epoch + 1))
        validated = [m.epoch for m in found.measurements if METRIC in m.metrics]
        assert validated == [epoch for epoch in (3, 4, 8, 9) if epoch <= found.epoch]
    stopped = [found for found in source.trials if found.state is State.PRUNED]
    assert stopped
    assert {found.epoch for found in stopped} == {3}


def test_a_budget_spent_before_the_first_validation_leaves_a_study_without_a_value(tmp_path: Path) -> None:
    spec = spec_of(budget={"trials": 9, "hours": 0.001}, ladder={"min_epochs": 6, "max_epochs": 6, "validate_every": 6})
    clock = Clock()
    source = open_search(tmp_path, spec, clock=clock)
    simulate(source, saturating, clock=clock)
    assert [(found.state, found.best(METRIC)) for found in source.trials] == [(State.PRUNED, None)]
    assert best_trial(source.trials, METRIC).number == 0


def test_a_re_training_is_chosen_by_what_was_measured(tmp_path: Path) -> None:
    found = []
    for seed, values in enumerate(("0.1,", ",0.8", ",")):
        first, last = values.split(",")
        text = f"epoch,seconds,lr/weights,{METRIC}\n1,2.0,0.9,{first}\n2,2.0,0.9,{last}\n"
        weights = written(tmp_path / str(seed), layout.CURVES, text).with_name("best.pt")
        found.append(retrainings.on_val(Score(seed, 0.5, {}, weights), metric=METRIC))
    assert found == [0.1, 0.8, 0.0]


def test_a_table_of_re_trainings_keeps_the_best_over_an_epoch_without_a_value(tmp_path: Path) -> None:
    jobs = retrainings.plan(job_of(tmp_path, epochs=6, every=1), {"default": {}}, {"default": [0]})
    progress = Progress(tmp_path / "study.log", console=Console(quiet=True))
    source = retrainings.Retrainings(
        deque(jobs.values()), {0: "default"}, 1, progress, ResourcesSpec(), lambda _job, _ending: None
    )
    source.next_job()
    for found in sparse(0, LATE).measurements:
        source.measured(0, found, node="n")
    assert list(source.view().rows[0]) == ["default", "RUNNING", "5/6", "0.4000"]


def test_the_vendors_best_weights_are_those_of_a_validated_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bytes | None] = []

    def train(_job: Job, place: Path, *, state: Path | None, on_epoch: OnEpoch) -> dict[str, float]:  # noqa: ARG001
        best = place / "weights" / "best.pt"
        for found in sparse(0, LATE).measurements:
            for path in (best, best.with_name("last.pt")):  # a vendor that takes every epoch for its best
                path.write_bytes(b"%d" % found.epoch)
            on_epoch(found, best.with_name("last.pt"), best.with_name("last.pt"), EpochDetails())
            seen.append(best.read_bytes() if best.is_file() else None)
        return {METRIC: 0.4}

    monkeypatch.setattr(yolo, "train", train)
    ending = worker.run(job_of(tmp_path, epochs=5, every=2), lambda _measurement: None)
    assert ending.state is State.COMPLETED, ending.cause
    assert seen == [None, b"2", b"2", b"2", b"2"]
    assert ((tmp_path / "best.pt").read_bytes(), (tmp_path / "last.pt").read_bytes()) == (b"2", b"5")


@pytest.mark.parametrize("values", [[None, None, 0.5], [None, 0.5], [None]])
def test_a_trial_killed_before_its_best_weights_were_kept_makes_them_from_the_last(
    tmp_path: Path, values: Sequence[float | None]
) -> None:
    folder = checkpoints.Folder(job_of(tmp_path, epochs=3, every=5))
    last = written(tmp_path / "scratch", "last.pt", "last")
    assert checkpoints.repair_best(folder, sparse(0, values).measurements, unpack=lambda: last) == 1
    assert (tmp_path / "best.pt").is_file() is (values[-1] is not None)


@pytest.mark.yolo
def test_a_real_training_validates_only_when_asked_and_resumes_between(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendors = ultralytics().YOLO("yolo11n.yaml").task_map["detect"]["validator"]
    validated: list[int] = []
    original = vendors.__call__

    def counted(validator: Any, trainer: Any = None, *more: Any, **named: Any) -> Any:
        validated.append(trainer.epoch + 1 if trainer else 0)
        return original(validator, trainer, *more, **named)

    monkeypatch.setattr(vendors, "__call__", counted)
    job = replace(job_at(tmp_path, data, epochs=7), validate_every=3, rungs=(2,))

    def killed_at_5(found: Measurement) -> None:
        if found.epoch == 5:
            raise Killed

    with pytest.raises(Killed):
        worker.run(job, killed_at_5)
    last = torch.load(tmp_path / "last.pt", weights_only=True)
    assert yolo.epochs_done(tmp_path / "last.pt") == last["epoch"] == 5
    assert last["best_fitness"] is not None
    assert torch.load(tmp_path / "best.pt", weights_only=False)["epoch"] + 1 in {2, 3}

    ending = worker.run(job, lambda _measurement: None)

    curves = curves_file.read_curves(tmp_path)
    assert ending.state is State.COMPLETED, ending.cause
    assert validated == [2, 3, 6, 7, 0]
    assert [m.epoch for m in curves if METRIC in m.metrics] == [2, 3, 6, 7]
    assert [m.epoch for m in curves if "val/loss" in m.metrics] == [2, 3, 6, 7]
    assert [m.epoch for m in curves if {"train/box_loss", "lr/weights"} <= set(m.metrics)] == [1, 2, 3, 4, 5, 6, 7]
