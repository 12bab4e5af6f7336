"""Structures of a space: each combination once, params moved to another one, records read back."""

from automl.study import Footprint, Latency, Params, structure
from automl.study.objective import Constraint
from automl.study.space import Choice, Real
from automl.study.structure import Structure
from tests.builders import space_of

SPACE = space_of(
    lr0=Real(0.001, 0.1, 0.01),
    family=Choice(("small", "large"), "small"),
    model=Choice(("a.yaml", "b.yaml"), "b.yaml", when={"family": ("small",)}),
    imgsz=Choice((320, 640), 640),
    nbs=Choice((8, 64), 8, when={"model": ("b.yaml",)}),
)
COST = Footprint(Latency(5.0, 6.0, 7.0, 0.01, "a processor"), 12.5)


def test_each_combination_of_model_and_size_is_listed_with_what_it_depends_on() -> None:
    found = structure.assignments(SPACE)
    assert len(found) == len({tuple(params.items()) for params in found}) == 6
    assert {"family": "large", "imgsz": 320} in found
    assert {"family": "small", "model": "a.yaml", "imgsz": 640} in found
    assert structure.assignments(space_of(lr0=Real(0.001, 0.1, 0.01))) == [{}]


def test_params_are_moved_to_a_structure_with_what_exists_there() -> None:
    there: Params = {"family": "small", "model": "a.yaml", "imgsz": 320}
    moved = structure.moved(SPACE, SPACE.defaults(), there)
    assert moved == {"lr0": 0.01, **there}
    assert SPACE.contains(moved)
    assert structure.moved(SPACE, moved, {"family": "small", "model": "b.yaml", "imgsz": 640})["nbs"] == 8
    outside: Params = {"lr0": 7.0, "momentum": 0.9, "model": "b.yaml", "imgsz": 640}
    assert structure.moved(SPACE, outside, there) == {**outside, **there}


def test_a_record_is_read_back_and_says_what_it_breaks() -> None:
    one, params = Structure("models/1:2/a.yaml", 320), {"imgsz": 320}
    notes = {
        "seconds": 3.0,
        **{structure.note_of(one, target): structure.note(params, COST) for target in ("cpu", "onnx")},
    }
    (found,) = structure.measured_in(notes)
    assert (found.structure, found.params, found.footprints) == (one, params, {"cpu": COST, "onnx": COST})
    laws = [Constraint.of(text) for text in ("latency_ms <= 5 on cpu", "size_mb <= 12 on onnx")]
    assert found.broken(laws) == laws[1:]
    assert found.summary([law.cost for law in laws], laws) == (
        "a.yaml at 320 px: latency_ms on cpu 5, size_mb on onnx 12.5; not tried, since it breaks size_mb <= 12 on onnx"
    )
