"""Pictures of a camera of which the model is unsure, kept for labelling as `automl serve --field` keeps them."""

from collections.abc import Mapping
from typing import Any, Final

from numpy.typing import NDArray

from automl.apps.serve.feedback import note_of
from automl.apps.serve.field_folder import FieldFolder
from automl.apps.serve.refusal import RequestError
from automl.apps.serve.version import Served
from automl.apps.watch.frames import encoded

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
    content = encoded(picture)
    if not content:
        return {NOT_KEPT: "the picture cannot be encoded as JPEG"}
    try:
        return {KEPT: field.keep(content, "JPEG", why, note_of(served, found))}
    except RequestError as error:
        return {NOT_KEPT: error.law}
