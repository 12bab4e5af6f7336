"""RequestError: a rejected request, with its HTTP status code."""

from typing import Final

NO_IMAGE: Final = "the body must be an image (JPEG, PNG, BMP, TIFF or WebP)"


class RequestError(Exception):
    """A request that breaks a law; the message names the law and the given value."""

    def __init__(self, code: int, law: str) -> None:
        super().__init__(law)
        self.code = code
        self.law = law
