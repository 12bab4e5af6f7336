"""Matches of detections: by confidence, within a class, valid at each threshold; confusion and suppression."""

import numpy as np
import pytest

from automl.tracking.diagnosis.matches import Matches, confusion, match, tightened
from tests.tracking.diagnosis.scenes import Scene, scene, square


def matched(made: Scene) -> Matches:
    stats = made.stats()
    assert stats.boxes is not None
    return match(stats, stats.boxes)


def test_the_more_confident_of_two_boxes_finds_the_object() -> None:
    made = Scene(1, [(0, 0, 0.5, square(0.1, 0.1)), (0, 0, 0.9, square(0.12, 0.1))], [(0, 0, square(0.1, 0.1))])
    found = matched(made)
    assert found.truth.tolist() == [-1, 0]
    assert found.nearest.tolist() == [0, 0]
    assert found.cover.tolist() == pytest.approx([1.0])
    assert found.missed(np.array([True, False])).tolist() == [True]


def test_a_box_of_another_class_covers_but_does_not_find() -> None:
    found = matched(Scene(1, [(0, 1, 0.9, square(0.1, 0.1))], [(0, 0, square(0.1, 0.1)), (0, 1, square(0.5, 0.5))]))
    assert found.truth.tolist() == [-1]
    assert found.cover.tolist() == [1.0, 0.0]


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.7, 0.9])
def test_matches_above_a_threshold_are_those_without_what_lies_below(threshold: float) -> None:
    made = scene(conf=((0.1, 1.0), (0.1, 1.0)))
    made.found += [(image, kind, conf / 2, box) for image, kind, conf, box in made.found]
    whole = matched(made)
    kept = np.array([conf > threshold for _, _, conf, _ in made.found])
    part = matched(Scene(made.images, [one for one in made.found if one[2] > threshold], made.truth))
    assert whole.truth[kept].tolist() == part.truth.tolist()


def test_a_confusion_matrix_counts_each_box_and_each_object_once() -> None:
    made = scene()
    made.found += [(0, 0, 0.9, square(0.0, 0.9))]
    made.truth += [(1, 1, square(0.9, 0.0))]
    first = next(place for place, one in enumerate(made.found) if one[1] == 0)
    image, _, conf, box = made.found[first]
    made.found[first] = (image, 1, conf, box)
    stats = made.stats()
    assert stats.boxes is not None
    kept = stats.conf > 0.25
    matrix = confusion(stats, stats.boxes, match(stats, stats.boxes), kept)
    assert matrix.tolist() == [[79, 0, 1], [1, 80, 0], [0, 1, 0]]
    assert matrix[:-1].sum() == kept.sum()
    assert matrix[:, :-1].sum() == len(stats.truth_kind)


def test_suppression_leaves_the_most_confident_of_a_class() -> None:
    boxes = [(0, 0, 0.9, square(0.1, 0.1)), (0, 0, 0.8, square(0.13, 0.1)), (0, 1, 0.7, square(0.1, 0.1)),
             (1, 0, 0.6, square(0.1, 0.1))]  # fmt: skip
    stats = Scene(2, boxes, [(0, 0, square(0.1, 0.1))]).stats()
    assert stats.boxes is not None
    everything = np.ones(4, np.bool_)
    assert tightened(stats, stats.boxes, everything, iou=0.4).tolist() == [True, False, True, True]
    assert tightened(stats, stats.boxes, everything, iou=0.6).tolist() == [True] * 4


def test_images_without_boxes_are_no_matter() -> None:
    found = matched(Scene(3, [], []))
    assert (len(found.truth), len(found.cover)) == (0, 0)
