"""OAuth 2.0 client credentials (RFC 6749, 4.4): a token fetched with the connection's secret, kept and renewed."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import Any, Final

import requests
from oauthlib.oauth2 import BackendApplicationClient, OAuth2Error
from requests.auth import AuthBase, HTTPBasicAuth

from connectors.auth_options import OAuth2Kind
from connectors.errors import StopError
from connectors.http import Http
from connectors.rest_answers import Answer, shown

__all__ = ["HeaderSigner", "OAuth2"]

_MARGIN_SECONDS: Final = 30
"""A token this close to its end is fetched anew."""


class HeaderSigner(AuthBase):
    """Sets one header."""

    def __init__(self, name: str, value: str) -> None:
        self._name, self._value = name, value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign one try."""
        request.headers[self._name] = self._value
        return request


class OAuth2:
    """A token by client credentials, kept until shortly before its end."""

    handed_back: Collection[int] = (401,)
    parameters: Collection[str] = ()
    defaults: Mapping[str, Any] = {}

    def __init__(self, where: str, base: str, kind: OAuth2Kind, secret: str) -> None:
        self._where, self._kind, self._secret = where, kind, secret
        self._url = f"{base}/{kind.token_path.lstrip('/')}"
        self._token, self._end = "", 0.0

    def signer(self, http: Http, service: str, *, renew: bool) -> AuthBase:
        """Return what adds the token; one that has ended is fetched anew.

        Raises:
            RetryError: The token's address is away.
            StopError: It gives no token.
        """
        if renew or not self._token or self._end - _MARGIN_SECONDS <= time.time():
            self._token, self._end = self._fetch(http)
        return HeaderSigner("Authorization", f"Bearer {self._token}")

    def stale(self, answer: Answer) -> bool:
        """Whether the token is no longer taken."""
        return bool(answer.status == requests.codes.unauthorized)

    def _fetch(self, http: Http) -> tuple[str, float]:
        kind = self._kind
        client = BackendApplicationClient(kind.client_id, scope=kind.scope or None)
        apart = kind.client_in == "header"
        own = {} if apart else {"include_client_id": True, "client_secret": self._secret}
        return http.send(
            "POST",
            self._url,
            lambda response: self._token_of(client, response),
            handed_back=(400, 401),
            data=client.prepare_request_body(**own),
            headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
            auth=HTTPBasicAuth(kind.client_id.encode(), self._secret.encode()) if apart else None,
        )

    def _token_of(self, client: BackendApplicationClient, response: requests.Response) -> tuple[str, float]:
        if response.status_code == requests.codes.ok and not isinstance(response.json(), dict):
            raise ValueError("no object")
        try:
            token = client.parse_request_body_response(response.text)
            text, end = str(token["access_token"]), float(token.get("expires_at") or "inf")
        except OAuth2Error as error:
            raise self._refused(f"the token's address answers {shown(error.error)}") from None
        except (ValueError, TypeError, AttributeError, KeyError, OverflowError, RecursionError):
            raise self._refused("the token's address answers no token") from None
        if response.status_code != requests.codes.ok or not (text.isascii() and text.isprintable() and text):
            raise self._refused("the token's address answers no token")
        return text, end

    def _refused(self, came: str) -> StopError:
        return StopError(
            self._where,
            came,
            "a token (RFC 6749, 5.1)",
            "check token_path, client_id, secret and scope with the department",
        )
