"""One call of a service: parameters placed, signed, sent, its code checked; credentials that ended are renewed once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from connectors.base import Connection
from connectors.errors import StopError
from connectors.http import Http, base_url
from connectors.rest_answers import Answer, answer_of, at_path, shown
from connectors.rest_auth import auth_of
from connectors.rest_chunks import Position
from connectors.rest_options import Call
from connectors.rest_paging import nested

__all__ = ["Caller"]


class Caller:
    """Calls the services of one connection; credentials are kept between calls.

    Args:
        connection: `place` is the services' address; option `auth` says how calls are signed.

    Raises:
        StopError: The place is no web address, or `auth` is wrong.
    """

    def __init__(self, connection: Connection) -> None:
        self._where = f"connection {connection.where}"
        self._base = base_url(connection)
        self.auth = auth_of(connection)

    def address(self, call: Call) -> str:
        """Return where a call goes, for links to be told from it; never shown."""
        return f"{self._base}/{call.path.lstrip('/')}"

    def call(
        self,
        http: Http,
        call: Call,
        values: Mapping[str, Any],
        at: Position | None = None,
        headers: Mapping[str, str] | None = None,
        before_try: Callable[[], None] | None = None,
    ) -> Answer:
        """Call a service.

        Args:
            http: The session.
            call: Where and how.
            values: Parameters beside the constant ones.
            at: A link's position, whose path and query are taken instead of the call's own.
            headers: Headers beside those of the signature.
            before_try: As in `Http.send`.

        Raises:
            RetryError: The service is away.
            StopError: It refuses the call.
        """
        url, parts = self._parts(call, values, at)
        for renew in (False, True):
            answer = http.send(
                call.method,
                url,
                answer_of,
                handed_back=self.auth.handed_back,
                before_try=before_try,
                headers={"Accept": "application/json", **(headers or {})},
                auth=self.auth.signer(http, call.service, renew=renew),
                **parts,
            )
            if not self.auth.stale(answer):
                return self._accepted(call, answer)
        code = at_path(answer.body, call.code or "code")
        told = f"code {shown(code)}" if isinstance(code, str) else f"HTTP {answer.status}"
        raise self._refused(f"{call.title} answers {told} even with a fresh secret")

    def _parts(self, call: Call, values: Mapping[str, Any], at: Position | None) -> tuple[str, dict[str, Any]]:
        if at is not None and "query" in at:
            parts = urlsplit(self._base)
            return f"{parts.scheme}://{parts.netloc}{at['path']}", {"params": [tuple(pair) for pair in at["query"]]}
        values = {**call.params, **values}
        if call.sent_as == "json":
            try:
                return self.address(call), {"json": nested(values)}
            except ValueError as error:
                raise StopError(
                    call.title,
                    f"parameter {error} is both a value and an object",
                    "names of which none is the beginning of another",
                    "correct the names in the contract's pull",
                ) from None
        flat = {name: str(value).lower() if isinstance(value, bool) else value for name, value in values.items()}
        return self.address(call), {"params" if call.sent_as == "query" else "data": flat}

    def _accepted(self, call: Call, answer: Answer) -> Answer:
        if call.code:
            code = at_path(answer.body, call.code)
            code = str(code).lower() if isinstance(code, bool) else code
            if not isinstance(code, str) or code not in call.ok_codes:
                raise self._refused(f"{call.title} answers code {shown(code)}")
        return answer

    def _refused(self, came: str) -> StopError:
        return StopError(
            self._where,
            came,
            "a code of success",
            "check secret, service and rights, and the address allowed to call, with the department",
        )
