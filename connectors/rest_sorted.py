"""Signatures over all parameters sorted by name (MD5, SHA-256, SM3), as province gateways ask for them."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import requests
from cryptography.hazmat.primitives import hashes
from requests.auth import AuthBase

from connectors.auth_options import SortedKind
from connectors.rest_options import CHINA

__all__ = ["SortedSigner", "signature"]

_DIGESTS: Final[Mapping[str, Callable[[], hashes.HashAlgorithm]]] = {
    "MD5": hashes.MD5,
    "SHA-256": hashes.SHA256,
    "SM3": hashes.SM3,
}


def signature(parameters: Mapping[str, str], secret: str, digest: str, template: str) -> str:
    """Return the digest, in hexadecimal, of the template filled with the sorted parameters and the secret.

    Args:
        parameters: Name -> value; one without a value is left out.
        secret: Stands for `{secret}`.
        digest: `MD5`, `SHA-256` or `SM3`.
        template: Has `{parameters}`, once.
    """
    joined = "&".join(f"{name}={parameters[name]}" for name in sorted(parameters) if parameters[name] != "")
    before, _, behind = template.partition("{parameters}")
    hashed = hashes.Hash(_DIGESTS[digest]())
    hashed.update((before.replace("{secret}", secret) + joined + behind.replace("{secret}", secret)).encode())
    return hashed.finalize().hex()


class SortedSigner(AuthBase):
    """Signs each try at its own moment with a nonce of its own."""

    def __init__(self, kind: SortedKind, secret: str) -> None:
        self._kind, self._secret = kind, secret

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign one try."""
        kind = self._kind
        own = {
            kind.app_key_name: kind.app_key,
            kind.timestamp_name: _moment(kind.time),
            kind.nonce_name: uuid.uuid4().hex,
        }
        body = _body(request)
        values = {**_query(request), **{name: _scalar(value) for name, value in body.items()}, **own}
        signed = signature(values, self._secret, kind.digest, kind.template)
        own[kind.sign_name] = signed.upper() if kind.upper else signed
        if kind.sent_in == "header":
            request.headers.update(own)
        elif request.body is None:
            request.prepare_url(request.url, own)
        elif _is_json(request):
            request.prepare_body(None, None, json={**body, **own})
        else:
            request.prepare_body({**body, **own}, None)
        return request


def _query(request: requests.PreparedRequest) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(str(request.url)).query, keep_blank_values=True))


def _body(request: requests.PreparedRequest) -> dict[str, Any]:
    """The parameters of a body, which is one we wrote: JSON object or form."""
    if request.body is None:
        return {}
    text = request.body.decode() if isinstance(request.body, bytes) else str(request.body)
    return dict(json.loads(text)) if _is_json(request) else dict(parse_qsl(text, keep_blank_values=True))


def _is_json(request: requests.PreparedRequest) -> bool:
    return request.headers.get("Content-Type", "").startswith("application/json")


def _scalar(value: Any) -> str:
    """A value as it is signed: text as it is, all else as compact JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _moment(form: str) -> str:
    if form in ("ms", "s"):
        return str(time.time_ns() // (1_000_000 if form == "ms" else 1_000_000_000))
    return datetime.now(CHINA).strftime(form)
