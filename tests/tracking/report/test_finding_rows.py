"""Findings in the page: pictures of the trainings, and Chinese names, numbers and advice for all of them."""

from dataclasses import replace
from pathlib import Path

import pytest
from tensorboard.compat.proto.event_pb2 import Event

from automl.storage.epoch_details import EpochDetails, picture_file
from automl.tracking import event_pictures, summaries
from automl.tracking.diagnosis import shipped_rules, study_rules, training_rules
from automl.tracking.diagnosis.finding import Finding
from automl.tracking.event_file import EventFile
from automl.tracking.report.chinese_findings import EVIDENCE, FINDINGS, coded
from automl.tracking.report.finding_rows import TAGS, rows
from automl.tracking.report.language import Language, Words
from tests.pictures import encoded, noise

SUPPRESSED = Finding("class suppressed", "trial 0", 6, "hole has AP50 0.01", "look", {"AP50": 0.01}, subject="hole")
EN, ZH = Words(Language.EN), Words(Language.ZH)


def shown(folder: Path, *pictures: tuple[int, str, int]) -> None:
    """Write an event file with pictures: epoch, tag, seed."""
    file = EventFile(folder)
    for epoch, tag, seed in pictures:
        details = EpochDetails({"val/best_f1": 0.5}, {tag: encoded(noise(seed, side=64))})
        file.add(Event(step=epoch, summary=summaries.pictures(details)))
    assert file.flush() == ""


def test_the_last_picture_of_a_tag_is_found_in_event_files_and_in_archives(tmp_path: Path) -> None:
    assert event_pictures.latest(tmp_path, "val/predictions") == b""
    shown(tmp_path, (1, "val/predictions", 1), (5, "val/predictions", 5), (9, "input/augmented", 9))
    assert event_pictures.latest(tmp_path, "val/predictions") == encoded(noise(5, side=64))
    assert event_pictures.first(tmp_path, "val/predictions") == encoded(noise(1, side=64))
    assert event_pictures.first(tmp_path, "input/augmented") == encoded(noise(9, side=64))  # the last one as well
    assert event_pictures.first(tmp_path, "input/batch") == b""
    EpochDetails(images={"val/predictions": encoded(noise(7, side=64))}).save(picture_file(tmp_path, 7))
    assert event_pictures.latest(tmp_path, "val/predictions") == encoded(noise(7, side=64))
    picture_file(tmp_path, 8).write_bytes(b"damaged")
    assert event_pictures.latest(tmp_path, "val/predictions") == encoded(noise(7, side=64))


def test_the_first_training_with_a_kind_of_finding_has_the_picture(tmp_path: Path) -> None:
    shown(tmp_path, (5, "val/predictions", 5))
    again = Finding("class suppressed", "trial 1", 6, "spot", "look", {}, subject="spot")
    found = rows([SUPPRESSED, again], EN, {"trial 0": tmp_path, "trial 1": tmp_path})
    assert found[0].picture.startswith("data:image/jpeg;base64,")
    assert (found[0].tag, found[0].size) == ("val/predictions", (64, 64))
    assert found[1].picture == ""


def test_a_finding_without_training_or_picture_is_a_row_alone(tmp_path: Path) -> None:
    found = rows([SUPPRESSED, Finding("plateau", "", 0, "flat", "more")], EN, {"trial 0": tmp_path})
    assert [(str(one.where), one.picture) for one in found] == [("trial 0, epoch 6", ""), ("study", "")]


def test_a_kind_of_finding_is_one_row_that_names_the_other_trainings() -> None:
    same = [replace(SUPPRESSED, trial=f"trial {number}") for number in range(15)]
    same.append(replace(SUPPRESSED, trial="default_seed1", epoch=9))
    (english,), (chinese,) = (rows(same, words, {}) for words in (EN, ZH))
    assert str(english.where) == "<code>default_seed1</code>, epoch 9"
    assert str(english.also).startswith("also in trial 0, trial 1, ")
    assert str(english.also).endswith("trial 11 and 3 more")
    assert str(chinese.also).startswith("另见：第 0 号试验，")
    assert str(chinese.also).endswith(" 等，另有 3 个")


def test_every_finding_has_a_chinese_name_and_advice() -> None:
    known = {*training_rules.NAMES, *study_rules.NAMES, *shipped_rules.NAMES}
    assert known <= set(FINDINGS)
    assert set(TAGS) <= known


def test_a_finding_is_told_in_chinese_by_its_numbers() -> None:
    found = rows([SUPPRESSED], ZH, {})[0]
    assert str(found.where) == "第 0 号试验，第 6 轮"
    assert (str(found.name), str(found.text)) == ("类别被压制", "<code>hole</code>：AP50 0.01")
    assert "<code>imgsz</code>" in str(found.advice)


@pytest.mark.parametrize("key", ["swing train/box_loss", "unheard of", *EVIDENCE])
def test_each_number_is_named_in_chinese_or_as_code(key: str) -> None:
    text = str(rows([Finding("plateau", "trial 1", 2, "", "", {key: 0.25})], ZH, {})[0].text)
    assert text.endswith(" 0.25")
    assert key not in {"swing train/box_loss", "unheard of"} or "<code>" in text


def test_an_unknown_finding_is_quoted() -> None:
    assert 'lang="en"' in str(rows([Finding("new rule", "x", 1, "told", "do")], ZH, {})[0].name)


def test_names_of_settings_are_code_and_the_rest_is_escaped() -> None:
    assert str(coded("设 mosaic 为 0，F1 <b>")) == "设 <code>mosaic</code> 为 0，F1 &lt;<code>b</code>&gt;"
