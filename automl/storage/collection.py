"""Cyclic garbage collection while a large journal is opened: millions of new objects, and no cycle among them."""

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused(*, freeze: bool = False) -> Iterator[None]:
    """Pause the cyclic garbage collector during a block: it would walk the new objects again and again.

    With `freeze` what exists at the end is never walked again: for objects that live as long as their process. They
    are still freed by their reference counts. At exit they are walked once more: modules of C++ that find their objects
    alive at the very end (nanobind, of Triton) print hundreds of lines about leaks.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if freeze:
            gc.freeze()
            atexit.unregister(gc.unfreeze)
            atexit.register(gc.unfreeze)
        if enabled:
            gc.enable()
