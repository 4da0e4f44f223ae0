"""Small real HTTP servers on loopback: one that answers as told, the exchange platform, an OGC API Features service."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from connectors.rest import sign


@dataclass
class Asked:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Answer:
    """What goes back; a body that is no bytes is sent as JSON."""

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class WebServer:
    """Answers by `respond`, which a test sets; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.respond: Callable[[Asked], Answer] = lambda _: Answer(status=404)
        server = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                asked = Asked(self.command, parts.path, dict(parse_qsl(parts.query)), dict(self.headers), body)
                server.asked.append(asked)
                answer = server.respond(asked)
                content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                self.send_response(answer.status)
                for name, value in {"Content-Length": str(len(content)), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = _answer

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass
class Platform:
    """The national exchange platform with one service; `respond` fits a `WebServer`.

    Attributes:
        appkey: What the secret is asked for with.
        rows: What the service has.
        secret_seconds: How long a secret lives.
        withdraw_at: Page calls at which the platform no longer takes the secret it gave.
        failing_pages: Page -> how many times it answers 500.
        totals: Page -> another total than the true one.
    """

    appkey: str
    rows: list[dict[str, Any]]
    requester: str = "00000000-0000-4000-8000-000000000001"
    service: str = "s_3200000000000_0001"
    secret_seconds: float = 600
    withdraw_at: tuple[int, ...] = ()
    failing_pages: dict[int, int] = field(default_factory=dict)
    totals: dict[int, int] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)
    calls: int = 0

    def respond(self, asked: Asked) -> Answer:
        if asked.path == "/secret":
            if not self._signed(asked, self.appkey):
                return Answer({"code": "401", "message": "sign"}, 401)
            self.secrets.append(f"secret-{len(self.secrets)}")
            end = int((time.time() + self.secret_seconds) * 1000)
            return Answer({"code": 0, "data": {"secret": self._sealed(self.secrets[-1]), "secretEndTime": end}})
        self.calls += 1
        if self.calls in self.withdraw_at:
            return Answer({"code": "40102", "message": "expired"}, 401)
        if not self.secrets or not self._signed(asked, self.secrets[-1]):
            return Answer({"code": "401", "message": "sign"}, 401)
        body = json.loads(asked.body)
        page, size = body["page"], body["pageSize"]
        if self.failing_pages.get(page, 0):
            self.failing_pages[page] -= 1
            return Answer(b"oops", 500)
        total = self.totals.get(page, len(self.rows))
        return Answer({"code": "0", "data": {"total": total, "list": self.rows[(page - 1) * size : page * size]}})

    def _signed(self, asked: Asked, key: str) -> bool:
        head = {name.lower(): value for name, value in asked.headers.items()}
        moment = head["gjgxjhpt_rtime"]
        fresh = abs(time.time() * 1000 - int(moment)) < 300_000
        right = head["gjgxjhpt_sign"] == sign(self.service, self.requester, moment, key)
        return fresh and right and (head["gjgxjhpt_sid"], head["gjgxjhpt_rid"]) == (self.service, self.requester)

    def _sealed(self, secret: str) -> str:
        padder = PKCS7(128).padder()
        encryptor = Cipher(algorithms.AES(self.appkey.encode()), modes.ECB()).encryptor()  # noqa: S305
        return base64.b64encode(
            encryptor.update(padder.update(secret.encode()) + padder.finalize()) + encryptor.finalize()
        ).decode()


@dataclass
class Features:
    """One collection of an OGC API Features service; its links name a host of their own, as behind a proxy.

    Attributes:
        features: What the collection has.
        matched: What it says it has; None: it does not say.
    """

    features: list[dict[str, Any]]
    matched: int | None
    headers: dict[str, str] = field(default_factory=dict)

    def respond(self, asked: Asked) -> Answer:
        if asked.path != "/ogc/collections/bzdz/items":
            return Answer(status=404)
        limit, offset = int(asked.query["limit"]), int(asked.query.get("offset", "0"))
        part = self.features[offset : offset + limit]
        links = [{"rel": "self", "href": "https://inner.example/items"}]
        if offset + limit < len(self.features):
            query = f"limit={limit}&offset={offset + limit}"
            links.append({"rel": "next", "href": f"https://inner.example/other/path?{query}"})
        page: dict[str, Any] = {"type": "FeatureCollection", "features": part, "links": links}
        page["numberReturned"] = len(part)
        if self.matched is not None:
            page["numberMatched"] = self.matched
        return Answer(page, headers=self.headers)
