"""Rows that vanish: found by their keys, braked when too many, and no longer among the present ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connectors.base import WHOLE, Chunk, Connection, Offer, Request
from hub.context import Hub
from hub.contracts import load_contracts
from hub.errors import RetryError
from hub.ledger import Batch
from hub.option_faults import source_option_faults
from hub.steps import pull as module
from hub.steps.check import check
from hub.steps.conform import conform
from hub.steps.link import link
from hub.steps.pull import pull
from tests.hub.mini import opened

pytestmark = pytest.mark.integration

TAIL = "public_security/registered_resident"
VILLAGE = "320305005204"


def number(index: int) -> str:
    """An ID that cannot exist (zone prefix 320371) with its check digit."""
    digits = f"32037119500101{index:03d}"
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return digits + "10X98765432"[sum(int(d) * w for d, w in zip(digits, weights, strict=True)) % 11]


def row(index: int, **changed: str) -> dict[str, str]:
    return {
        "gmsfhm": number(index),
        "xm": "甲某",
        "xb": str(2 - index % 2),
        "csrq": "19500101",
        "hh": f"{index:09d}",
        "yhzgx": "02",
        "xzqh": VILLAGE,
        "gxsj": "2026-10-01 08:00:00",
        "czbs": "I",
        "xh": str(index),
        **changed,
    }


class Table(Offer):
    def __init__(self, rows: list[dict[str, str]], request: Request) -> None:
        self.rows, self.fields = rows, request.fields
        self.name = f"hj_rkxx since {request.since}"

    def read(self, chunk: Chunk = WHOLE) -> Iterator[pa.RecordBatch]:
        columns = [pa.array([row.get(name) for row in self.rows], pa.string()) for name in self.fields]
        yield pa.record_batch(columns, names=list(self.fields))


class Register:
    """A register whose increments show only rows that are not behind the mark."""

    def __init__(self) -> None:
        self.rows: list[dict[str, str]] = []
        self.behind: set[str] = set()

    def offers(self, request: Request, mark: dict[str, Any] | None) -> Iterator[Offer]:
        hidden = self.behind if request.mode == "increment" and not self.whole else set()
        self.whole = False
        yield Table([row for row in self.rows if row["xh"] not in hidden], request)

    whole = False

    def connect(self, connection: Connection) -> Register:
        return self


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Register:
    found = Register()
    monkeypatch.setattr(module, "connect", found.connect)
    monkeypatch.setenv("HUB_SECRET_PUBLIC_SECURITY_FRONT_DATABASE_PASSWORD", "x")
    monkeypatch.setenv("HUB_PLACE_PUBLIC_SECURITY_FRONT_DATABASE", "postgresql://front.example/qzk")
    return found


@pytest.fixture
def hub(tmp_path: Path, database_url: str) -> Iterator[Hub]:
    with opened(tmp_path, database_url) as hub:
        compared = {"by": "key_comparison", "max_delete_share": 0.1}
        sources = {**hub.contracts.sources, TAIL: replace(hub.contracts.sources[TAIL], deletions=compared)}
        yield replace(hub, contracts=replace(hub.contracts, sources=sources))


def take(hub: Hub, **how: Any) -> list[Batch]:
    pulled = pull(hub, TAIL, **how)
    done = [check(hub, conform(hub, batch)) if batch.state == "landed" else batch for batch in pulled]
    assert all(b.landed == b.accepted + b.quarantined + b.duplicate for b in done if b.state == "checked")
    return done


def present(hub: Hub) -> set[str]:
    link(hub)
    return set(pq.read_table(hub.lake.linked(TAIL) / "rows.parquet")["id_number"].to_pylist())


def test_a_row_that_vanishes_is_buried_once_and_may_come_back(hub: Hub, register: Register) -> None:
    register.rows = [row(n) for n in range(1, 31)]
    take(hub)
    assert len(present(hub)) == 30
    register.rows = register.rows[1:]
    changed, gone = take(hub)
    assert (changed.landed, gone.mode, gone.state, gone.landed, gone.accepted) == (29, "tombstones", "checked", 1, 1)
    assert present(hub) == {number(n) for n in range(2, 31)}
    assert take(hub) == [], "it is buried once"
    register.rows = [*register.rows, row(1, gxsj="2026-10-02 08:00:00", xm="乙某")]
    take(hub)
    assert number(1) in present(hub)


def test_a_number_upgraded_from_15_digits_is_the_same_person(hub: Hub, register: Register) -> None:
    old = number(1)[:6] + number(1)[8:17]
    register.rows = [row(1, gmsfhm=old), *(row(n) for n in range(2, 12))]
    take(hub)
    register.rows[0] = row(1, gxsj="2026-10-03 08:00:00")
    take(hub)
    assert number(1) in present(hub)


def test_a_record_whose_key_was_written_anew_is_not_buried(hub: Hub, register: Register) -> None:
    register.rows = [row(1, gmsfhm=f" {number(1)}"), *(row(n) for n in range(2, 12))]
    take(hub)
    register.rows[0] = row(1, gxsj="2026-10-03 08:00:00")
    assert [batch.mode for batch in take(hub)] == ["increment"], "its new key is not checked yet"
    assert take(hub) == []
    register.rows[0] = row(12, xh="1", gxsj="2026-10-04 08:00:00")
    assert [batch.mode for batch in take(hub)] == ["increment"]
    assert [batch.mode for batch in take(hub)] == ["tombstones"], "now it is known to be somebody else"
    assert present(hub) == {number(n) for n in range(2, 13)}


def test_keys_are_asked_for_as_rows_are(hub: Hub, register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    agreed = hub.contracts.sources[TAIL]
    columns = [replace(c, synonyms=("sfzh",)) if c.name == "id_number" else c for c in agreed.columns]
    changed = replace(agreed, columns=tuple(columns), drift={**agreed.drift, "missing": "evolve"})
    system = replace(hub.contracts.systems["public_security"], rows_per_second=1_000_000)
    contracts = replace(
        hub.contracts,
        sources={**hub.contracts.sources, TAIL: changed},
        systems={**hub.contracts.systems, "public_security": system},
    )
    asked: list[Request] = []
    original = Register.offers

    def offers(self: Register, request: Request, mark: dict[str, Any] | None) -> Iterator[Offer]:
        asked.append(request)
        yield from original(self, request, mark)

    monkeypatch.setattr(Register, "offers", offers)
    register.rows = [row(n) for n in range(1, 4)]
    watched = replace(hub, contracts=contracts)
    take(watched)
    assert [request.mode for request in asked] == ["increment"], "nothing was there before, so nothing can be gone"
    take(watched)
    rows, keys = asked[-2:]
    assert (rows.mode, keys.mode, keys.fields) == ("increment", "snapshot", ("gmsfhm",))
    assert keys.pace is rows.pace
    assert keys.synonyms["gmsfhm"] == ("sfzh",)
    assert (rows.lends_missing, keys.lends_missing) == (True, False), "a key lent as null would bury everybody"


@pytest.mark.parametrize(
    ("tail", "refused"), [(TAIL, False), ("health_commission/death", True), ("civil_affairs/visit", True)]
)
def test_deliveries_that_never_have_all_keys_are_not_compared(tail: str, refused: bool) -> None:
    contracts = load_contracts()
    asking = replace(contracts.sources[tail], deletions={"by": "key_comparison"})
    found = [text for _way, text in source_option_faults(contracts, asking)]
    assert any("asks for all keys, which a file pull cannot give" in text for text in found) is refused


def test_keys_are_not_read_in_quiet_hours(hub: Hub, register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    register.rows = [row(n) for n in range(1, 4)]
    take(hub)
    register.rows = register.rows[1:]
    asked: list[None] = []

    def awake() -> None:
        asked.append(None)
        if len(asked) == 4:  # the pull, its offer, its chunk, then the keys
            raise RetryError("system", "quiet hours", "a", "d")

    monkeypatch.setattr(module, "while_awake", lambda *_: awake)
    with pytest.raises(RetryError, match="quiet hours"):
        take(hub)
    assert len(asked) == 4
    assert all(batch.mode == "increment" for batch in hub.ledger.batches(TAIL))


def test_too_many_at_once_are_not_believed_until_the_department_says_so(hub: Hub, register: Register) -> None:
    register.rows = [row(n) for n in range(1, 101)]
    take(hub)
    register.rows = register.rows[30:]
    *_, withheld = take(hub)
    assert (withheld.state, withheld.note.partition(":")[0]) == ("withheld", "deletions_braked")
    assert "30 of 100 rows are gone at once" in withheld.note
    assert len(present(hub)) == 100
    assert take(hub) == [], "told once"
    (gone,) = take(hub, accept_deletions=True)
    assert (gone.mode, gone.landed) == ("tombstones", 30)
    assert len(present(hub)) == 70


def test_rows_committed_behind_the_mark_arrive(hub: Hub, register: Register) -> None:
    register.rows = [row(n) for n in range(1, 11)]
    take(hub)
    register.rows.append(row(11, gxsj="2026-01-01 08:00:00"))
    register.behind = {"11"}

    original = Register.offers

    def offers(self: Register, request: Request, mark: dict[str, Any] | None) -> Iterator[Offer]:
        # The second reading of an increment without a mark is the one that asks for everything.
        self.asked = getattr(self, "asked", 0) + (request.mode == "increment")
        self.whole = self.asked == 2
        yield from original(self, request, mark)

    register.connect = lambda connection: register  # type: ignore[method-assign]
    Register.offers = offers  # type: ignore[method-assign]
    try:
        batches = take(hub)
    finally:
        Register.offers = original  # type: ignore[method-assign]
    assert sum(batch.accepted for batch in batches) == 1
    assert sum(batch.duplicate for batch in batches) == 10
    assert number(11) in present(hub)
