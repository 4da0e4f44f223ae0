"""Who said what of a row, who won and why; the hub's own rule where it derived a value."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from hub.authority import Order
from hub.claims import rank
from hub.cli import app
from hub.context import CHINA, Hub
from hub.contracts import load_contracts
from hub.delta import delta_files
from hub.derive import RULES
from hub.explain import REASONS, Explained, FieldExplained, explain
from hub.portal import create_app
from hub.portal.person import ROSTER
from hub.residing import FACTS_AS_OF
from hub.steps.link import link
from hub.steps.merge import merge
from hub.steps.release import release
from tests.hub.mini import CHILD, DAUGHTER, HEAD, MAZHUANG, NEIGHBOUR, fill, opened, put
from tests.hub.portal.miniature import Visitor, grant_for

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Iterator[Hub]:
    """The miniature with one more roll, delivered on the same day as the other and fuller."""
    with opened(tmp_path_factory.mktemp("explain"), module_database_url) as hub:
        fill(hub)
        told = {
            "id_number": HEAD,
            "person_name": "甲甲",
            "division_code": NEIGHBOUR,
            "last_visit_date": dt.date(2026, 10, 9),
        }
        put(hub, "civil_affairs/visit", [told])
        link(hub)
        merge(hub)
        assert release(hub) is not None
        yield hub


def key_of(hub: Hub, number: str) -> str:
    with hub.database.connect() as connection:
        return str(
            connection.scalar(sa.text("SELECT person_key FROM governance.person WHERE id_number = :n"), {"n": number})
        )


def explained(hub: Hub, number: str) -> dict[str, FieldExplained]:
    found: Explained = explain(hub, "person", key_of(hub, number))
    return {field.name: field for field in found.fields}


def claims(*rows: dict[str, Any]) -> ibis.Table:
    base = load_contracts().base["household"]
    added = [("dataset", pa.string()), ("as_of", pa.timestamp("us"))]
    schema = pa.schema([*base.arrow_schema, *(pa.field(*one) for one in added)])
    return ibis.memtable(pa.Table.from_pylist(list(rows), schema=schema))


def claim(dataset: str, day: int = 1, **filled: Any) -> dict[str, Any]:
    return {"household_key": "H", "dataset": dataset, "as_of": dt.datetime(2026, 10, day), **filled}  # noqa: DTZ001


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # The order outranks freshness, freshness completeness, and completeness the name.
        (claim("first", 1), claim("second", 31, household_no="1", address_code="A")),
        (claim("second", 2), claim("third", 1, household_no="1", address_code="A")),
        (claim("b", 1, household_no="1", address_code="A"), claim("c", 1, household_no="1")),
        (claim("c", 1, household_no="1", address_code="A"), claim("b", 1, household_no="1")),
    ],
)
def test_order_then_freshness_then_completeness(one: dict[str, Any], other: dict[str, Any]) -> None:
    table = claims(one, other)
    ranked = rank(load_contracts().base["household"], Order(None, ("first", "second", "third")), table)
    found = ibis.duckdb.connect().to_pyarrow(table.select("dataset", turn=ranked)).to_pylist()
    assert min(found, key=lambda row: row["turn"])["dataset"] == one["dataset"]


def test_a_tie_in_all_is_broken_by_name_the_same_each_time() -> None:
    base, order = load_contracts().base["household"], Order(None, ())
    for rows in ((claim("b"), claim("c")), (claim("c"), claim("b"))):
        table = claims(*rows)
        found = ibis.duckdb.connect().to_pyarrow(table.select("dataset", turn=rank(base, order, table))).to_pylist()
        assert min(found, key=lambda row: row["turn"])["dataset"] == "c"


def test_a_delivery_that_does_not_say_when_is_of_its_day(hub: Hub) -> None:
    (batch,) = hub.ledger.batches("civil_affairs/elderly_allowance")
    linked = pq.read_table(hub.lake.linked(batch.tail) / "rows.parquet", columns=["_as_of"]).to_pylist()
    assert [row["_as_of"].date() for row in linked] == [batch.pulled_at.astimezone(CHINA).date()]
    (name,) = (one for one in explained(hub, HEAD)["person_name"].claims if one.dataset == batch.tail)
    assert name.as_of is not None
    # The day that a pull was told to take for its own outranks the clock's.
    manifest = hub.lake.raw(batch.tail, batch.id) / "manifest.json"
    kept = manifest.read_bytes()
    manifest.write_text(json.dumps({"rows": 1, "as_of": "2026-10-31"}), encoding="utf-8")
    link(hub)
    linked = pq.read_table(hub.lake.linked(batch.tail) / "rows.parquet", columns=["_as_of"]).to_pylist()
    assert [row["_as_of"].date() for row in linked] == [dt.date(2026, 10, 31)]
    manifest.write_bytes(kept)
    link(hub)


def test_a_row_is_as_fresh_as_the_department_says_whatever_was_delivered_later(hub: Hub) -> None:
    table = pq.read_table(delta_files(hub.lake.base("person"))).to_pylist()
    (head,) = (row for row in table if row["id_number"] == HEAD)
    assert head[FACTS_AS_OF] == dt.date(2026, 10, 1)


def test_why_a_value_stands(hub: Hub) -> None:
    head = explained(hub, HEAD)
    assert {name: head[name].why for name in ("person_name", "birth_date", "phone", "former_name")} == {
        "person_name": "authority",
        "birth_date": "only",
        "phone": "none",
        "former_name": "none",
    }
    assert [one.won for one in head["person_name"].claims] == [True, False, False]


def test_of_equals_of_one_day_the_fuller_one_stands(hub: Hub) -> None:
    equal = {"default": []}
    person = hub.contracts.base["person"]
    levelled = replace(person, properties={**person.properties, "authority": equal})
    other = replace(hub, contracts=replace(hub.contracts, base={**hub.contracts.base, "person": levelled}))
    whys = {name: field.why for name, field in explained(other, DAUGHTER).items()}
    # Two registers of one moment: the one of permanent residents says more.
    assert (whys["person_name"], whys["phone"]) == ("fuller", "fuller")
    assert set(whys.values()) <= set(REASONS)


def test_a_derived_value_shows_its_rule_even_where_it_is_empty(hub: Hub) -> None:
    child = explained(hub, CHILD)
    for name in ("residence_division_code", "person_status_code"):
        assert (child[name].why, child[name].rule) == ("derived", RULES["person"][name])
    assert child["residence_division_code"].value is None
    assert child["name_claims"].rule == "各来源所报不同的姓名个数"
    assert child["person_name"].rule is None


def test_a_death_that_is_set_aside_says_so(hub: Hub) -> None:
    put(
        hub,
        "civil_affairs/cremation",
        [{"id_number": DAUGHTER, "person_name": "乙某", "death_date": dt.date(1989, 5, 1)}],
    )
    link(hub)
    merge(hub)
    assert release(hub) is not None
    found = explained(hub, DAUGHTER)
    assert (found["death_date"].value, found["death_date"].why) == (None, "derived")
    assert found["death_date"].rule == RULES["person"]["death_date"]
    assert [one.value for one in found["death_date"].claims] == [dt.date(1989, 5, 1)]
    assert found["disputed_death_date"].value == dt.date(1989, 5, 1)
    assert found["person_status_code"].value == "alive"


def test_the_command_tells_rules_in_chinese(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_DATA_DIR", str(hub.lake.root))
    monkeypatch.setenv("HUB_DATABASE_URL", hub.database.url.render_as_string(hide_password=False))
    monkeypatch.setenv("HUB_AS_OF", "2026-11-01")
    monkeypatch.setenv("COLUMNS", "400")
    key = key_of(hub, HEAD)
    told = json.loads(CliRunner().invoke(app, ["show", "person", key, "--json"]).stdout)
    fields = {field["name"]: field for field in told["fields"]}
    assert fields["residence_division_code"]["rule"] == RULES["person"]["residence_division_code"]
    shown = CliRunner().invoke(app, ["show", "person", key]).stdout
    assert RULES["person"]["residence_division_code"] in shown.replace("\n", "")


def test_the_page_shows_rule_and_batch(hub: Hub) -> None:
    roster = hub.contracts.products[ROSTER]
    assert "residence_grid_code" in roster.by_name or "person_status_code" in roster.by_name
    with Visitor(create_app(hub)) as visitor:
        visitor.sign_in(*grant_for(hub, MAZHUANG))
        page = visitor.get(f"/people/{MAZHUANG}/{key_of(hub, HEAD)}").text
    assert "public_security.registered_resident.000001" in page
    assert "第 2 行" in page
    rules = [RULES["person"][name] for name in roster.by_name if name in RULES["person"]]
    assert [rule for rule in rules if rule in page] != []
