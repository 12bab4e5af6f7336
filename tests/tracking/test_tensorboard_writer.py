"""What TensorBoard reads back: the same tags in all trials, a row from the start, its end state when it is final."""

import errno
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.compat.proto.event_pb2 import SessionLog
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2

from automl.storage import epoch_details
from automl.storage.epoch_details import EpochDetails
from automl.study import Ending, Params, Trial
from automl.study.space import Alternatives, Choice, Integer, Real, SearchSpace
from automl.tracking.tensorboard_writer import Board, BoardSettings
from tests.builders import METRIC, curve, measurement, mixed_space, rates_space, space_of, trial_of
from tests.tracking.test_event_budget import steps_of

PICTURE = b"\x89PNG" + bytes(12) + (8).to_bytes(4, "big") * 2
TAGS = {METRIC, "val/map50", "val/loss", "time/seconds_per_epoch", "best/map50_95"}


@dataclass
class Events:
    """All that the event files of a folder hold."""

    scalars: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    hparams: dict[str, Any] = field(default_factory=dict)
    starts: list[int] = field(default_factory=list)


def read(folder: Path) -> Events:
    found = Events()
    for path in sorted(folder.glob("events.out.tfevents.*")):
        for event in EventFileLoader(str(path)).Load():
            if event.session_log.status == SessionLog.START:
                found.starts.append(event.step)
            for value in event.summary.value:
                take(found, event.step, value)
    return found


def take(found: Events, step: int, value: Any) -> None:
    plugin = value.metadata.plugin_data
    if plugin.plugin_name == "hparams":
        found.hparams[value.tag] = plugin_data_pb2.HParamsPluginData.FromString(plugin.content)
    elif plugin.plugin_name == "text":
        found.texts[value.tag] = value.tensor.string_val[0].decode()
    else:
        found.scalars.setdefault(value.tag, []).append((step, round(value.tensor.float_val[0], 4)))


def board_of(folder: Path, space: SearchSpace | None = None) -> Board:
    return Board(folder, space or mixed_space(), BoardSettings(metric=METRIC))


def shown(folder: Path, trial: Trial, ending: Ending | None = None, *, space: SearchSpace | None = None) -> Events:
    """Show a trial epoch by epoch and read its folder."""
    board = board_of(folder, space)
    place = folder / "trials" / f"{trial.number:04d}"
    place.mkdir(parents=True)
    board.on_start(Trial(trial.number, trial.params, seed=trial.seed), place)
    for count in range(1, len(trial.measurements) + 1):
        board.on_measurement(Trial(trial.number, trial.params, trial.seed, trial.measurements[:count]))
    if ending:
        board.on_end(trial, ending)
    board.close()
    return read(place)


def test_every_epoch_shows_every_metric_and_the_best_so_far(tmp_path: Path) -> None:
    found = shown(tmp_path, trial_of(0, [0.1, 0.4, 0.3])).scalars
    assert found.keys() == TAGS
    assert found[METRIC] == [(1, 0.1), (2, 0.4), (3, 0.3)]
    assert found["best/map50_95"] == [(1, 0.1), (2, 0.4), (3, 0.4)]
    assert found["time/seconds_per_epoch"] == [(1, 2.0), (2, 2.0), (3, 2.0)]


def test_a_trial_has_its_row_from_its_start(tmp_path: Path) -> None:
    board = board_of(tmp_path)
    folder = tmp_path / "0007"
    folder.mkdir()
    board.on_start(trial_of(7, params=mixed_space().defaults()), folder)
    start = read(folder).hparams["_hparams_/session_start_info"].session_start_info
    board.close()
    assert start.hparams["optimizer"].string_value == "SGD"
    assert start.hparams["lr0"].number_value == 0.01
    assert start.hparams["batch"].number_value == 16
    assert start.group_name == "0007"


def test_params_and_seed_are_readable_as_text(tmp_path: Path) -> None:
    board = Board(tmp_path, mixed_space(), BoardSettings(metric=METRIC, fixed={"batch": 8}, about={"code": "1a2b"}))
    board.on_start(trial_of(3, params={"lr0": 0.01}), tmp_path / "0003")
    board.close()
    texts = read(tmp_path / "0003").texts
    assert "| lr0 | 0.01 | searched |" in texts["params"]
    assert "| seed | 3 | by trial |" in texts["params"]
    assert "| code | 1a2b |" in texts["fingerprints"]


@pytest.mark.parametrize(
    ("ending", "outcome", "status", "told"),
    [
        (Ending(final=measurement(1, 0.5)), 1.0, api_pb2.STATUS_SUCCESS, "**COMPLETED**: reached the last epoch"),
        (Ending(pruned="rank 2 of 2"), 0.0, api_pb2.STATUS_SUCCESS, "**PRUNED**: rank 2 of 2"),
        (Ending(cause="out of memory"), -1.0, api_pb2.STATUS_FAILURE, "**FAILED**: out of memory"),
    ],
)
def test_an_ending_is_shown_when_it_is_final(
    tmp_path: Path, ending: Ending, outcome: float, status: int, told: str
) -> None:
    found = shown(tmp_path, trial_of(0, [0.5]), ending)
    assert found.scalars["trial/outcome"] == [(1, outcome)]
    end = found.hparams["_hparams_/session_end_info"].session_end_info
    assert (end.status, found.texts["ending"]) == (status, told)
    assert end.end_time_secs > 1e9


def test_a_trial_that_runs_has_no_end_state(tmp_path: Path) -> None:
    assert "_hparams_/session_end_info" not in shown(tmp_path, trial_of(0, [0.1])).hparams


def test_a_trial_that_failed_before_its_first_epoch_is_shown(tmp_path: Path) -> None:
    assert shown(tmp_path, trial_of(0), Ending(cause="x")).scalars == {"trial/outcome": [(0, -1.0)]}


def experiment(folder: Path) -> Any:
    return read(folder).hparams["_hparams_/experiment"].experiment


def test_the_study_s_root_holds_every_parameter_with_its_range(tmp_path: Path) -> None:
    board_of(tmp_path).close()
    infos = {info.name: info for info in experiment(tmp_path).hparam_infos}
    assert list(infos) == list(mixed_space().parameters)
    assert [value.string_value for value in infos["optimizer"].domain_discrete.values] == ["AdamW", "SGD"]
    lr0, batch = infos["lr0"].domain_interval, infos["batch"].domain_interval
    assert (lr0.min_value, lr0.max_value) == (1e-4, 0.1)
    assert (batch.min_value, batch.max_value) == (4, 64)
    assert infos["lr0"].type == api_pb2.DATA_TYPE_FLOAT64


def test_a_parameter_with_several_ranges_is_one_column_over_all_of_them(tmp_path: Path) -> None:
    sizes = Alternatives(
        (Integer(2, 8, 4, when={"optimizer": ("SGD",)}), Integer(4, 16, 8, when={"optimizer": ("AdamW",)}))
    )
    board_of(tmp_path, SearchSpace({**rates_space().parameters, "batch": sizes})).close()
    infos = {info.name: info for info in experiment(tmp_path).hparam_infos}
    lr0, batch = infos["lr0"].domain_interval, infos["batch"].domain_interval
    assert (lr0.min_value, lr0.max_value) == (1e-4, 0.05)
    assert (batch.min_value, batch.max_value) == (2, 16)


def test_the_metrics_of_the_table_are_tags_that_trials_show(tmp_path: Path) -> None:
    found = shown(tmp_path, trial_of(0, [0.1]), Ending(pruned="x"))
    wanted = {info.name.tag for info in experiment(tmp_path).metric_infos}
    assert wanted <= found.scalars.keys()
    assert {METRIC, "best/map50_95", "trial/outcome"} <= wanted


def test_the_root_is_written_once_in_a_study_s_life(tmp_path: Path) -> None:
    for _ in range(3):
        board_of(tmp_path).close()
    assert len(list(tmp_path.glob("events.out.tfevents.*"))) == 1


@pytest.mark.parametrize("content", [b"", b"x" * 88], ids=["empty", "header only"])
def test_a_root_that_was_cut_before_its_record_is_written_again(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "events.out.tfevents.0.cut").write_bytes(content)
    board_of(tmp_path).close()
    later = sorted(tmp_path.glob("events.out.tfevents.*"))[-1]
    assert len(list(tmp_path.iterdir())) == 2
    assert later.stat().st_size > 200


@pytest.mark.parametrize(
    ("choices", "shows"),
    [
        ((1, 2), [1.0, 2.0]),
        ((0.5, 1), [0.5, 1.0]),
        ((False, True), [False, True]),
        ((False, "ram"), ["False", "ram"]),
        ((1, "auto", 0.5), ["0.5", "1", "auto"]),
        (("/w/a.pt", "b.yaml"), ["a.pt", "b.yaml"]),
    ],
)
def test_choices_of_any_kinds_make_one_column_of_one_kind(
    tmp_path: Path, choices: tuple[Any, ...], shows: list[Any]
) -> None:
    space = space_of(cache=Choice(choices, choices[0]))
    rows = []
    for number, choice in enumerate(choices):
        params: Params = {"cache": choice}
        found = shown(tmp_path / str(number), trial_of(number, params=params), space=space)
        value = found.hparams["_hparams_/session_start_info"].session_start_info.hparams["cache"]
        rows.append(getattr(value, value.WhichOneof("kind")))
    (info,) = experiment(tmp_path / "0").hparam_infos
    column = [getattr(value, value.WhichOneof("kind")) for value in info.domain_discrete.values]
    assert column == sorted(rows) == shows
    assert {type(value) for value in column} == {type(value) for value in rows}


def test_a_trial_that_goes_on_mends_its_last_epoch_and_keeps_one_row(tmp_path: Path) -> None:
    first = shown(tmp_path, trial_of(0, [0.1, 0.2]))
    board = board_of(tmp_path)
    folder = tmp_path / "trials" / "0000"
    board.on_start(trial_of(0, [0.1, 0.2]), folder)
    board.on_measurement(trial_of(0, [0.1, 0.2, 0.3]))
    board.on_end(trial_of(0, [0.1, 0.2, 0.3]), Ending(final=measurement(3, 0.3)))
    found = read(folder)
    assert found.scalars[METRIC] == [(1, 0.1), (2, 0.2), (2, 0.2), (3, 0.3)]
    assert found.starts == [2]
    assert found.hparams.keys() == first.hparams.keys() | {"_hparams_/session_end_info"}


def test_an_interrupted_study_closes_its_files(tmp_path: Path) -> None:
    board = board_of(tmp_path, space_of(lr0=Real(0.0, 1.0, 0.5), batch=Integer(1, 2, 1)))
    for number in range(3):
        (tmp_path / str(number)).mkdir()
        board.on_start(trial_of(number), tmp_path / str(number))
        board.on_measurement(Trial(number, {}, number, curve([0.5])))
    board.close()
    board.close()
    assert all(read(tmp_path / str(number)).scalars[METRIC] == [(1, 0.5)] for number in range(3))


def test_what_the_worker_shows_is_in_the_trials_file(tmp_path: Path) -> None:
    """Scalars of its `details.csv` with the epoch, pictures once; the archive is deleted when it is written."""
    board, place = board_of(tmp_path), tmp_path / "trials" / "0000"
    trial = trial_of(0)
    place.mkdir(parents=True)
    board.on_start(trial, place)
    path = epoch_details.picture_file(place, 1)
    path.parent.mkdir()
    EpochDetails(images={"val/predictions": PICTURE}).save(path)
    epoch_details.write_details(place, {1: {"class_ap50/hole": 0.75}})

    board.on_measurement(replace(trial, measurements=(measurement(1, 0.5),)))
    board.on_measurement(replace(trial, measurements=(measurement(1, 0.5), measurement(2, 0.6))))

    assert steps_of(place, "val/predictions") == [1]
    assert steps_of(place, "class_ap50/hole") == [1]
    assert not path.exists()


def test_a_damaged_archive_is_named_and_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    board, place = board_of(tmp_path), tmp_path / "trials" / "0000"
    trial = trial_of(0)
    path = epoch_details.picture_file(place, 1)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no archive")
    board.on_start(trial, place)

    board.on_measurement(replace(trial, measurements=(measurement(1, 0.5),)))

    assert "000001.npz: must be an archive of pictures" in caplog.text
    assert not path.exists()


def test_a_text_of_a_trial_is_written_with_its_next_event(tmp_path: Path) -> None:
    board, trial = board_of(tmp_path), trial_of(0, [0.1])
    folder = tmp_path / "0000"
    folder.mkdir()
    board.on_start(Trial(0, trial.params, seed=0), folder)
    board.note(0, "diagnosis", "- **plateau**", epoch=1)
    board.on_measurement(trial)
    board.close()
    assert read(folder).texts["diagnosis"] == "- **plateau**"


def test_details_of_a_storage_that_does_not_answer_come_with_the_next_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither is the driver stopped, nor is an archive deleted that was not shown."""
    board, place = board_of(tmp_path), tmp_path / "trials" / "0000"
    trial = trial_of(0)
    path = epoch_details.picture_file(place, 1)
    path.parent.mkdir(parents=True)
    EpochDetails(images={"val/predictions": PICTURE}).save(path)
    epoch_details.write_details(place, {1: {"class_ap50/hole": 0.75}})
    board.on_start(trial, place)

    def away(*_given: object) -> None:
        raise OSError(errno.ESTALE, "Stale file handle")

    with monkeypatch.context() as storage:
        storage.setattr(epoch_details, "read_details", away)
        storage.setattr(EpochDetails, "load", away)
        board.on_measurement(replace(trial, measurements=(measurement(1, 0.5),)))
    assert path.exists()
    assert caplog.text.count("are added later: Stale file handle") == 1

    board.on_measurement(replace(trial, measurements=(measurement(1, 0.5), measurement(2, 0.6))))

    assert steps_of(place, "val/predictions") == [1]
    assert steps_of(place, "class_ap50/hole") == [1]
    assert not path.exists()
