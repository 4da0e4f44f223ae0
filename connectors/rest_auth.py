"""How calls prove who calls: the kinds of a connection's option `auth`; the secret is never among the options."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

import requests
from requests.auth import AuthBase, HTTPBasicAuth

from connectors.auth_options import (
    BasicKind,
    HeaderKind,
    Kind,
    OAuth2Kind,
    PlatformKind,
    QueryKind,
    RestConnection,
    SortedKind,
    WebConnection,
    secret_fault,
)
from connectors.base import Connection
from connectors.errors import StopError
from connectors.http import Http, base_url
from connectors.options import connection_options
from connectors.rest_answers import Answer
from connectors.rest_oauth import HeaderSigner, OAuth2
from connectors.rest_platform import NationalPlatform
from connectors.rest_sorted import SortedSigner

__all__ = ["Auth", "auth_of"]


class Auth(Protocol):
    """One way of signing calls.

    Attributes:
        handed_back: Statuses beside 2xx after which the credentials are fetched anew, once.
        parameters: Query parameters that the signature adds; a next link that repeats them is followed without.
        defaults: Options of a pull where this kind implies them.
    """

    handed_back: Collection[int]
    parameters: Collection[str]
    defaults: Mapping[str, Any]

    def signer(self, http: Http, service: str, *, renew: bool) -> AuthBase | None:
        """Return what signs a request; with `renew`, after fetching new credentials."""

    def stale(self, answer: Answer) -> bool:
        """Whether an answer means that the credentials have ended."""


def auth_of(connection: Connection) -> Auth:
    """Return how a connection signs.

    Raises:
        StopError: Its options are wrong, or there is a secret and no use for it, or a use and no secret.
    """
    model = RestConnection if connection.kind == "rest" else WebConnection
    kind = connection_options(model, connection).signing
    fault = secret_fault(kind, has_secret=bool(connection.secret))
    if fault is not None:
        came, _, allowed = fault.partition("; allowed: ")
        do = f"correct it in connectors/systems/{connection.system}.yml"
        raise StopError(f"connection {connection.where}", came, allowed, do)
    return _made(kind, connection)


def _made(kind: Kind, connection: Connection) -> Auth:
    where, base, secret = f"connection {connection.where}", base_url(connection), connection.secret
    match kind:
        case HeaderKind():
            return _Fixed(HeaderSigner(kind.name, kind.prefix + secret))
        case QueryKind():
            return _Fixed(_Query(kind.name, secret), (kind.name,))
        case BasicKind():
            return _Fixed(HTTPBasicAuth(kind.user.encode(), secret.encode()))
        case SortedKind():
            own = (kind.app_key_name, kind.timestamp_name, kind.nonce_name, kind.sign_name)
            return _Fixed(SortedSigner(kind, secret), own if kind.sent_in == "parameters" else ())
        case OAuth2Kind():
            return OAuth2(where, base, kind, secret)
        case PlatformKind():
            return NationalPlatform(where, base, secret, kind.requester_id, kind.secret_path)
        case _:
            return _Fixed(None)


class _Fixed:
    """Credentials that do not end."""

    handed_back: Collection[int] = ()
    defaults: Mapping[str, Any] = {}

    def __init__(self, signer: AuthBase | None, parameters: Collection[str] = ()) -> None:
        self._signer = signer
        self.parameters = parameters

    def signer(self, http: Http, service: str, *, renew: bool) -> AuthBase | None:
        return self._signer

    def stale(self, answer: Answer) -> bool:
        return False


class _Query(AuthBase):
    def __init__(self, name: str, value: str) -> None:
        self._name, self._value = name, value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.prepare_url(request.url, {self._name: self._value})
        return request
