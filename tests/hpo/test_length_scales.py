"""Which length scales are known of a space."""

import pytest

from automl.hpo.length_scales import lengths_of
from automl.study.space import Alternatives, Choice, Real
from tests.builders import space_of


def test_a_length_scale_is_a_share_of_the_range() -> None:
    space = space_of(
        lr0=Real(1e-4, 1e-2, 1e-3, log=True),
        scale=Real(0.0, 0.915, 0.5),
        optimizer=Choice(("SGD", "AdamW"), "SGD"),
    )
    assert lengths_of(space) == pytest.approx({"lr0": 0.28, "scale": 2.0, "optimizer": 1.61}, rel=0.01)


def test_what_is_unknown_or_on_another_scale_is_left_out() -> None:
    assert lengths_of(space_of(lr0=Real(0.01, 0.02, 0.01), nbs=Choice((16, 64), 64), box=Real(7.5, 7.5, 7.5))) == {}


def test_a_parameter_with_several_ranges_has_the_mean_of_their_lengths() -> None:
    narrow = Real(1e-3, 1e-2, 5e-3, log=True, when={"optimizer": ("SGD",)})
    wide = Real(1e-5, 1e-1, 1e-3, log=True, when={"optimizer": ("AdamW",)})
    space = space_of(optimizer=Choice(("SGD", "AdamW"), "SGD"), lr0=Alternatives((narrow, wide)))
    assert lengths_of(space)["lr0"] == pytest.approx(0.28, rel=0.01)
