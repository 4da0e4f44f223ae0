"""The market regulation service: paged legal entities, signed as the national exchange platform signs its services.

Once in each process it answers HTTP 500 twice and withdraws a secret early, as such services do.
"""

import base64
import hashlib
import hmac
import math
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import orjson
import pyarrow as pa
import yaml
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, Field, ValidationError

ROOT = Path(__file__).resolve().parents[1]
MAX_PAGE_SIZE = 5000
SECRET_SECONDS = 600
CLOCK_TOLERANCE_SECONDS = 300
EARLY_END_CALLS = 2
PAGE_FAILURES = 2


class PageRequest(BaseModel):
    """The JSON body of a service call; pages count from 1."""

    page: int = Field(default=1, ge=1)
    page_size: int = Field(default=1000, ge=1, le=MAX_PAGE_SIZE, alias="pageSize")


class Refusal(Exception):
    """An answer other than success: HTTP status, the platform's code, and a message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        """Keep the three parts of the answer."""
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass(frozen=True)
class Terms:
    """What requester and platform agreed on: identifiers and paths, as the contract and the connection state them."""

    requester_id: str
    service_id: str
    secret_path: str
    service_path: str


@dataclass
class Secret:
    """A signing key lent to a requester until a moment, in seconds since 1970."""

    value: str
    ends_at: float
    calls: int = 0


@dataclass
class Exchange:
    """The platform's memory: which secrets live, and which of its faults have been shown already.

    Attributes:
        rows: one JSON object as text for each legal entity, in order of `zch`.
        terms: the identifiers it knows; others are refused.
        appkey: 16 characters, known to both sides.
        clock: seconds since 1970.
    """

    rows: pa.ChunkedArray
    terms: Terms
    appkey: str
    clock: Callable[[], float] = time.time
    lent: deque[Secret] = field(default_factory=lambda: deque(maxlen=16))
    ended_early: bool = False
    failures: int = 0

    def lend_secret(self, request: Request) -> dict[str, object]:
        """Answer a request signed with the appkey by a new secret, encrypted with it, and its end in milliseconds.

        Raises:
            Refusal: the signature, the time or an identifier is wrong.
        """
        self._verify(request, [self.appkey])
        secret = Secret(secrets.token_hex(16), self.clock() + SECRET_SECONDS)
        self.lent.append(secret)
        return {"secret": encrypt(secret.value, self.appkey), "secretEndTime": round(secret.ends_at * 1000)}

    def page(self, request: Request, body: bytes) -> bytes:
        """Answer a request signed with a living secret by one page of legal entities, as JSON.

        Raises:
            Refusal: not signed, expired (code 40102), a malformed body, or one of the faults of this process.
        """
        value = self._verify(request, [secret.value for secret in self.lent])
        self._use(next(secret for secret in self.lent if secret.value == value))
        try:
            asked = PageRequest.model_validate_json(body)
        except ValidationError as error:
            raise Refusal(400, "400", f"参数错误：page 从 1 起，pageSize 为 1 至 {MAX_PAGE_SIZE}") from error
        total = len(self.rows)
        self._fail_on_last_page(asked, total)
        rows = ",".join(self.rows.slice((asked.page - 1) * asked.page_size, asked.page_size).to_pylist())
        head = f'"total":{total},"page":{asked.page},"pageSize":{asked.page_size}'
        return f'{{"code":"0","data":{{{head},"list":[{rows}]}},"message":"ok"}}'.encode()

    def _verify(self, request: Request, keys: list[str]) -> str:
        sent = {name: request.headers.get(f"gjgxjhpt_{name}", "") for name in ("rid", "sid", "rtime", "sign")}
        if (sent["rid"], sent["sid"]) != (self.terms.requester_id, self.terms.service_id):
            raise Refusal(401, "401", "请求者标识或服务标识未登记")
        signature = sent.pop("sign").encode()
        for key in keys:
            if hmac.compare_digest(sign(sent["sid"], sent["rid"], sent["rtime"], key).encode(), signature):
                break
        else:
            raise Refusal(401, "401", "签名错误")
        if not sent["rtime"].isdecimal() or abs(self.clock() - int(sent["rtime"]) / 1000) > CLOCK_TOLERANCE_SECONDS:
            raise Refusal(401, "401", f"请求时间与服务器时间相差超过 {CLOCK_TOLERANCE_SECONDS} 秒")
        return key

    def _use(self, secret: Secret) -> None:
        if not self.ended_early and secret.calls >= EARLY_END_CALLS:
            self.ended_early, secret.ends_at = True, 0
        if self.clock() >= secret.ends_at:
            raise Refusal(401, "40102", "密钥已过期，请重新获取")
        secret.calls += 1

    def _fail_on_last_page(self, asked: PageRequest, total: int) -> None:
        if self.failures < PAGE_FAILURES and asked.page == max(1, math.ceil(total / asked.page_size)):
            self.failures += 1
            raise Refusal(500, "500", "服务内部错误，请稍后重试")


def sign(service_id: str, requester_id: str, time_ms: str, key: str) -> str:
    """Sign a call: base64 of HMAC-SHA256 over service id, requester id and time (milliseconds since 1970)."""
    digest = hmac.new(key.encode(), f"{service_id}{requester_id}{time_ms}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def encrypt(secret: str, appkey: str) -> str:
    """Encrypt a secret as the platform sends it: AES in ECB mode with PKCS7 padding, keyed by the appkey, base64."""
    padder = PKCS7(128).padder()
    padded = padder.update(secret.encode()) + padder.finalize()
    encryptor = Cipher(algorithms.AES(appkey.encode()), modes.ECB()).encryptor()  # noqa: S305  fixed by the platform
    return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()


def agreed_terms(root: Path = ROOT) -> Terms:
    """Read identifiers and paths from the connection and the contract of `market_regulation/legal_entity`."""
    system = yaml.safe_load((root / "connectors/systems/market_regulation.yml").read_text("utf-8"))
    contract = yaml.safe_load((root / "schemas/sources/market_regulation/legal_entity.yml").read_text("utf-8"))
    options = system["connections"]["exchange_platform"]["options"]
    pull = next(item["value"] for item in contract["customProperties"] if item["property"] == "pull")
    return Terms(options["requester_id"], pull["service"], options["secret_path"], pull["path"])


def read_rows(path: Path) -> pa.ChunkedArray:
    """Read `legal_entity.parquet` as JSON texts in order of `zch`, written once so that a page is only a join."""
    with duckdb.connect() as connection:
        query = "SELECT to_json(entity)::VARCHAR AS text FROM read_parquet($1) entity ORDER BY zch"
        return connection.sql(query, params=[str(path)]).to_arrow_table().column("text")


def create_app(exchange: Exchange) -> FastAPI:
    """Build the HTTP service with the two endpoints of the terms, both POST."""
    app = FastAPI(title="市场主体登记信息服务", docs_url=None, redoc_url=None)

    @app.exception_handler(Refusal)
    async def refuse(_: Request, refusal: Refusal) -> Response:
        content = {"code": refusal.code, "data": None, "message": refusal.message}
        return Response(orjson.dumps(content), refusal.status, media_type="application/json")

    @app.post(exchange.terms.secret_path)
    async def secret(request: Request) -> Response:
        content = {"code": "0", "data": exchange.lend_secret(request), "message": "ok"}
        return Response(orjson.dumps(content), media_type="application/json")

    @app.post(exchange.terms.service_path)
    async def legal_entities(request: Request) -> Response:
        return Response(exchange.page(request, await request.body()), media_type="application/json")

    return app
