"""How calls prove who calls: the kinds of a connection's option `auth`; the secret is never among the options."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Final, Literal, Protocol

import requests
from pydantic import Field, TypeAdapter, ValidationError
from requests.auth import AuthBase, HTTPBasicAuth

from connectors.base import Connection
from connectors.errors import StopError
from connectors.http import Http, base_url
from connectors.rest_answers import Answer
from connectors.rest_oauth import HeaderSigner, OAuth2, OAuth2Kind
from connectors.rest_options import Options, faults
from connectors.rest_platform import NationalPlatform
from connectors.rest_sorted import SortedKind, SortedSigner

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


class NoneKind(Options):
    """Everybody may call."""

    kind: Literal["none"]


class HeaderKind(Options):
    """A header holds the secret, after a prefix such as `Bearer `."""

    kind: Literal["header"]
    name: str = Field(min_length=1)
    prefix: str = ""


class QueryKind(Options):
    """A query parameter holds the secret (天地图's `tk`)."""

    kind: Literal["query"]
    name: str = Field(min_length=1)


class BasicKind(Options):
    """User and password, RFC 7617."""

    kind: Literal["basic"]
    user: str = Field(min_length=1)


class PlatformKind(Options):
    """The national exchange platform."""

    kind: Literal["national_platform"]
    requester_id: str = Field(min_length=1)
    secret_path: str = Field(min_length=1)


Kind = Annotated[
    NoneKind | HeaderKind | QueryKind | BasicKind | OAuth2Kind | SortedKind | PlatformKind,
    Field(discriminator="kind"),
]
_KINDS: Final[TypeAdapter[Kind]] = TypeAdapter(Kind)


def auth_of(connection: Connection) -> Auth:
    """Return how a connection signs; one that names `requester_id` and no `auth` is the national platform.

    Raises:
        StopError: The option is wrong, or there is a secret and no use for it, or a use and no secret.
    """
    where = f"connection {connection.where}"
    do = f"correct it in connectors/systems/{connection.system}.yml"
    options = connection.options.get("auth", {"kind": "none"})
    if "auth" not in connection.options and "requester_id" in connection.options:
        given = {name: connection.option(name) for name in ("requester_id", "secret_path")}
        options = {"kind": "national_platform", **given}
    try:
        kind = _KINDS.validate_python(options)
    except ValidationError as error:
        raise StopError(where, f"auth: {faults(error)}", "the kinds of docs/connectors/rest.md", do) from None
    if isinstance(kind, NoneKind) == bool(connection.secret):
        came = "a secret that auth 'none' has no use for" if connection.secret else f"no secret for auth {kind.kind!r}"
        raise StopError(where, came, "a secret where auth is another than 'none', and only there", do)
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
