"""Order of a worker of Ray to the process of a training, and the last messages of that process.

A worker imports this for each start of a trial: it does without trainers, pydantic and numpy, 0.2 s of CPU time.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

OVER: Final = "over"
FAILED: Final = "failed"
"""Messages beside those for the driver: the function returned; the storage failed, with number, text and path."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a process is to run, and the state of the worker's process that it takes over."""

    job: Mapping[str, Any]
    run: str
    """The function, `module:name`, called with the job and a callback for measurements; returns an `Ending`."""
    environment: Mapping[str, str]
    path: Sequence[str]
    """`sys.path` of the worker."""

    def to_line(self) -> str:
        """Return one line of JSON."""
        return json.dumps(asdict(self)) + "\n"
