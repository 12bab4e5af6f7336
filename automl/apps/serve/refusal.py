"""RequestError: a request that is refused, with its HTTP status code."""


class RequestError(Exception):
    """A request that breaks a law; the message names the law and what came instead."""

    def __init__(self, code: int, law: str) -> None:
        super().__init__(law)
        self.code = code
        self.law = law
