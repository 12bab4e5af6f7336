"""Evidence on labels: which detections belong to a label, and what is typical of a class."""

import numpy as np
import pytest

from automl.data.audit.evidence import Evidence, Typical
from tests.data.audit.builders import ELSEWHERE, HOME, healthy, image


def test_confidences_are_kept_by_class_and_place() -> None:
    found = Evidence.of(image("a", [(0, HOME)], [(0, HOME, 0.4), (1, HOME, 0.6), (1, ELSEWHERE, 0.9)]), 2)
    assert found.conf.tolist() == [[[0.4, 0.6]]]
    assert found.iou.tolist() == [[pytest.approx(1.0)]]


def test_a_detection_belongs_to_the_label_that_it_overlaps_most() -> None:
    near = (HOME[0] + 0.05, *HOME[1:])
    found = Evidence.of(image("a", [(0, HOME), (0, near)], [(0, HOME, 0.9)]), 2)
    assert found.matched.tolist() == [[0, -1]]


def test_typical_values_are_those_of_the_class_and_of_all_where_it_has_few_labels() -> None:
    odd = image("odd", [(0, HOME)], [(0, HOME, 0.2)], [], [])
    found = Typical.of([Evidence.of(one, 3) for one in [*healthy(), odd]], 3)
    assert set(found.conf[1]) == {0.8}
    assert (len(found.conf[2]), found.conf[2][0]) == (61, 0.2)
    assert found.rate[0] == pytest.approx(31 / 33)


def test_a_level_is_the_share_of_detections_at_labels_with_no_more_confidence() -> None:
    odd = image("odd", [(0, HOME)], [(0, HOME, 0.2)], [], [])
    found = Typical.of([Evidence.of(one, 2) for one in [*healthy(), odd]], 2)
    assert found.level(np.array([0.0, 0.1, 0.5, 0.9]), 0).tolist() == [0.0, 0.0, pytest.approx(1 / 31), 1.0]
    assert found.support(np.array([0.001, 0.01, 0.8]), 0).tolist() == [0.0, 0.0, 1.0]
