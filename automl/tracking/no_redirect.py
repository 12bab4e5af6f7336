"""HTTP without redirects: a server that redirects would have what is sent, or the credentials, go to another host."""

import urllib.request
from typing import Any


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Handler by which a redirect is an error (`urllib.error.HTTPError`)."""

    def redirect_request(self, *_: Any) -> None:  # noqa: ANN401
        """Follow none."""
        return
