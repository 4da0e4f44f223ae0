"""The signature of the national exchange platform (国家数据共享交换平台): HMAC with a secret that it renews."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Collection, Mapping
from typing import Any, Final

import requests
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from requests.auth import AuthBase

from connectors.auth_options import PLATFORM_PULL
from connectors.errors import StopError
from connectors.http import Http
from connectors.rest_answers import Answer, answer_of, at_path, shown

__all__ = ["NationalPlatform", "decrypt_secret", "sign"]

_STALE: Final = ("40102", "401")
_MARGIN_MS: Final = 30_000
"""A secret this close to its end is fetched anew: a page may take that long."""


def sign(service: str, requester: str, moment: str, key: str) -> str:
    """Return `base64(HMAC-SHA256(key, service + requester + moment))`, the header `gjgxjhpt_sign`.

    Args:
        service: `gjgxjhpt_sid`.
        requester: `gjgxjhpt_rid`.
        moment: `gjgxjhpt_rtime`, milliseconds since 1970 as text.
        key: The appkey when the secret is asked for, else the secret.
    """
    digest = hmac.new(key.encode(), f"{service}{requester}{moment}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def decrypt_secret(sealed: str, appkey: str) -> str:
    """Return the secret the platform sealed: base64 of AES-ECB with PKCS#7, keyed by the appkey.

    Raises:
        ValueError: It was not sealed with this appkey, or the appkey has not 16, 24 or 32 bytes.
    """
    try:
        decryptor = Cipher(algorithms.AES(appkey.encode()), modes.ECB()).decryptor()  # noqa: S305  the platform's own choice
        padded = decryptor.update(base64.b64decode(sealed, validate=True)) + decryptor.finalize()
        unpadder = PKCS7(algorithms.AES.block_size).unpadder()
        return (unpadder.update(padded) + unpadder.finalize()).decode()
    except (ValueError, binascii.Error) as error:
        raise ValueError("not sealed with this appkey") from error


class _Signature(AuthBase):
    """Signs each try of a request at its own moment: the platform refuses an old one."""

    def __init__(self, service: str, requester: str, key: str) -> None:
        self._service, self._requester, self._key = service, requester, key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        moment = str(time.time_ns() // 1_000_000)
        request.headers.update(
            {
                "gjgxjhpt_rid": self._requester,
                "gjgxjhpt_sid": self._service,
                "gjgxjhpt_rtime": moment,
                "gjgxjhpt_sign": sign(self._service, self._requester, moment, self._key),
            }
        )
        return request


class NationalPlatform:
    """Signs with the secret of a service, kept between calls and fetched anew before it ends.

    Args:
        where: The connection as errors name it.
        base: The platform's address.
        appkey: The connection's secret.
        requester: `gjgxjhpt_rid`.
        secret_path: Where the platform gives secrets.
    """

    handed_back: Collection[int] = (401,)
    parameters: Collection[str] = ()
    defaults: Mapping[str, Any] = PLATFORM_PULL

    def __init__(self, where: str, base: str, appkey: str, requester: str, secret_path: str) -> None:
        self._where, self._base, self._appkey = where, base, appkey
        self._requester, self._secret_path = requester, secret_path
        self._secret: dict[str, tuple[str, int]] = {}

    def signer(self, http: Http, service: str, *, renew: bool) -> AuthBase:
        """Return what signs a call of a service.

        Raises:
            RetryError: The platform is away.
            StopError: It gives no secret, or one that this appkey does not open; or no service is named.
        """
        if not service:
            raise StopError(
                self._where,
                "option 'service' is not set",
                "the service's id at the platform",
                "set it in the contract's pull",
            )
        if renew or self._secret.get(service, ("", 0))[1] - _MARGIN_MS <= time.time() * 1000:
            self._secret[service] = self._fetch(http, service)
        return _Signature(service, self._requester, self._secret[service][0])

    def stale(self, answer: Answer) -> bool:
        """Whether the platform no longer takes the secret."""
        return answer.status == requests.codes.unauthorized or str(at_path(answer.body, "code")) in _STALE

    def _fetch(self, http: Http, service: str) -> tuple[str, int]:
        answer = http.send(
            "POST",
            f"{self._base}/{self._secret_path.lstrip('/')}",
            answer_of,
            handed_back=self.handed_back,
            json={},
            auth=_Signature(service, self._requester, self._appkey),
        )
        code = str(at_path(answer.body, "code")) if answer.status != requests.codes.unauthorized else "401"
        if code != "0":
            raise self._refused(f"the secret's address answers code {shown(code)}")
        try:
            data = answer.body["data"]
            return decrypt_secret(str(data["secret"]), self._appkey), int(data["secretEndTime"])
        except (KeyError, ValueError, TypeError):
            raise self._refused("a secret that this appkey does not open") from None

    def _refused(self, came: str) -> StopError:
        return StopError(
            self._where,
            came,
            "code 0 with a secret",
            "check appkey, requester id, service id and the address allowed to call with the platform",
        )
