"""Out-of-memory errors, distinguished from other failures."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from automl.study import EndReason
from automl.study.errors import TrialError

SIGNS: Final = ("out of memory", "can't allocate memory", "cublas_status_alloc_failed")


def ran_out(error: BaseException) -> bool:
    """Return True if an error means that memory ran out."""
    return isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in SIGNS)


@contextmanager
def named(batch: Callable[[], int]) -> Iterator[None]:
    """Convert an out-of-memory error to a TrialError that names the batch.

    Raises:
        TrialError: memory ran out.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not ran_out(error):
            raise
        first = str(error).strip().partition("\n")[0] or type(error).__name__
        text = f"out of memory: batch {batch()} did not fit: {first}"
        raise TrialError(text, reason=EndReason.MEMORY) from error
