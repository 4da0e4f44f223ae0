"""One HTTP client for all web connectors: time-outs, retries of outages, errors in the hub's three groups."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import urlsplit

import requests
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from connectors.base import Connection
from connectors.errors import RetryError, StopError

__all__ = ["ATTEMPTS", "FIRST_PAUSE", "LONGEST_PAUSE", "Http", "base_url"]

T = TypeVar("T")

ATTEMPTS: Final = 5
"""How often one request is tried."""

FIRST_PAUSE: float = 0.5
"""Seconds before the second try; each later pause is twice as long, with as much jitter."""

LONGEST_PAUSE: Final = 60.0
"""No pause is longer; who asks for more by `Retry-After` is left: the runner's own retry waits better than we do."""

_TIMEOUT: Final = (10, 120)
_LONGEST_TOLD: Final = 366 * 86_400.0
"""Seconds; a server that asks for more means never."""

_log = logging.getLogger(__name__)


class _OutageError(RetryError):
    """A failure worth another try; `pause` is what the server asked for, in seconds."""

    pause: float = 0.0


def base_url(connection: Connection) -> str:
    """Return a connection's place without a closing slash.

    Raises:
        StopError: It is no http(s) URL.
    """
    parts = urlsplit(connection.place)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise StopError(
            f"connection {connection.where}",
            "a place that is no web address",
            "http://host[:port]/path or https://…",
            "correct the place's variable named in connectors/systems/" + connection.system + ".yml",
        )
    return connection.place.rstrip("/")


class Http:
    """A session with one server, closed at the end of a `with`.

    Args:
        where: How errors and log lines name the server; never its address.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._session = requests.Session()
        # At DEBUG the library logs whole addresses, and a query may name a person or hold a token.
        logging.getLogger("urllib3").setLevel(logging.INFO)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def send(
        self,
        method: str,
        url: str,
        parse: Callable[[requests.Response], T],
        handed_back: Collection[int] = (),
        before_try: Callable[[], None] | None = None,
        **parts: Any,
    ) -> T:
        """Send one request, up to `ATTEMPTS` times, and return what `parse` makes of the answer.

        Args:
            method: GET or POST; only a GET without `auth` follows redirects, so that no signed request goes to another
                server.
            url: Where to.
            parse: Reads the answer; a `ValueError` from it means a broken answer, which is tried again.
            handed_back: Statuses beside 2xx that `parse` understands.
            before_try: Called before every try, the repeated ones too; what it raises ends the sending.
            **parts: `params`, `json`, `headers`, `auth` as `requests` takes them; `auth` signs every try anew.

        Raises:
            RetryError: No connection, a time-out, 429, 5xx or a broken answer, each time. Or the server asks to
                be left alone for longer than we wait, which ends the sending at once.
            StopError: Any other status.
        """
        retrying = Retrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=_pause,
            retry=retry_if_exception_type(_OutageError),
            before_sleep=self._note,
            reraise=True,
        )
        answer: T = retrying(self._once, method, url, parse, handed_back, before_try, parts)
        return answer

    def _once(
        self,
        method: str,
        url: str,
        parse: Callable[[requests.Response], T],
        handed_back: Collection[int],
        before_try: Callable[[], None] | None,
        parts: dict[str, Any],
    ) -> T:
        if before_try is not None:
            before_try()
        redirected = method == "GET" and parts.get("auth") is None
        try:
            answer = self._session.request(method, url, timeout=_TIMEOUT, allow_redirects=redirected, **parts)
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema):
            raise self._refused("an address that cannot be asked") from None
        except requests.RequestException as error:
            raise self._outage(f"no whole answer ({type(error).__name__})") from None
        if answer.status_code == requests.codes.too_many_requests or answer.status_code >= 500:
            raise self._unwilling(answer)
        if not 200 <= answer.status_code < 300 and answer.status_code not in handed_back:
            raise self._refused(f"HTTP {answer.status_code}")
        try:
            return parse(answer)
        except (ValueError, RecursionError):
            raise self._outage("an answer that is not whole or not of the agreed form") from None

    def _unwilling(self, answer: requests.Response) -> RetryError:
        pause, came = _retry_after(answer), f"HTTP {answer.status_code}"
        if pause <= LONGEST_PAUSE:
            return self._outage(came, pause)
        when = datetime.now(UTC) + timedelta(seconds=pause)
        return RetryError(
            self._where,
            f"{came}, and the server asks to be left alone for {pause:.0f} seconds",
            f"a pause of at most {LONGEST_PAUSE:.0f} seconds",
            f"run again after {when:%Y-%m-%dT%H:%M:%SZ}",
        )

    def _outage(self, came: str, pause: float = 0.0) -> _OutageError:
        error = _OutageError(self._where, came, "a whole answer", "run again later; if it stays, ask the department")
        error.pause = pause
        return error

    def _refused(self, came: str) -> StopError:
        return StopError(
            self._where,
            came,
            "HTTP 200",
            "check place, path, service and credentials with the department",
        )

    def _note(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        came = error.came if isinstance(error, _OutageError) else "an outage"
        _log.warning("%s: try %d of %d: %s", self._where, state.attempt_number, ATTEMPTS, came)


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.pause if isinstance(error, _OutageError) else 0.0
    ours = wait_exponential_jitter(multiplier=FIRST_PAUSE, max=LONGEST_PAUSE, jitter=FIRST_PAUSE)(state)
    return min(max(asked, ours), LONGEST_PAUSE)


def _retry_after(answer: requests.Response) -> float:
    """Seconds the server asks to wait: a number or a date (RFC 9110, 10.2.3)."""
    value = answer.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value), _LONGEST_TOLD)
    try:
        return min(max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()), _LONGEST_TOLD)
    except (TypeError, ValueError, OverflowError):
        return 0.0
