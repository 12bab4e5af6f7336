"""RequestError: a rejected request, with its HTTP status code."""


class RequestError(Exception):
    """A request that breaks a law; the message names the law and the given value."""

    def __init__(self, code: int, law: str) -> None:
        super().__init__(law)
        self.code = code
        self.law = law
