"""Structures that a constraint excludes are never drawn; without constraints nothing changes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from automl.hpo.sampler import Prior, Sampler
from automl.hpo.sampler.encoding import Encoding
from automl.study import Evidence, Params, PastEvidence, structure
from automl.study.space import Choice, Real
from tests.builders import METRIC, completed, space_of

SPACE = space_of(
    lr0=Real(0.001, 0.1, 0.01, log=True),
    model=Choice(("a.yaml", "b.yaml", "c.yaml"), "c.yaml"),
    imgsz=Choice((320, 640), 640),
    nbs=Choice((8, 64), 8, when={"model": ("b.yaml",)}),
)
EVERY = structure.assignments(SPACE)


def permitted(params: Params, allowed: tuple[Params, ...]) -> bool:
    return any(structure.has(params, one) for one in allowed) and SPACE.contains(params)


@given(st.lists(st.sampled_from(EVERY), min_size=1, unique_by=str), st.integers(0, 2**32 - 1))
def test_each_drawn_point_has_an_allowed_structure(allowed: list[Params], seed: int) -> None:
    encoding, generator = Encoding(SPACE, tuple(allowed)), np.random.default_rng(seed)
    drawn = encoding.draw(20, generator)
    around = encoding.near(Encoding(SPACE).draw(20, generator), generator, width=0.3)
    assert all(permitted(encoding.decode(point), tuple(allowed)) for point in [*drawn, *around])


def test_points_are_the_same_where_all_structures_are_allowed() -> None:
    one, other = Encoding(SPACE), Encoding(SPACE, tuple(EVERY))
    drawn = [encoding.near(encoding.draw(30, np.random.default_rng(1)), np.random.default_rng(2), width=0.2)
             for encoding in (one, other)]  # fmt: skip
    assert (drawn[0] == drawn[1]).all()


def test_a_search_tries_allowed_structures_alone_from_the_baseline_on() -> None:
    allowed: tuple[Params, ...] = ({"model": "b.yaml", "imgsz": 320}, {"model": "a.yaml", "imgsz": 320})
    best = [Evidence({"lr0": 0.03, "model": "c.yaml", "imgsz": 640}, score) for score in (2.0, 1.0, 0.0)]
    baseline: Params = {"momentum": 0.937, "model": "c.yaml", "imgsz": 640}
    prior = Prior((PastEvidence("before", 1.0, tuple(best)),), baseline, allowed)
    sampler = Sampler(SPACE, seed=3, metric=METRIC, max_epochs=6, prior=prior)
    origins = []
    for number in range(10):
        params, origin = sampler.draw()
        origins.append(origin)
        if origin == "baseline":
            assert params == {**baseline, **allowed[0]}
        else:
            assert permitted(params, allowed), (origin, params)
        tried = params if number else SPACE.defaults()  # trial 0 is no point of the space
        sampler.add(completed(number, [0.1, 0.01 * number], params=tried))
    assert {"baseline", "default", "earlier", "model"} <= set(origins)


def test_with_a_second_objective_each_draw_is_from_the_structures_below_some_cost() -> None:
    costs = tuple(float(len(EVERY) - place) for place in range(len(EVERY)))
    prior = Prior(allowed=tuple(EVERY), costs=costs)
    sampler = Sampler(SPACE, seed=5, metric=METRIC, max_epochs=6, prior=prior)
    drawn = []
    for number in range(30):
        params, origin = sampler.draw()
        assert sampler.draw() == (params, origin)
        place = next(place for place, one in enumerate(EVERY) if structure.has(params, one))
        drawn.append(place)
        sampler.add(completed(number, [0.1, 0.9 - 0.1 * place], params=params))  # the dearest is the best
    cheap = [place for place in drawn[10:] if place >= len(EVERY) // 2]
    assert len(cheap) >= 3
    assert 0 in drawn[10:]
