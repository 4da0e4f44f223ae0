"""The signed market regulation service, called as a requester of the exchange platform calls it."""

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st

from samples import market

TERMS = market.Terms(
    "00000000-0000-4000-8000-000000000001", "s_3200000000000_0001", "/secret", "/services/legal-entities"
)
APPKEY = "0123456789abcdef"
NOW = 1_764_547_200.0
ENTITIES = [
    {"zch": f"{number:015d}", "dwmc": f'贾汪区第{number}“便利"店㳇', "zczb": number / 4, "lxdh": None}
    for number in range(7)
]


@dataclass
class Requester:
    """A client that keeps its secret and notes every refusal."""

    app: FastAPI
    clock: Callable[[], float]
    key: str = ""
    refused: list[tuple[int, str]] = field(default_factory=list)

    def call(self, path: str, key: str, body: Any = None, **changed: str) -> httpx.Response:
        sent = {"rid": TERMS.requester_id, "sid": TERMS.service_id, "rtime": str(round(self.clock() * 1000))} | changed
        sent.setdefault("sign", market.sign(sent["sid"], sent["rid"], sent["rtime"], key))
        headers = httpx.Headers({f"gjgxjhpt_{name}": value for name, value in sent.items()}, encoding="latin-1")

        async def post() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://market") as client:
                return await client.post(path, headers=headers, json=body)

        answer = asyncio.run(post())
        if answer.status_code != 200:
            self.refused.append((answer.status_code, answer.json()["code"]))
        return answer

    def fetch_secret(self) -> dict[str, Any]:
        data = self.call(TERMS.secret_path, APPKEY).json()["data"]
        decryptor = Cipher(algorithms.AES(APPKEY.encode()), modes.ECB()).decryptor()  # noqa: S305  fixed by the platform
        padded = decryptor.update(base64.b64decode(data["secret"])) + decryptor.finalize()
        unpadder = PKCS7(128).unpadder()
        self.key = (unpadder.update(padded) + unpadder.finalize()).decode()
        return data

    def page(self, number: int, size: int) -> httpx.Response:
        return self.call(TERMS.service_path, self.key, {"page": number, "pageSize": size})

    def pull(self, size: int) -> list[dict[str, Any]]:
        """Pull every page, asking again after each refusal and for a new secret after an expired one."""
        rows: list[dict[str, Any]] = []
        number = 1
        while True:
            answer = self.page(number, size)
            if answer.status_code == 200:
                data = answer.json()["data"]
                rows += data["list"]
                if number * size >= data["total"]:
                    return rows
                number += 1
            elif self.refused[-1][1] == "40102":
                self.fetch_secret()


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    path = tmp_path / "legal_entity.parquet"
    pq.write_table(pa.Table.from_pylist(ENTITIES[::-1]), path)
    return path


@pytest.fixture
def now() -> list[float]:
    return [NOW]


@pytest.fixture
def requester(parquet: Path, now: list[float]) -> Requester:
    exchange = market.Exchange(market.read_rows(parquet), TERMS, APPKEY, clock=lambda: now[0])
    return Requester(market.create_app(exchange), lambda: now[0])


@pytest.fixture
def settled(requester: Requester) -> Requester:
    """A requester with a living secret, after the faults of a fresh process are over."""
    requester.fetch_secret()
    requester.pull(5000)
    requester.refused.clear()
    return requester


def test_signature_matches_the_platforms_vector() -> None:
    signature = market.sign(TERMS.service_id, TERMS.requester_id, "1764547200000", "test-app-secret")
    assert signature == "n/cJPpP+21xpEpDkUeoou4/J5/d1CcXU4fjua0ivua0="


def test_terms_are_those_of_contract_and_connection() -> None:
    assert market.agreed_terms() == market.Terms(
        "00000000-0000-4000-8000-000000000001", "s_3203050000000_0001", "/secret", "/services/legal-entities"
    )


def test_every_entity_arrives_once_in_order_despite_the_faults(requester: Requester) -> None:
    requester.fetch_secret()
    assert requester.pull(2) == ENTITIES
    assert sorted(requester.refused) == [(401, "40102"), (500, "500"), (500, "500")]


def test_a_single_page_shows_the_faults_too(requester: Requester) -> None:
    requester.fetch_secret()
    assert requester.pull(5000) == ENTITIES
    assert sorted(requester.refused) == [(401, "40102"), (500, "500"), (500, "500")]


def test_faults_do_not_come_back(settled: Requester) -> None:
    assert settled.pull(1) == ENTITIES
    assert settled.refused == []


def test_pages_of_any_size_join_to_the_whole(parquet: Path) -> None:
    exchange = market.Exchange(market.read_rows(parquet), TERMS, APPKEY, clock=lambda: NOW)
    requester = Requester(market.create_app(exchange), lambda: NOW)
    requester.fetch_secret()

    @settings(max_examples=20, deadline=None)
    @given(size=st.integers(1, market.MAX_PAGE_SIZE))
    def pull(size: int) -> None:
        assert requester.pull(size) == ENTITIES

    pull()


def test_secret_ends_when_it_said(settled: Requester, now: list[float]) -> None:
    ends_at = settled.fetch_secret()["secretEndTime"] / 1000
    now[0] = ends_at - 1
    assert settled.page(1, 10).status_code == 200
    now[0] = ends_at
    assert settled.page(1, 10).status_code == 401
    assert settled.refused == [(401, "40102")]


@pytest.mark.parametrize(
    ("key", "changed"),
    [
        ("wrong", {}),
        (APPKEY, {}),
        ("", {"sign": ""}),
        ("", {"sign": "ÿ"}),
    ],
    ids=["wrong key", "appkey in place of the secret", "no signature", "not ASCII"],
)
def test_wrong_signature_is_refused(settled: Requester, key: str, changed: dict[str, str]) -> None:
    assert settled.call(TERMS.service_path, key, {"page": 1, "pageSize": 1}, **changed).status_code == 401
    assert settled.refused == [(401, "401")]


@pytest.mark.parametrize("rtime", [str(round((NOW - 301) * 1000)), str(round((NOW + 301) * 1000)), "", "now", "²"])
def test_wrong_time_is_refused_though_signed(settled: Requester, rtime: str) -> None:
    answer = settled.call(TERMS.secret_path, APPKEY, rtime=rtime)
    assert (answer.status_code, answer.json()["code"]) == (401, "401")


def test_time_within_the_tolerance_is_accepted(settled: Requester) -> None:
    assert settled.call(TERMS.secret_path, APPKEY, rtime=str(round((NOW - 299) * 1000))).status_code == 200


@pytest.mark.parametrize("changed", [{"rid": "another"}, {"sid": "s_3200000000000_9999"}])
def test_unknown_requester_or_service_is_refused_though_signed(settled: Requester, changed: dict[str, str]) -> None:
    assert settled.call(TERMS.secret_path, APPKEY, **changed).json()["code"] == "401"


@pytest.mark.parametrize("body", [{"page": 0}, {"pageSize": 5001}, {"pageSize": 0}, {"page": "x"}, [], None])
def test_malformed_body_is_refused_with_what_is_allowed(settled: Requester, body: Any) -> None:
    answer = settled.call(TERMS.service_path, settled.key, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "400")
    assert "1 至 5000" in answer.json()["message"]


def test_page_beyond_the_end_is_empty(settled: Requester) -> None:
    assert settled.page(9, 1000).json()["data"] == {"total": 7, "page": 9, "pageSize": 1000, "list": []}
