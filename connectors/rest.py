"""Kind `rest`: paged services of the national exchange platform (国家数据共享交换平台), signed as it asks."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import pyarrow as pa
import requests
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from requests.auth import AuthBase

from connectors.base import Connection, Offer, Request
from connectors.errors import RetryError, StopError
from connectors.http import Http, base_url
from connectors.rows import record_batches, regrouped

__all__ = ["RestConnector", "decrypt_secret", "sign"]

_EXPIRED: Final = "40102"
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


class RestConnector:
    """Reads bulk services page by page; the secret is kept between pages and fetched anew before it ends.

    Args:
        connection: `place` is the platform's address, `secret` the appkey; options `requester_id` and `secret_path`.

    Raises:
        StopError: The place is no web address or an option is missing.
    """

    def __init__(self, connection: Connection) -> None:
        self._where = f"connection {connection.where}"
        self._base = base_url(connection)
        self._appkey = connection.secret
        self._requester = str(connection.option("requester_id"))
        self._secret_path = str(connection.option("secret_path"))
        self._secret: dict[str, tuple[str, int]] = {}

    def offers(self, request: Request, mark: dict[str, Any] | None) -> Iterator[Offer]:
        """Offer the whole service as one batch.

        Raises:
            StopError: The mode is not `snapshot`, or `service` or `path` is missing.
        """
        request.snapshot_only("rest")
        yield _RestOffer(self, request)

    def call(self, http: Http, service: str, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Call a service and return its `data`; a secret the platform no longer takes is fetched anew, once.

        Raises:
            RetryError: The platform is away.
            StopError: It refuses the call.
        """
        for fetch in (False, True):
            if fetch or self._secret.get(service, ("", 0))[1] - _MARGIN_MS <= time.time() * 1000:
                self._secret[service] = self._fetch_secret(http, service)
            answer = self._post(http, service, path, self._secret[service][0], body)
            if answer["code"] not in (_EXPIRED, "401"):
                return self._data(answer, f"service {service}")
        raise self._refused(f"service {service} answers code {answer['code']} even with a fresh secret")

    def _fetch_secret(self, http: Http, service: str) -> tuple[str, int]:
        answer = self._post(http, service, self._secret_path, self._appkey, {})
        data = self._data(answer, "the secret's address")
        try:
            return decrypt_secret(str(data["secret"]), self._appkey), int(data["secretEndTime"])
        except (KeyError, ValueError, TypeError):
            raise self._refused("a secret that this appkey does not open") from None

    def _post(self, http: Http, service: str, path: str, key: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return http.send(
            "POST",
            f"{self._base}/{path.lstrip('/')}",
            _answer,
            handed_back=(401,),
            json=body,
            auth=_Signature(service, self._requester, key),
        )

    def _data(self, answer: Mapping[str, Any], what: str) -> Mapping[str, Any]:
        if answer["code"] != "0" or not isinstance(answer.get("data"), dict):
            raise self._refused(f"{what} answers code {answer['code']}")
        data: Mapping[str, Any] = answer["data"]
        return data

    def _refused(self, came: str) -> StopError:
        return StopError(
            self._where,
            came,
            "code 0 with data",
            "check appkey, requester id, service id and the address allowed to call with the platform",
        )


def _answer(response: requests.Response) -> dict[str, Any]:
    """Read an answer, numbers as the text they came in, so that none loses a digit; the code always as text."""
    keep: Callable[[str], str] = str
    answer = json.loads(response.content, parse_float=keep, parse_int=keep, parse_constant=keep)
    if not isinstance(answer, dict):
        raise ValueError("no object")
    code = str(answer.get("code"))
    return {**answer, "code": "401" if response.status_code == 401 and code != _EXPIRED else code}


class _RestOffer(Offer):
    """All pages of one service."""

    def __init__(self, connector: RestConnector, request: Request) -> None:
        self._connector = connector
        self._request = request
        self._service = str(request.option("service"))
        self._path = str(request.option("path"))
        self._page_size = int(request.options.get("page_size", 1000))
        self._where = f"{request.tail}, service {self._service}"
        self.name = f"{self._service} all pages"

    def read(self) -> Iterator[pa.RecordBatch]:
        """Stream all pages as text; see `Offer.read`."""
        with Http(self._where) as http:
            yield from regrouped(record_batches(self._records(http), self._request.fields, self._where))

    def _records(self, http: Http) -> Iterator[Mapping[str, Any]]:
        seen, page = 0, 1
        total = None
        while total is None or seen < total:
            body = {"page": page, "pageSize": self._page_size}
            data = self._connector.call(http, self._service, self._path, body)
            now, records = self._page(data)
            if total is not None and now != total:
                raise self._moved(f"the total went from {total} to {now} at page {page}")
            self.expected_rows = total = now
            if not records and seen < total:
                raise self._moved(f"page {page} is empty after {seen} of {total} rows")
            yield from records
            seen, page = seen + len(records), page + 1
        if seen != total:
            raise self._moved(f"{seen} rows came where the total is {total}")

    def _page(self, data: Mapping[str, Any]) -> tuple[int, list[Mapping[str, Any]]]:
        records, total = data.get("list") or [], data.get("total")
        if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
            raise self._malformed("no `list` of objects")
        if not isinstance(total, str) or not total.isdigit():
            raise self._malformed("no whole number as `total`")
        return int(total), records

    def _malformed(self, came: str) -> StopError:
        return StopError(
            self._where, came, '{"total": n, "list": [{…}]}', "agree the service's answer with its department"
        )

    def _moved(self, came: str) -> RetryError:
        return RetryError(self._where, came, "one total for all pages", "pull again; the service changed meanwhile")
