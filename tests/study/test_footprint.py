"""Footprints as plain values: one form for records of structures, one for those of targets and results of devices."""

import json
from typing import Any

import pytest

from automl.study import Footprint, Latency

TIMED = Latency(5.0, 6.0, 7.0, 0.01, "a processor")


def read_back(plain: Any) -> Any:
    return json.loads(json.dumps(plain))


@pytest.mark.parametrize("found", [Footprint(TIMED, 12.5), Footprint(TIMED, 12.5, Latency(8.0, 9.0, 9.5, 0.0, "it"))])
def test_that_of_a_structure_is_read_back_whole(found: Footprint) -> None:
    assert Footprint.from_dict(read_back(found.to_dict())) == found


def test_that_of_a_target_has_latency_in_the_model_and_size() -> None:
    found = Footprint(TIMED, 12.5)
    plain = read_back(found.to_record())
    assert plain.keys() == {"latency_ms", "mb"}
    assert Footprint.of_record(plain) == found
    assert Footprint.of_record(None) is None


@pytest.mark.parametrize("damage", [{"mb": float("nan")}, {"latency_ms": {"p50": 1.0}}, {"mb": None}])
def test_a_damaged_one_is_refused(damage: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError), match=r"must be|missing|real number"):
        Footprint.of_record(Footprint(TIMED, 12.5).to_record() | damage)
