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
    assert found.conf[1] == pytest.approx(0.8)
    assert found.conf[2] == pytest.approx(np.mean([0.8] * 60 + [0.2]))
    assert found.rate[0] == pytest.approx(31 / 33)
