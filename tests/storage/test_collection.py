"""The garbage collector while a journal is opened: paused, and as before afterwards."""

import gc
import subprocess
import sys
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


def test_what_was_frozen_is_walked_at_exit() -> None:
    """Else modules of C++ that torch brings print hundreds of lines about leaks after the last line of a study."""
    lines = (
        "import atexit, gc",
        "atexit.register(lambda: print(gc.get_freeze_count()))",
        "from automl.storage import collection",
        "collection.paused(freeze=True)(lambda: None)()",
        "print(gc.get_freeze_count())",
    )
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    frozen, at_exit = map(int, done.stdout.split())
    assert frozen > 0
    assert at_exit == 0
