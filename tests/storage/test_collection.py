"""The garbage collector while a journal is opened: paused, and as before afterwards."""

import gc
from collections.abc import Iterator

import pytest

from automl.storage import collection


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


def test_it_is_paused_during_a_block_and_runs_again_after_a_failure() -> None:
    with collection.paused():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ValueError, match="invalid literal"), collection.paused():
        int("damaged")
    assert gc.isenabled()


def test_one_that_was_disabled_before_stays_so_after_a_block_in_a_block() -> None:
    gc.disable()
    with collection.paused(), collection.paused():
        pass
    assert not gc.isenabled()


def test_what_is_frozen_is_never_walked_again() -> None:
    gc.unfreeze()
    with collection.paused():
        pass
    assert gc.get_freeze_count() == 0
    with collection.paused(freeze=True):
        pass
    assert gc.get_freeze_count() > 0
