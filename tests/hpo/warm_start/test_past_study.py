"""An earlier study is read as it stands, beside its writer, and never outside the folder that was named."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from automl.data.summary import similarity
from automl.hpo.warm_start import read
from automl.hpo.warm_start.past_study import look
from automl.storage.journal import Journal
from automl.storage.registry import Registry
from automl.study import State
from automl.study.errors import AutomlError
from tests.builders import METRIC, completed, failed, pruned, spec_of, trial_of
from tests.past_studies import BOLTS, append, past, promoted, recorded, sealed


def refused(path: Path, *, metric: str = "") -> str:
    with pytest.raises(AutomlError, match="must ") as caught:
        read(path, metric=metric)
    return str(caught.value)


def test_a_study_is_read_with_its_curves_space_and_data(tmp_path: Path) -> None:
    study = read(past(tmp_path))

    assert (study.spec.name, study.metric, study.spec.ladder.max_epochs) == ("a", METRIC, 6)
    assert list(study.spec.search_space.parameters) == ["lr0", "optimizer"]
    assert (len(study.trials), len(study.ended), study.data) == (10, 10, BOLTS)
    assert (study.trials[7].params["lr0"], study.trials[7].state) == (0.03, State.COMPLETED)
    assert study.trials[7].curve == {1: 0.0, 2: pytest.approx(0.17), 3: 0.3, 4: 0.4, 5: 0.45, 6: 0.7}
    assert study.trials[8].curve == {1: 0.0, 2: 0.08}


def test_reading_changes_nothing(tmp_path: Path) -> None:
    folder = past(tmp_path)
    append(folder, '{"half a li')
    before = {path: path.read_bytes() for path in folder.rglob("*")}
    read(folder)
    assert {path: path.read_bytes() for path in folder.rglob("*")} == before


def test_a_study_of_another_objective_is_read_by_the_present_one(tmp_path: Path) -> None:
    trial = completed(0, [0.1, 0.2])
    for measurement in trial.measurements:
        measurement.metrics["val/map50"] = measurement.epoch / 4  # type: ignore[index]
    folder = recorded(tmp_path / "runs" / "a", spec_of(name="a"), [trial])
    assert read(folder, metric="val/map50").trials[0].curve == {1: 0.25, 2: 0.5}


def test_an_objective_that_was_never_measured_is_refused(tmp_path: Path) -> None:
    told = refused(past(tmp_path), metric="val/recall")
    assert "must contain a trial that ended with a value of val/recall, but of its 10 trials none did" in told


def test_of_a_study_still_running_what_is_past_the_first_rung_counts(tmp_path: Path) -> None:
    trials = [completed(0, [0.1] * 6), trial_of(1, [0.1, 0.2]), trial_of(2, [0.1]), failed(3, [0.1, 0.2, 0.3])]
    folder = recorded(tmp_path / "runs" / "a", spec_of(name="a"), trials)
    writer = Journal.create(folder, name="a", metric=METRIC)

    study = read(folder)
    assert [trial.epoch for trial in study.countable] == [6, 2]
    writer.measured(2, trials[1].measurements[1])
    assert [trial.epoch for trial in read(folder).countable] == [6, 2, 2]
    append(folder, '{"half a li')
    assert "incomplete line" in read(folder).note


@pytest.mark.parametrize("trials", [[], [trial_of(0, [0.1] * 5)], [failed(0, [0.1] * 5)], [pruned(0, [])]])
def test_a_study_in_which_no_trial_ended_teaches_nothing(tmp_path: Path, trials: list[object]) -> None:
    folder = past(tmp_path, trials=trials)  # type: ignore[arg-type]
    assert f"but of its {len(trials)} trials none did" in refused(folder)


def test_a_journal_damaged_in_its_middle_is_refused_by_line(tmp_path: Path) -> None:
    folder = past(tmp_path)
    lines = (folder / "journal.log").read_text().splitlines(keepends=True)
    (folder / "journal.log").write_text("".join([*lines[:5], "rubbish\n", *lines[5:]]))
    assert "journal.log:6: the checksum must match" in refused(folder)


@pytest.mark.parametrize(
    "line",
    [
        {"op_code": 999},
        {"op_code": 2, "study_id": 0, "worker_id": "w"},
        {"op_code": 4, "study_id": 0, "worker_id": "w", "datetime_start": "2026-01-01T00:00:00"},
        [1],
        {"no": "code"},
    ],
)
def test_a_journal_of_another_kind_is_refused_in_words(tmp_path: Path, line: object) -> None:
    folder = past(tmp_path)
    append(folder, sealed(line) if isinstance(line, dict) else "[1]\n" + sealed({"op_code": 999}))
    assert "journal.log" in refused(folder)


def test_values_that_are_no_numbers_are_left_out(tmp_path: Path) -> None:
    folder = past(tmp_path)
    text = (folder / "journal.log").read_text().splitlines()
    out = []
    for line in text:
        content = json.loads(line)
        content.pop("crc")
        metrics = content.get("user_attr", {}).get("epoch:1", {}).get("metrics")
        if metrics:
            metrics[METRIC] = "many"
        out.append(sealed(content))
    (folder / "journal.log").write_text("".join(out))
    assert all(1 not in trial.curve and 2 in trial.curve for trial in read(folder).trials)


def loop(folder: Path) -> Path:
    (folder / "one").symlink_to(folder / "two")
    (folder / "two").symlink_to(folder / "one")
    return folder / "one"


@pytest.mark.parametrize(
    "place",
    [
        lambda folder: folder / "none",
        loop,
        lambda folder: folder / ("n" * 300),
        lambda folder: folder / "a\0b",
        lambda folder: folder / "file.txt",
        lambda folder: folder / "empty",
        lambda folder: folder / "empty" / ".." / "none",
    ],
)
def test_a_path_that_is_no_study_is_refused(tmp_path: Path, place: Callable[[Path], Path]) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").write_text("x")
    assert "must be the folder of a" in refused(place(tmp_path))


def test_a_study_under_a_link_or_a_crooked_path_is_the_study_itself(tmp_path: Path) -> None:
    folder = past(tmp_path)
    (tmp_path / "link").symlink_to(folder)
    for path in (tmp_path / "link", folder / ".." / "a"):
        assert read(path).folder == folder


@pytest.mark.parametrize("name", ["study.yaml", "journal.log", "dataset.json", "data"])
def test_a_link_in_a_study_that_leads_out_of_it_is_not_followed(tmp_path: Path, name: str) -> None:
    folder, secret = past(tmp_path), past(tmp_path / "elsewhere")
    for kept in ("dataset.json", name):
        (folder / kept).unlink(missing_ok=True)
    (secret / "data" / "images" / "train").mkdir(parents=True)
    (folder / name).symlink_to(secret / name)
    assert f"must not link out of the study's folder, but is a link to {secret}" in refused(folder)


@pytest.mark.parametrize("name", ["study.yaml", "journal.log"])
def test_a_document_that_is_no_file_is_refused_and_not_waited_for(tmp_path: Path, name: str) -> None:
    folder = past(tmp_path)
    (folder / name).unlink()
    os.mkfifo(folder / name)
    assert "must be a file, but is not" in refused(folder)
    (folder / name).unlink()
    (folder / name).symlink_to(name)
    assert "circular link" in refused(folder)


def staged(folder: Path, lines: str = "0 0.5 0.5 0.1 0.2\n") -> None:
    for number in range(4):
        for kind, suffix in (("images", "jpg"), ("labels", "txt")):
            path = folder / "data" / kind / "train" / f"{number}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(lines)
    (folder / "data" / "data.yaml").write_text(
        '# abc\n# Links to "x"\npath: "y"\ntrain: t\nnames:\n  0: "a"\n  1: "b"\n'
    )


def test_the_data_of_a_study_without_a_note_of_it_are_looked_at_where_staged(tmp_path: Path) -> None:
    folder = past(tmp_path)
    (folder / "dataset.json").unlink()
    assert read(folder).data is None
    staged(folder)
    found = read(folder).data
    assert found is not None
    assert (found.fingerprint, found.images, found.classes, found.boxes, found.pixels) == ("abc", 4, 2, 1.0, None)
    assert similarity(found, BOLTS) < 0.5


def test_a_staged_label_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    folder = past(tmp_path)
    staged(folder)
    (folder / "dataset.json").write_text("{damaged")
    label = folder / "data" / "labels" / "train" / "0.txt"
    label.unlink()
    (tmp_path / "secret.txt").write_text("1 0.5 0.5 0.9 0.9\n" * 9)
    label.symlink_to(tmp_path / "secret.txt")
    found = read(folder).data
    assert found is not None
    assert (found.images, found.boxes, found.balance) == (3, 1.0, 0.0)


def test_a_registry_stands_for_the_study_of_its_champion(tmp_path: Path) -> None:
    folder = past(tmp_path)
    models = promoted(tmp_path, folder, spec_of(name="a"))
    promoted(tmp_path, past(tmp_path, "b", seed=3), spec_of(name="b", seed=3))
    held = Registry(tmp_path / "models", "boards")
    assert read(models).folder == tmp_path / "runs" / "b"
    held.promote(1, why="by hand")
    assert read(models).folder == folder
    (models / "aliases.json").unlink()  # none is champion: the newest
    assert read(models).folder == tmp_path / "runs" / "b"


def test_where_the_study_is_gone_its_version_tells_of_winner_and_default(tmp_path: Path) -> None:
    folder = past(tmp_path)
    models = promoted(tmp_path, folder, spec_of(name="a"))
    shutil.rmtree(folder)

    study = read(models)

    assert [dict(trial.params) for trial in study.trials] == [
        {"lr0": 0.03, "optimizer": "SGD"},
        {"lr0": 0.01, "optimizer": "SGD"},
    ]
    assert [trial.best(6) for trial in study.trials] == [pytest.approx(0.71), pytest.approx(0.51)]
    assert (study.data, "study a no longer exists" in study.note) == (BOLTS, True)
    assert "was scored by val/map50_95" in refused(models, metric="val/map50")


def test_another_study_of_the_same_name_is_not_taken_for_the_champions(tmp_path: Path) -> None:
    folder = past(tmp_path)
    models = promoted(tmp_path, folder, spec_of(name="a"))
    shutil.rmtree(folder)
    past(tmp_path, seed=7)
    assert len(read(models).trials) == 2


@pytest.mark.parametrize("name", ["../../secret", "/etc", "..", "", None, 3, ["a"], "a/../../secret", "link"])
def test_the_study_that_a_registry_names_is_never_looked_for_outside(tmp_path: Path, name: object) -> None:
    inside, secret = tmp_path / "inside", past(tmp_path)
    folder = past(inside)
    (inside / "runs" / "link").symlink_to(secret)
    models = promoted(inside, folder, spec_of(name="a"), study=name)
    assert len(read(models).trials) == 2


@pytest.mark.parametrize("document", ["promotion.json", "study.yaml", "dataset.json"])
def test_a_version_that_was_tampered_with_is_refused(tmp_path: Path, document: str) -> None:
    models = promoted(tmp_path, past(tmp_path), spec_of(name="a"))
    path = models / "versions" / "0001" / document
    path.chmod(0o644)
    path.write_text(path.read_text() + "\n")
    assert f"{document}: SHA-256 must be" in refused(models)
    path.unlink()
    assert f"{document}: SHA-256 must be" in refused(models)


@pytest.mark.parametrize(
    "facts", [{"params": 3}, {"challenger": "many"}, {"default": None}, {"challenger": [None]}, {"params": [["lr0"]]}]
)
def test_a_verdict_of_another_kind_is_refused_in_words(tmp_path: Path, facts: dict[str, object]) -> None:
    folder = past(tmp_path)
    models = promoted(tmp_path, folder, spec_of(name="a"), **facts)
    shutil.rmtree(folder)
    assert "promotion.json: must be a study's verdict" in refused(models)


def test_a_registry_that_leads_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    models = promoted(tmp_path, past(tmp_path), spec_of(name="a"))
    version = models / "versions" / "0001"
    version.rename(tmp_path / "outside")
    version.symlink_to(tmp_path / "outside")
    assert "must not link out of the study's folder" in refused(models)


@pytest.mark.parametrize("aliases", ['{"champion": 9}', '{"champion": -1}', "[]", f'{{"champion": {"9" * 300}}}'])
def test_a_registry_whose_aliases_point_nowhere_is_refused(tmp_path: Path, aliases: str) -> None:
    models = promoted(tmp_path, past(tmp_path), spec_of(name="a"))
    (models / "aliases.json").write_text(aliases)
    assert "must " in refused(models)


def test_a_registry_without_a_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "models" / "boards" / "versions").mkdir(parents=True)
    assert "must contain version 0" in refused(tmp_path / "models" / "boards")


def test_a_study_that_has_not_begun_is_named_as_such(tmp_path: Path) -> None:
    folder = past(tmp_path)
    (folder / "journal.log").unlink()
    with pytest.raises(AutomlError, match=r"must be the folder of a study that has begun, but has no journal\.log"):
        look(folder)
