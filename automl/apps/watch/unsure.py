"""Pictures of a camera of which the model is unsure, kept for labelling as `automl serve --field` keeps them."""

from collections.abc import Mapping
from typing import Any, Final

import cv2
from numpy.typing import NDArray

from automl.apps.serve.feedback import note_of
from automl.apps.serve.field_folder import FieldFolder
from automl.apps.serve.refusal import RequestError
from automl.apps.serve.version import Served

QUALITY: Final = 95
"""Of the JPEG that is kept: a frame of a stream has no file of its own."""
KEPT: Final = "kept"
"""Key of a record whose picture was kept: the name of its file."""
NOT_KEPT: Final = "not_kept"
"""Key of a record whose picture should have been kept: why it could not be."""


def kept(
    field: FieldFolder, served: Served, picture: NDArray[Any], found: Mapping[str, Any], *, doubt: float
) -> dict[str, str]:
    """Keep a BGR picture by the folder's rule; return what the record says of it, empty where it is not wanted.

    A full folder or disk does not end the detection: the record says so.
    """
    why = field.wanted(doubt)
    if why is None:
        return {}
    done, content = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        return {NOT_KEPT: "the picture cannot be encoded as JPEG"}
    try:
        return {KEPT: field.keep(content.tobytes(), "JPEG", why, note_of(served, found))}
    except RequestError as error:
        return {NOT_KEPT: error.law}
