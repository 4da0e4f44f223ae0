"""Options of web connections: how calls prove who calls. The secret itself is never among them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field, ValidationInfo, field_validator

from connectors.options import Options, quoted

__all__ = [
    "PLATFORM_PULL",
    "BasicKind",
    "HeaderKind",
    "Kind",
    "NoneKind",
    "OAuth2Kind",
    "PlatformKind",
    "QueryKind",
    "RestConnection",
    "SortedKind",
    "WebConnection",
    "implied",
    "secret_fault",
    "time_format",
]

PLATFORM_PULL: Final[Mapping[str, Any]] = MappingProxyType(
    {"method": "POST", "paging": "page", "records": "data.list", "total": "data.total", "code": "code"}
)
"""Options of a pull that the national platform implies."""


def time_format(text: str, *also: str) -> str:
    """Return a strftime format, or one of a few words beside it.

    Raises:
        ValueError: It is neither.
    """
    if text not in also and not any(f"%{letter}" in text for letter in "YyFDcsxmjT"):
        raise ValueError(
            f"{quoted(text)} writes no time; allowed: {', '.join((*also, 'a format as %Y-%m-%d %H:%M:%S'))}"
        )
    return text


class NoneKind(Options):
    """Everybody may call."""

    kind: Literal["none"] = "none"


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


class OAuth2Kind(Options):
    """Client credentials, RFC 6749 section 4.4; the client proves itself in a header or in the body (2.3.1)."""

    kind: Literal["oauth2"]
    token_path: str = Field(min_length=1)
    client_id: str = Field(min_length=1)
    scope: str = ""
    client_in: Literal["header", "body"] = "header"


class SortedKind(Options):
    """A digest over all parameters, sorted by name, as province gateways ask for it.

    Attributes:
        app_key: The caller's name at the gateway.
        digest, upper: Algorithm, and whether its hexadecimal is in capitals.
        template: What is digested; `{parameters}` is `a=1&b=2`, parameters without a value left out.
        sent_in: The four own values go into headers or stand beside the other parameters.
        time: `ms` or `s` since 1970, or a strftime format in China's time.
    """

    kind: Literal["sorted_parameters"]
    app_key: str = Field(min_length=1)
    digest: Literal["MD5", "SHA-256", "SM3"] = "SM3"
    upper: bool = False
    template: str = Field(default="{parameters}&key={secret}", pattern=r"\{parameters\}")
    sent_in: Literal["header", "parameters"] = "header"
    time: str = "ms"
    app_key_name: str = "appKey"
    timestamp_name: str = "timestamp"
    nonce_name: str = "nonce"
    sign_name: str = "sign"

    @field_validator("time")
    @classmethod
    def _is_a_format(cls, value: str) -> str:
        return time_format(value, "ms", "s")


class PlatformKind(Options):
    """The national exchange platform."""

    kind: Literal["national_platform"] = "national_platform"
    requester_id: str = Field(min_length=1)
    secret_path: str = Field(min_length=1)


Kind = Annotated[
    NoneKind | HeaderKind | QueryKind | BasicKind | OAuth2Kind | SortedKind | PlatformKind,
    Field(discriminator="kind"),
]


class WebConnection(Options):
    """What a web service needs beside its address."""

    page: ClassVar[str] = "docs/connectors/rest.md"
    auth: Kind = NoneKind()

    @property
    def signing(self) -> Kind:
        """How calls are signed."""
        return self.auth


class RestConnection(WebConnection):
    """The same; one that names `requester_id` and no `auth` is the national platform."""

    requester_id: str | None = Field(default=None, min_length=1)
    secret_path: str | None = Field(default=None, min_length=1, validate_default=True)

    @field_validator("requester_id", "secret_path")
    @classmethod
    def _of_the_platform_alone(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and not isinstance(info.data.get("auth", NoneKind()), NoneKind):
            raise ValueError("belongs to the national platform; within `auth` it stands under that")
        if info.field_name == "secret_path" and (value is None) != (info.data.get("requester_id") is None):
            raise ValueError("stands beside `requester_id`: the national platform needs both")
        return value

    @property
    def signing(self) -> Kind:
        """How calls are signed."""
        if self.requester_id is None or self.secret_path is None:
            return self.auth
        return PlatformKind(requester_id=self.requester_id, secret_path=self.secret_path)


def implied(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the options of a pull that a connection's own imply, as far as these are right."""
    auth = options.get("auth")
    kind = auth.get("kind") if isinstance(auth, Mapping) else None
    is_platform = kind == "national_platform" or (auth is None and "requester_id" in options)
    return PLATFORM_PULL if is_platform else {}


def secret_fault(signing: Kind, *, has_secret: bool) -> str | None:
    """Say that there is a secret and no use for it, or a use and no secret; None where all is well."""
    if isinstance(signing, NoneKind) != has_secret:
        return None
    if has_secret:
        return "a secret that auth 'none' has no use for; allowed: a secret where auth is another, and only there"
    return f"no secret for auth {signing.kind!r}; allowed: a secret where auth is another than 'none'"
