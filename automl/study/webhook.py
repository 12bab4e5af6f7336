"""Law of a webhook's address: nothing secret in it, since a description is copied to folder, report and registry."""

import re
import shlex
from typing import Final
from urllib.parse import urlsplit

LAW: Final = "must be an address such as https://chat.example.org/alarm, $NAME of a variable, or file:/absolute/path"
REMEDY: Final = (
    "write the address to a variable of the search's environment or to a file that only you can read, and set "
    "notify.webhook to $NAME or file:/path"
)
VARIABLE: Final = re.compile(r"\$[A-Za-z_]\w*")
TOKEN: Final = re.compile(r"(?=[^/]*\d)(?=[^/]*[A-Za-z])[\w-]{16,}")
"""A part of a path that mixes letters and digits in this length is taken for a token."""


def mistake(address: str) -> str:
    """Return the law that an address breaks, empty if none; what may be a secret is never part of the message.

    >>> mistake("$AUTOML_WEBHOOK"), mistake("file:/run/secrets/webhook"), mistake("http://10.0.0.5:9000/alarm")
    ('', '', '')
    >>> mistake("https://hooks.example.org/T0/9f8e7d6c5b4a39281706").partition(";")[0]
    'must not contain a token, since descriptions are copied and logged'
    """
    if VARIABLE.fullmatch(address) or re.fullmatch(r"file:/.+", address):
        return ""
    try:
        parts = urlsplit(address)
        fine = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine or not address.isascii() or any(character.isspace() for character in address):
        return LAW
    if "@" in address or parts.query or parts.fragment or TOKEN.search(parts.path):
        return f"must not contain a token, since descriptions are copied and logged; {REMEDY}"
    return ""


def command_mistake(command: str) -> str:
    """Return the law that a command breaks, empty if none.

    >>> command_mistake("mail -s 'a study' me"), command_mistake("mail 'me")
    ('', 'must be a command line, but a quotation mark is not closed')
    """
    try:
        return "" if shlex.split(command) else "must be a command line, but is empty"
    except ValueError:
        return "must be a command line, but a quotation mark is not closed"
