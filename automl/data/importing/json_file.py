"""JSON annotation files, bounded in size."""

import json
from pathlib import Path
from typing import Any, Final

from automl.data import regular_files
from automl.study.errors import DataError

MOST_BYTES: Final = 1024 * regular_files.MB
"""Maximum size of an annotation file: COCO's train2017 has 450 MB."""


def read(path: Path) -> Any:  # noqa: ANN401
    """Return the content of a JSON file.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return json.loads(regular_files.read(path, most=MOST_BYTES).decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: must be readable JSON, but {reason}; export the annotations again") from None
