"""The portfolio: params of other data sets, as far as a space allows them."""

from pathlib import Path

import pytest

from automl.hpo.portfolio import fitted, shipped
from automl.hpo.sampler import Prior, Sampler
from automl.study import Params, Trial
from automl.study.errors import SpecError
from automl.study.shipped_spaces import folder
from automl.study.space import Integer, Real
from automl.study.spec import StudySpec
from automl.study.yaml_io import read_yaml
from tests.builders import rates_space, space_of


def test_a_member_is_tried_in_the_ranges_that_its_choices_make_live() -> None:
    space = rates_space()
    inside: Params = {"optimizer": "AdamW", "lr0": 0.002}
    outside: Params = {"optimizer": "AdamW", "lr0": 0.05}
    found = fitted([inside, outside, {"optimizer": "RMSProp"}, inside], space, epochs=100, known=[space.defaults()])
    assert [(params["optimizer"], params["lr0"]) for params in found] == [("AdamW", 0.002)]
    assert all(space.contains(params) for params in found)


def test_the_share_of_epochs_without_mosaic_follows_the_length_of_the_training() -> None:
    space = space_of(close_mosaic=Integer(0, 50, 10))
    assert fitted([{"closed": 0.2}], space, epochs=100, known=[]) == ({"close_mosaic": 20},)


def test_the_portfolio_follows_the_default_and_the_model_the_portfolio() -> None:
    space = space_of(lr0=Real(0.0, 1.0, 0.5))
    members = [{"lr0": 0.1}, {"lr0": 0.9}]
    sampler = Sampler(space, seed=0, metric="val/map50_95", max_epochs=9, prior=Prior(portfolio=members))
    drawn = []
    for number in range(4):
        params, origin = sampler.draw()
        drawn.append((origin, params["lr0"]))
        sampler.add(Trial(number=number, params=params, seed=0))
    assert drawn[:3] == [("default", 0.5), ("portfolio", 0.1), ("portfolio", 0.9)]
    assert drawn[3][0] in {"near default", "random"}


@pytest.mark.parametrize("name", ["yolo_small", "yolo26_small"])
def test_the_shipped_members_can_be_tried_in_a_shipped_space(name: str) -> None:
    spec = StudySpec.model_validate(read_yaml(folder() / f"{name}.yaml"))
    found = fitted(shipped().members, spec.search_space, epochs=100, known=[])
    assert found
    assert "tasks, commit" in shipped().origin


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("origin: {}\nmembers: none\n")
    with pytest.raises(SpecError, match="members: must be a list of params, but got str"):
        shipped(tmp_path / "p.yaml")
