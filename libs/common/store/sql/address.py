"""Where a served database is: a URL with the parameters that are ours, and errors that hold none of its secrets."""

from __future__ import annotations

from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from libs.common.errors import Invalid, Unavailable

_OWN = {"pool_size": "8", "pool_wait": "10", "statement_timeout": "10"}


class Address:
    """A URL. Its parameters `pool_size` (connections at most, 8), `pool_wait` (seconds that a call waits for one, 10)
    and `statement_timeout` (seconds, 10) are ours; `parameters` are the others.
    """

    def __init__(self, url: str) -> None:
        """Reads the URL.

        Raises:
            Invalid: it is malformed.
        """
        try:
            self._parts: SplitResult = urlsplit(url)
            self.host, self.port = self._parts.hostname or "", self._parts.port
        except ValueError as error:
            raise _malformed(url, "host or port") from error
        self.parameters = dict(parse_qsl(self._parts.query))
        own = {name: _positive(url, name, self.parameters.pop(name, default)) for name, default in _OWN.items()}
        self.pool_size = int(own["pool_size"])
        self.pool_wait, self.patience = own["pool_wait"], own["statement_timeout"]
        self.user, self.password = unquote(self._parts.username or ""), unquote(self._parts.password or "")
        self.database = unquote(self._parts.path.lstrip("/"))
        if not self.host or not self.database:
            raise _malformed(url, "host and database")
        # What errors call it.
        self.place = f"{self._parts.scheme}://{self._parts.netloc.rpartition('@')[2]}{self._parts.path}"

    @property
    def driver_url(self) -> str:
        """The URL without the parameters that are ours."""
        return urlunsplit(self._parts._replace(query=urlencode(self.parameters)))

    def unavailable(self, text: str, retry_after: float | None = 1.0) -> Unavailable:
        """The error to raise, which names the place; the password is not in it."""
        for secret in {self.password, self._parts.password or ""} - {""}:
            text = text.replace(secret, "***")
        return Unavailable(f"{self.place}: {text.strip()}", retry_after=retry_after)


def _malformed(url: str, what: str) -> Invalid:
    return Invalid(f"{url.partition(':')[0]}:// URL: {what} cannot be read", reason="INVALID_STORE_URL")


def _positive(url: str, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < float("inf") or (name == "pool_size" and not value.is_integer()):
        raise _malformed(url, f"{name}, a positive number,")
    return value
