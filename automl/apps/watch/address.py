"""Addresses of sources and receivers: read from the environment where they are secret, shown without passwords."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from automl.study.errors import StudyError

VARIABLE: Final = "env:"
HIDDEN: Final = "***"


@dataclass(frozen=True, slots=True)
class Address:
    """A URL; its text form hides user, password and query, which may hold a token."""

    url: str = field(repr=False)

    def __str__(self) -> str:
        """Return the address for messages, logs and records.

        >>> str(Address("rtsp://admin:secret@camera:554/live?token=x")), str(Address("/data/in"))
        ('rtsp://***@camera:554/live?***', '/data/in')
        """
        if "://" not in self.url:
            return self.url
        parts = self.parts
        host = HIDDEN + "@" + parts.netloc.rpartition("@")[2] if "@" in parts.netloc else parts.netloc
        return urlunsplit((parts.scheme, host, parts.path, HIDDEN if parts.query else "", parts.fragment))

    @property
    def parts(self) -> SplitResult:
        """Return scheme, host, port, path, query and fragment."""
        return urlsplit(self.url)

    @property
    def login(self) -> tuple[str, str] | None:
        """Return user and password, None if the address has no user."""
        user = self.parts.username
        return None if user is None else (unquote(user), unquote(self.parts.password or ""))

    def without(self, text: str) -> str:
        """Return a text of another library with everything secret of this address hidden."""
        secrets = [self.url, *(part for part in (self.parts.password, self.parts.query) if part)]
        secrets += [unquote(part) for part in secrets]
        for secret in sorted(set(secrets), key=len, reverse=True):
            text = text.replace(secret, str(self) if secret == self.url else HIDDEN)
        return text


def given(text: str, *, option: str, environment: Mapping[str, str] = os.environ) -> Address:
    """Return the address that an option gives; `env:NAME` is that in the environment variable NAME.

    >>> given("env:CAMERA", option="SOURCE", environment={"CAMERA": "rtsp://a"}).url
    'rtsp://a'

    Raises:
        StudyError: the variable is not set, or the text is no URL.
    """
    name = text.removeprefix(VARIABLE)
    if name != text:
        found = environment.get(name, "")
        if not found:
            raise StudyError(f"{option}: {text} must be an environment variable, but {name} is not set; export it")
        text = found
    try:
        urlsplit(text).port  # noqa: B018  (raises for a port that is no number)
    except ValueError:
        raise StudyError(f"{option}: must be a URL with a port from 1 to 65535, but is not one") from None
    return Address(text)


def endpoint(address: Address, *, option: str, schemes: tuple[str, ...]) -> Address:
    """Return an address if it has one of some schemes, and a host.

    Raises:
        StudyError: it has not.
    """
    if address.parts.scheme not in schemes or not address.parts.hostname:
        raise StudyError(f"{option}: must be {' or '.join(schemes)}://HOST..., but got {str(address)!r}")
    return address
