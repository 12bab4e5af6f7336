"""Law of a tracking server's address: http or https, and no credentials in it."""

from typing import Final
from urllib.parse import urlsplit

LAW: Final = "must be an address such as https://mlflow.example.org or http://10.0.0.5:5000"


def mistake(address: str) -> str:
    """Return the law that an address breaks, empty if none; credentials are never part of the message.

    >>> mistake("http://127.0.0.1:5000"), mistake("https://host/mlflow")
    ('', '')
    >>> mistake("http://me:secret@host").partition(";")[0]
    'must not contain a user or a password, since descriptions are copied and logged'
    """
    if "@" in address:
        return (
            "must not contain a user or a password, since descriptions are copied and logged; remove them, and set "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD in the environment of the search"
        )
    try:
        parts = urlsplit(address)
        fine = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine or not address.isascii() or any(character.isspace() for character in address):
        return f"{LAW}, but got {address!r:.80}"
    if parts.query or parts.fragment:
        return f"{LAW}, without ? and #, but has one of them"
    return ""
