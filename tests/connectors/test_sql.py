"""Front-end databases: SQLite without a socket, PostgreSQL and MariaDB as real servers."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.mysql import DATETIME

from connectors.base import BATCH_ROWS, WHOLE, Chunk, Connection, Offer, Request, connect
from connectors.errors import RetryError, SetAsideError, StopError
from connectors.pace import Pace
from connectors.slices import KEY_MODULUS, Countable, Counted, DayCount
from connectors.sql_streams import database_errors, stream
from tests.connectors.suite import HOSTILE_NAMES, SECRET, ConnectorSuite, Source, by_text, offer_of, rows_of

MOMENT = datetime.fromisoformat("2026-10-01T08:00:00.123456")
ROWS: list[dict[str, Any]] = [
    {"xh": 1, "xm": "湖㳇镇，'一' \"二\"", "je": 1.5, "csrq": date(1990, 1, 2), "gxsj": MOMENT},
    {"xh": 9_000_000_000, "xm": "", "je": None, "csrq": None, "gxsj": MOMENT + timedelta(days=2)},
    {"xh": None, "xm": None, "je": -0.25, "csrq": date(2026, 12, 31), "gxsj": None},
    {"xh": -3, "xm": "第一行\n第二行\\N", "je": 0.0, "csrq": date(1, 1, 1), "gxsj": MOMENT - timedelta(days=400)},
]


def table(name: str) -> sa.Table:
    return sa.Table(
        name,
        sa.MetaData(),
        sa.Column("xh", sa.BigInteger),
        sa.Column("xm", sa.String(60)),
        sa.Column("je", sa.Double),
        sa.Column("csrq", sa.Date),
        sa.Column("gxsj", sa.DateTime().with_variant(DATETIME(fsp=6), "mysql", "mariadb")),
        sa.Column("extra", sa.String(5), default="extra"),
    )


@dataclass
class Database:
    """A database with a user who reads it, and one who writes."""

    place: str
    secret: str
    admin: sa.Engine

    def load(self, name: str, rows: list[dict[str, Any]]) -> None:
        made = table(name)
        with self.admin.begin() as link:
            made.drop(link, checkfirst=True)
            made.create(link)
            if rows:
                link.execute(sa.insert(made), rows)

    def run(self, *statements: str) -> None:
        with self.admin.begin() as link:
            for statement in statements:
                link.exec_driver_sql(statement)

    def source(self, name: str, rows: list[dict[str, Any]], **options: Any) -> Source:
        connection = Connection("police", "front_database", "sql", self.place, self.secret)
        fields = tuple(rows[0]) if rows else tuple(ROWS[0])
        return Source(connection, Request("police/resident", fields, {"table": name, **options}), rows)


def increment(source: Source, **options: Any) -> Source:
    given = {**source.request.options, "cursor": "gxsj", "overlap_hours": 24, **options}
    return replace(source, request=replace(source.request, mode="increment", options=given))


def mark_of(offer: Offer) -> dict[str, Any] | None:
    return offer.mark([offer.note(WHOLE)])


def counting(source: Source, reached: datetime) -> Any:
    """The increment that begins a day before a moment, which can count what lies behind it."""
    offer = offer_of(source, {"cursor": reached.isoformat()})
    assert isinstance(offer, Countable)
    return offer


def _rows(offer: Offer, chunk: Chunk) -> list[dict[str, Any]]:
    return [row for batch in offer.read(chunk) for row in batch.to_pylist()]


class SqlSuite(ConnectorSuite):
    """What holds over every database; a class gives `database`."""

    @pytest.fixture
    def source(self, database: Database) -> Source:
        database.load("hj_rkxx", ROWS)
        return database.source("hj_rkxx", ROWS)

    @pytest.fixture
    def empty(self, database: Database) -> Source:
        database.load("nobody", [])
        return database.source("nobody", [])

    @pytest.fixture
    def many(self, database: Database) -> Source:
        database.load("many", [{"xh": 0}, {"xh": BATCH_ROWS}])
        doubled = [2**step for step in range(BATCH_ROWS.bit_length() - 1)]
        database.run(*(f"INSERT INTO many (xh) SELECT xh + {n} FROM many WHERE xh < {n}" for n in doubled))
        return database.source("many", [{"xh": number} for number in range(BATCH_ROWS + 1)])

    @pytest.fixture
    def hostile(self, database: Database) -> Source:
        made = sa.Table("hostile", sa.MetaData(), *(sa.Column(name, sa.Text) for name in HOSTILE_NAMES))
        row = {name: f"{name}'\"%" for name in HOSTILE_NAMES}
        with database.admin.begin() as link:
            made.drop(link, checkfirst=True)
            made.create(link)
            link.execute(made.insert().values({made.c[name]: value for name, value in row.items()}))
        return database.source("hostile", [row])

    @pytest.mark.parametrize("split", ["xh", "xm"])
    def test_chunks_are_ranges_that_hold_each_row_once(self, database: Database, source: Source, split: str) -> None:
        rows = [{**ROWS[0], "xh": number, "xm": f"n{number:03d}"} for number in range(25)]
        database.load("hj_rkxx", [*rows, {**ROWS[0], split: None}])
        options = {**source.request.options, "split_by": split, "chunk_rows": 10}
        offer = offer_of(replace(source, request=replace(source.request, options=options)))
        chunks = offer.plan()
        assert len(chunks) == 3
        assert json.loads(json.dumps(chunks)) == chunks
        read = [[row[split] for row in by_text(_rows(offer, chunk))] for chunk in chunks]
        assert sorted(value for part in read for value in part if value is not None) == [row[split] for row in rows]
        assert [part.count(None) for part in read] == [1, 0, 0]

    def test_marks_of_chunks_are_joined(self, database: Database, source: Source) -> None:
        database.load("hj_rkxx", [{**ROWS[0], "xh": n, "gxsj": MOMENT - timedelta(days=n)} for n in range(20)])
        offer = offer_of(increment(source, split_by="xh", chunk_rows=5))
        notes = []
        for chunk in offer.plan():
            _rows(offer, chunk)
            notes.append(offer.note(chunk))
        assert len(notes) == 4
        assert offer.mark(json.loads(json.dumps(notes))) == {"cursor": MOMENT.isoformat()}

    def test_a_column_to_split_by_of_another_type_stops(self, source: Source) -> None:
        options = {**source.request.options, "split_by": "gxsj"}
        with pytest.raises(StopError, match="split_by gxsj of type"):
            offer_of(replace(source, request=replace(source.request, options=options))).plan()

    def test_all_columns_are_told_with_their_types(self, source: Source) -> None:
        offer = offer_of(replace(source, request=replace(source.request, fields=("xm",))))
        list(offer.read())
        assert offer.available is not None
        assert set(offer.available) >= set(ROWS[0])

    def test_a_renamed_or_absent_column_by_contract(self, source: Source) -> None:
        fields = ("xingming", "xh", "lxdh")
        request = replace(source.request, fields=fields, synonyms={"xingming": ("xm",)}, drift={"missing": "evolve"})
        rows = by_text(rows_of(offer_of(replace(source, request=request))))
        assert {row["xh"]: row["xingming"] for row in rows} == {row["xh"]: row["xm"] for row in ROWS}
        assert {row["lxdh"] for row in rows} == {None}

    def test_a_backfill_begins_where_it_is_told(self, source: Source) -> None:
        request = increment(source).request
        told = replace(source, request=replace(request, since=MOMENT + timedelta(days=1)))
        assert {row["xh"] for row in rows_of(offer_of(told, {"cursor": "2027-01-01T00:00:00"}))} == {
            row["xh"] for row in ROWS if row["gxsj"] is None or row["gxsj"] >= MOMENT + timedelta(days=1)
        }

    @pytest.mark.parametrize("mark", [MOMENT + timedelta(hours=5), None])
    def test_a_backfill_that_would_begin_late_leaves_no_row_out(self, source: Source, mark: datetime | None) -> None:
        later = replace(increment(source).request, since=MOMENT + timedelta(days=30))
        offer = offer_of(replace(source, request=later), {"cursor": mark.isoformat()} if mark else None)
        begun = MOMENT - timedelta(hours=19)
        assert {row["xh"] for row in rows_of(offer)} == {
            row["xh"] for row in ROWS if mark is None or row["gxsj"] is None or row["gxsj"] >= begun
        }

    def test_the_zone_of_a_backfill_is_told_apart_from_the_columns(self, source: Source) -> None:
        since = MOMENT.replace(tzinfo=timezone(timedelta(hours=8))).astimezone(UTC)
        request = replace(increment(source).request, since=since)
        offer = offer_of(replace(source, request=request), {"cursor": "2027-01-01T00:00:00"})
        assert 1 in {row["xh"] for row in rows_of(offer)}

    def test_what_changed_after_its_chunk_was_read_comes_with_the_next_pull(self, source: Source) -> None:
        offer = offer_of(increment(source))
        notes = [{"asked": "2026-09-01T00:00:00"}, {"asked": "2026-10-02T00:00:00", "cursor": MOMENT.isoformat()}]
        assert offer.mark(notes) == {"cursor": "2026-09-01T00:00:00"}

    def test_rows_behind_an_increment_are_counted_by_day(self, database: Database, source: Source) -> None:
        days = [MOMENT - timedelta(days=n) for n in (30, 30, 20, 2, 1, 0)]
        rows = [{**ROWS[0], "xh": KEY_MODULUS + n, "gxsj": moment} for n, moment in enumerate(days, 1)]
        database.load("hj_rkxx", [*rows, {**ROWS[0], "gxsj": None}])
        offer = counting(increment(source, split_by="xh"), MOMENT)
        found = offer.counted()
        assert found == Counted(
            {days[0].date(): DayCount(2, 3), days[2].date(): DayCount(1, 3), days[3].date(): DayCount(1, 4)},
            (None, days[4].date()),
            0,
            has_keys=True,
        )
        assert offer.covers() == ((days[5].date(), None),)
        few = counting(increment(source, audit_days=10), MOMENT).counted()
        assert few is not None
        assert few.span == (date(2026, 9, 20), date(2026, 9, 30))
        assert few.days == {days[3].date(): DayCount(1, 0)}
        assert few.has_keys is False

    def test_rows_that_change_meanwhile_are_told(self, database: Database, source: Source) -> None:
        offer = counting(increment(source), MOMENT)
        list(offer.read())
        database.run("UPDATE hj_rkxx SET gxsj = '2999-01-01 00:00:00' WHERE xh = -3")
        found = offer.counted()
        assert found is not None
        assert (found.days, found.changed) == ({}, 0)
        database.load("hj_rkxx", [*ROWS, {**ROWS[0], "gxsj": datetime.fromisoformat("2999-01-01")}])
        found = offer.counted()
        assert found is not None
        assert (set(found.days), found.changed) == ({(MOMENT - timedelta(days=400)).date()}, 1)

    def test_some_days_are_read_again_and_the_mark_stays(self, database: Database, source: Source) -> None:
        days = [MOMENT - timedelta(days=n) for n in range(10)]
        database.load("hj_rkxx", [{**ROWS[0], "xh": n, "gxsj": moment} for n, moment in enumerate(days)])
        offer = counting(increment(source, split_by="xh", chunk_rows=2), MOMENT)
        spans = [(date(2026, 9, 23), date(2026, 9, 24)), (date(2026, 9, 26), date(2026, 9, 28))]
        again = offer.again(spans)
        assert again.name == "hj_rkxx again 2026-09-23 to 2026-09-24, 2026-09-26 to 2026-09-28"
        assert sorted(row["xh"] for row in rows_of(again)) == [4, 5, 8]
        assert len(again.plan()) == 2
        assert again.mark([again.note(chunk) for chunk in again.plan()]) is None
        assert isinstance(again, Countable)
        assert (list(again.covers()), again.counted()) == (spans, None)

    def test_days_of_a_date_are_counted_too(self, source: Source) -> None:
        offer = offer_of(increment(source, cursor="csrq"), {"cursor": "2026-01-03T00:00:00"})
        assert isinstance(offer, Countable)
        found = offer.counted()
        assert found is not None
        assert {day: count.rows for day, count in found.days.items()} == {date(1990, 1, 2): 1, date(1, 1, 1): 1}
        assert [row["xh"] for row in rows_of(offer.again([(date(1990, 1, 2), date(1990, 1, 3))]))] == [1]

    def test_what_the_hub_could_not_count_as_well_is_not_counted(self, source: Source) -> None:
        mark = {"cursor": MOMENT.isoformat()}
        narrow = replace(source, request=replace(source.request, fields=("xh",)))
        for told, given in (
            (source, None),
            (increment(source), None),
            (increment(source, audit_days=0), mark),
            (increment(narrow), mark),
        ):
            offer = offer_of(told, given)
            assert isinstance(offer, Countable)
            assert offer.counted() is None
        assert offer_of(source).covers() == ((None, None),)  # type: ignore[attr-defined]

    def test_the_pace_is_told_of_every_row(self, source: Source) -> None:
        told: list[int] = []

        class Counting(Pace):
            def __call__(self, rows: int) -> None:
                told.append(rows)

        rows_of(offer_of(replace(source, request=replace(source.request, pace=Counting(None)))))
        assert sum(told) == len(ROWS)

    def test_types_do_not_depend_on_the_rows(self, source: Source, empty: Source) -> None:
        assert next(offer_of(source).read()).schema == next(offer_of(empty).read()).schema

    def test_whole_table_has_no_mark(self, source: Source) -> None:
        offer = offer_of(source, {"cursor": "2026-10-01T00:00:00"})
        assert offer.name == "hj_rkxx whole"
        assert len(rows_of(offer)) == len(ROWS) == offer.expected_rows
        assert mark_of(offer) is None

    def test_first_increment_is_the_whole_table(self, source: Source) -> None:
        offer = offer_of(increment(source))
        assert by_text(rows_of(offer)) == by_text(ROWS)
        assert mark_of(offer) == {"cursor": (MOMENT + timedelta(days=2)).isoformat()}

    def test_increment_overlaps_and_takes_rows_without_cursor(self, source: Source) -> None:
        mark = {"cursor": (MOMENT + timedelta(hours=5)).isoformat()}
        offer = offer_of(increment(source), mark)
        assert offer.name == f"hj_rkxx from {(MOMENT - timedelta(hours=19)).isoformat()}"
        assert [row["xh"] for row in by_text(rows_of(offer))] == [row["xh"] for row in by_text(ROWS[:3])]
        assert offer.expected_rows == 3
        beyond = offer_of(increment(source, overlap_hours=4), mark)
        assert {row["xh"] for row in rows_of(beyond)} == {9_000_000_000, None}

    def test_bound_itself_is_read_to_the_microsecond(self, source: Source) -> None:
        mark = {"cursor": MOMENT.isoformat()}
        assert 1 in [row["xh"] for row in rows_of(offer_of(increment(source, overlap_hours=0), mark))]
        later = {"cursor": (MOMENT + timedelta(microseconds=1)).isoformat()}
        assert 1 not in [row["xh"] for row in rows_of(offer_of(increment(source, overlap_hours=0), later))]

    def test_late_commit_within_the_overlap_is_not_lost(self, database: Database, source: Source) -> None:
        offer = offer_of(increment(source))
        list(offer.read())
        late = {**ROWS[0], "xh": 77, "gxsj": MOMENT + timedelta(days=2, hours=-23)}
        database.load("hj_rkxx", [*ROWS, late])
        assert 77 in [row["xh"] for row in rows_of(offer_of(increment(source), mark_of(offer)))]

    def test_increment_without_new_rows_keeps_the_mark(self, source: Source) -> None:
        mark = {"cursor": "2027-01-01T00:00:00"}
        offer = offer_of(increment(source, overlap_hours=0), mark)
        assert [row["xh"] for row in rows_of(offer)] == [None]
        assert mark_of(offer) == mark

    def test_increment_of_an_empty_table_has_no_mark(self, empty: Source) -> None:
        offer = offer_of(increment(empty))
        assert rows_of(offer) == []
        assert mark_of(offer) is None

    def test_future_cursor_does_not_move_the_mark_beyond_now(self, database: Database, source: Source) -> None:
        database.load("hj_rkxx", [*ROWS, {**ROWS[0], "gxsj": datetime.fromisoformat("2999-01-01")}])
        offer = offer_of(increment(source))
        assert len(rows_of(offer)) == len(ROWS) + 1
        mark = mark_of(offer)
        assert mark is not None
        reached = datetime.fromisoformat(mark["cursor"]).replace(tzinfo=UTC)
        # The server's zone may be any; its clock is this machine's.
        assert abs(reached - datetime.now(UTC)) < timedelta(hours=15)

    def test_cursor_need_not_be_among_the_fields(self, source: Source) -> None:
        offer = offer_of(increment(replace(source, request=replace(source.request, fields=("xh",)))))
        assert {tuple(row) for row in rows_of(offer)} == {("xh",)}
        assert mark_of(offer) is not None

    def test_date_may_be_the_cursor(self, source: Source) -> None:
        offer = offer_of(increment(source, cursor="csrq"), {"cursor": "1990-01-03T00:00:00"})
        assert {row["csrq"] for row in rows_of(offer)} == {date(1990, 1, 2), date(2026, 12, 31), None}

    def test_cursor_of_another_type_stops(self, source: Source) -> None:
        with pytest.raises(StopError, match="cursor xm of type"):
            rows_of(offer_of(increment(source, cursor="xm")))

    def test_missing_table_stops(self, source: Source) -> None:
        with pytest.raises(StopError, match="no such table"):
            rows_of(offer_of(replace(source, request=replace(source.request, options={"table": "no_table"}))))

    @pytest.mark.parametrize("name", ["hj_rkxx; drop table hj_rkxx", 'a"b', "a.b.c", "a b"])
    def test_names_that_are_no_plain_names_stop(self, source: Source, name: str) -> None:
        with pytest.raises(StopError, match="a plain name"):
            offer_of(replace(source, request=replace(source.request, options={"table": name})))


class TestSqlite(SqlSuite):
    """Any database SQLAlchemy knows, through its cursor."""

    @pytest.fixture
    def database(self, tmp_path: Path) -> Iterator[Database]:
        place = f"sqlite:///{tmp_path}/front.db"
        engine = sa.create_engine(place, poolclass=sa.NullPool)
        yield Database(place, "", engine)
        engine.dispose()

    def test_driver_that_ends_early_is_an_outage(self, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("connectors.sql.stream", lambda *given: (batch.slice(0, 3) for batch in stream(*given)))
        offer = offer_of(increment(source))
        with pytest.raises(RetryError, match="3 of 4 rows came"):
            rows_of(offer)
        assert mark_of(offer) is None

    def test_decimals_come_as_text(self, database: Database) -> None:
        database.run("CREATE TABLE d (n DECIMAL(10, 4))", "INSERT INTO d VALUES (1.5), (NULL)")
        assert rows_of(offer_of(database.source("d", [{"n": None}])))[1] == {"n": None}
        assert rows_of(offer_of(database.source("d", [{"n": None}])))[0]["n"].startswith("1.5")

    @pytest.mark.parametrize(
        ("kind", "value"),
        [
            ("INTEGER", "1.5"),
            ("INTEGER", "'张三'"),
            ("INTEGER", "9e99"),
            ("DATE", "'2026/1/5 张三'"),
            ("TIME", "'张三'"),
        ],
    )
    def test_value_its_column_does_not_hold_stops_and_is_not_told(
        self, database: Database, kind: str, value: str
    ) -> None:
        database.run(f"CREATE TABLE d (n {kind})", f"INSERT INTO d VALUES ({value})")
        with pytest.raises(StopError, match="a value that the type of its column does not hold") as caught:
            rows_of(offer_of(database.source("d", [{"n": None}])))
        assert "张" not in str(caught.value)
        assert caught.value.__suppress_context__


def in_zone(database: Database, zone: str) -> Database:
    """The same PostgreSQL database, by whose sessions' clock it is elsewhere."""
    url = sa.make_url(database.place).update_query_dict({"options": f"-csearch_path=front -ctimezone={zone}"})
    return replace(database, place=url.render_as_string())


@pytest.mark.integration
class TestPostgresql(SqlSuite):
    """ADBC."""

    @pytest.fixture
    def database(self, postgresql: sa.URL) -> Iterator[Database]:
        engine = sa.create_engine(postgresql, poolclass=sa.NullPool)
        with engine.begin() as link:
            link.exec_driver_sql("DROP SCHEMA IF EXISTS front CASCADE")
            link.exec_driver_sql("CREATE SCHEMA front")
        with_schema = sa.create_engine(
            postgresql.update_query_dict({"options": "-csearch_path=front"}), poolclass=sa.NullPool
        )
        place = with_schema.url.set(password=None).render_as_string(hide_password=False)
        # The embedded server asks for no password; whatever is sent must not show.
        yield Database(place, str(postgresql.password or SECRET), with_schema)
        with engine.begin() as link:
            link.exec_driver_sql("DROP SCHEMA front CASCADE")

    def test_infinite_times_are_null(self, database: Database) -> None:
        database.run(
            "CREATE TABLE endless (d date, t timestamp, z timestamptz)",
            "INSERT INTO endless VALUES ('infinity', '-infinity', 'infinity'), ('2026-02-03', '2026-02-03', NULL)",
        )
        rows = rows_of(offer_of(database.source("endless", [dict.fromkeys("dtz")])))
        assert rows == [dict.fromkeys("dtz"), {"d": date(2026, 2, 3), "t": datetime(2026, 2, 3), "z": None}]  # noqa: DTZ001

    def test_a_cursor_beyond_all_years_hides_no_later_rows(self, database: Database) -> None:
        database.run(
            "CREATE TABLE ahead (xh int, gxsj timestamptz)",
            "INSERT INTO ahead VALUES (1, '20000-01-01 00:00:00+00'), (2, '2026-02-03 00:00:00+00')",
        )
        source = database.source("ahead", [{"xh": 1}])
        offer = offer_of(increment(replace(source, request=replace(source.request, fields=("xh", "gxsj")))))
        assert sum(batch.num_rows for batch in offer.read()) == 2
        mark = mark_of(offer)
        assert mark is not None
        assert abs(datetime.fromisoformat(mark["cursor"]) - datetime.now(UTC)) < timedelta(minutes=5)

    def test_nor_does_a_day_beyond_all_years(self, database: Database) -> None:
        database.run("CREATE TABLE days (gxsj date)", "INSERT INTO days VALUES ('20000-01-01'), ('2026-02-03')")
        offer = offer_of(increment(database.source("days", [{"gxsj": None}])))
        assert sum(batch.num_rows for batch in offer.read()) == 2
        mark = mark_of(offer)
        assert mark is not None
        assert datetime.fromisoformat(mark["cursor"]).year < 9999

    @pytest.mark.parametrize("encoding", ["EUC_CN", "LATIN1", "UTF8"])
    def test_texts_of_a_database_in_another_encoding(self, database: Database, encoding: str) -> None:
        name, url = f"other_{uuid.uuid4().hex[:12]}", sa.make_url(database.place)
        text = "Müller" if encoding == "LATIN1" else "模张三"
        with database.admin.connect().execution_options(isolation_level="AUTOCOMMIT") as link:
            link.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'")
            try:
                place = url.set(database=name).difference_update_query(["options"])
                admin = database.admin.url.set(database=name).difference_update_query(["options"])
                own = Database(
                    place.render_as_string(hide_password=False),
                    database.secret,
                    sa.create_engine(admin.update_query_dict({"client_encoding": "UTF8"}), poolclass=sa.NullPool),
                )
                own.run("CREATE TABLE d (xm text)", f"INSERT INTO d VALUES ('{text}')")
                assert rows_of(offer_of(own.source("d", [{"xm": text}]))) == [{"xm": text}]
            finally:
                link.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")

    def test_table_of_another_schema(self, database: Database) -> None:
        database.load("hj_rkxx", ROWS)
        assert by_text(rows_of(offer_of(database.source("front.hj_rkxx", ROWS)))) == by_text(ROWS)

    def test_types_without_a_plain_arrow_type_come_as_text(self, database: Database) -> None:
        database.run(
            "CREATE TYPE kind AS ENUM ('甲', '乙')",
            "CREATE TABLE odd (n numeric(20,4), u uuid, j json, k kind, a int[], t time, i interval, b bool, d bytea)",
            "INSERT INTO odd VALUES (1.50, '00000000-0000-4000-8000-000000000001', '{\"a\": 1.10}', '乙', '{1,2}',"
            " '10:11:12', '1 day', true, 'x')",
        )
        fields = [dict.fromkeys("nujkatibd")]
        assert rows_of(offer_of(database.source("odd", fields))) == [
            {
                "n": "1.5000",
                "u": "00000000-0000-4000-8000-000000000001",
                "j": '{"a": 1.10}',
                "k": "乙",
                "a": "{1,2}",
                "t": "10:11:12",
                "i": "1 day",
                "b": True,
                "d": b"x",
            }
        ]

    def test_cursor_with_time_zone(self, database: Database) -> None:
        database.run(
            "CREATE TABLE zoned (gxsj timestamptz)",
            "INSERT INTO zoned VALUES ('2026-10-01 08:00:00+08'), ('2026-10-03 08:00:00+08'), ('2999-01-01')",
        )
        source = increment(database.source("zoned", [{"gxsj": None}]))
        offer = offer_of(source, {"cursor": "2026-10-03T00:00:00+00:00"})
        assert [row["gxsj"].isoformat()[:10] for row in rows_of(offer)] == ["2026-10-03", "2999-01-01"]
        mark = mark_of(offer)
        assert mark is not None
        assert abs(datetime.fromisoformat(mark["cursor"]) - datetime.now(UTC)) < timedelta(minutes=5)

    @pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/New_York"])
    def test_a_moment_without_zone_is_chinas_whatever_the_servers(self, database: Database, zone: str) -> None:
        database.run(
            "CREATE TABLE zoned (gxsj timestamptz)",
            "INSERT INTO zoned VALUES ('2026-10-03 00:30:00+08'), ('2026-10-02 23:30:00+08')",
        )
        there = in_zone(database, zone)
        source = increment(there.source("zoned", [{"gxsj": None}]), overlap_hours=0)
        assert len(rows_of(offer_of(source, {"cursor": "2026-10-03T00:00:00"}))) == 1
        backfill = replace(source, request=replace(source.request, since=datetime.fromisoformat("2026-10-03T00:00:00")))
        assert len(rows_of(offer_of(backfill, {"cursor": "2026-11-01T00:00:00+00:00"}))) == 1

    @pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/New_York"])
    def test_days_are_chinas_whatever_the_servers_zone(self, database: Database, zone: str) -> None:
        database.run(
            "CREATE TABLE zoned (xh int, gxsj timestamptz)",
            "INSERT INTO zoned VALUES (1, '2026-10-03 00:30:00+08'), (2, '2026-10-02 23:30:00+08')",
        )
        source = increment(in_zone(database, zone).source("zoned", [{"xh": 1, "gxsj": None}]), split_by="xh")
        offer = offer_of(source, {"cursor": "2026-10-20T00:00:00+00:00"})
        assert isinstance(offer, Countable)
        found = offer.counted()
        assert found is not None
        assert found.days == {date(2026, 10, 2): DayCount(1, 2), date(2026, 10, 3): DayCount(1, 1)}
        again = offer.again([(date(2026, 10, 3), date(2026, 10, 4))])
        assert [row["xh"] for row in rows_of(again)] == [1]

    def test_reads_in_a_read_only_transaction(self, database: Database) -> None:
        database.run("CREATE VIEW v AS SELECT current_setting('transaction_read_only') AS ro")
        assert rows_of(offer_of(database.source("v", [{"ro": "on"}]))) == [{"ro": "on"}]

    def test_no_right_stops(self, database: Database) -> None:
        database.load("hj_rkxx", ROWS)
        database.run(
            "DROP ROLE IF EXISTS stranger",
            "CREATE ROLE stranger LOGIN PASSWORD 'p'",
            "GRANT USAGE ON SCHEMA front TO stranger",
        )
        place = sa.make_url(database.place).set(username="stranger").render_as_string(hide_password=False)
        source = Database(place, "p", database.admin).source("hj_rkxx", ROWS)
        with pytest.raises(StopError, match="42501"):
            rows_of(offer_of(source))
        database.run("REVOKE ALL ON SCHEMA front FROM stranger", "DROP ROLE stranger")

    def test_unknown_user_and_database_stop(self, database: Database) -> None:
        database.load("hj_rkxx", ROWS)
        for other in ({"username": "nobody_at_all"}, {"database": "no_database"}):
            place = sa.make_url(database.place).set(**other).render_as_string(hide_password=False)  # type: ignore[arg-type]
            with pytest.raises(StopError) as caught:
                rows_of(offer_of(Database(place, database.secret, database.admin).source("hj_rkxx", ROWS)))
            assert "nobody_at_all" not in str(caught.value)

    def test_connection_lost_in_mid_stream_is_an_outage(self, database: Database) -> None:
        database.run("CREATE VIEW big AS SELECT n AS xh, repeat('x', 400) AS xm FROM generate_series(1, 400000) n")
        stream = offer_of(database.source("big", [{"xh": 1, "xm": ""}])).read()
        next(stream)
        database.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE query LIKE '%%rows_in_source%%' AND pid <> pg_backend_pid()"
        )
        with pytest.raises(RetryError, match="broke off"):
            list(stream)

    def test_reading_given_up_closes_the_connection(self, database: Database, many: Source) -> None:
        stream = offer_of(many).read()
        next(stream)
        stream.close()  # type: ignore[attr-defined]
        with database.admin.connect() as link:
            left = (
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE query LIKE '%%rows_in_source%%' AND pid <> pg_backend_pid()"
            )
            for _ in range(100):
                if link.exec_driver_sql(left).scalar_one() == 0:
                    return
                time.sleep(0.05)
        pytest.fail("the connection stayed open")


class MariadbSuite(SqlSuite):
    """What both ways to MariaDB keep."""

    query = ""

    @pytest.fixture
    def database(self, mariadb: sa.URL) -> Iterator[Database]:
        engine = sa.create_engine(mariadb, poolclass=sa.NullPool)
        name, secret = f"reader_{mariadb.database}", f"{SECRET}@:/%+ ?#'x"
        quoted = secret.replace("'", "''").replace("%", "%%")
        with engine.begin() as link:
            link.exec_driver_sql(f"CREATE OR REPLACE USER {name} IDENTIFIED BY '{quoted}'")
            link.exec_driver_sql(f"GRANT SELECT, EXECUTE ON {mariadb.database}.* TO {name}")
        place = mariadb.set(username=name, password=None).render_as_string(hide_password=False)
        yield Database(place + self.query, secret, engine)
        with engine.begin() as link:
            link.exec_driver_sql(f"DROP USER {name}")

    def test_types_without_a_plain_arrow_type_come_as_text(self, database: Database) -> None:
        database.run(
            "CREATE OR REPLACE TABLE odd"
            " (n decimal(30,12), k enum('甲','乙'), t time, y year, b blob, u bigint unsigned)",
            "INSERT INTO odd VALUES (123456789012345678.123456789012, '乙', '10:11:12', 2026, 'x', 5)",
        )
        assert rows_of(offer_of(database.source("odd", [dict.fromkeys("nktybu")]))) == [
            {"n": "123456789012345678.123456789012", "k": "乙", "t": "10:11:12", "y": "2026", "b": b"x", "u": 5}
        ]

    def test_short_binary_columns_are_digits_and_bits_a_number(self, database: Database) -> None:
        database.run(
            "CREATE OR REPLACE TABLE bits (f bit(8), b binary(4), v varbinary(9))",
            "INSERT INTO bits VALUES (b'11001000', x'00ff8001', x'00ff'), (NULL, NULL, NULL)",
        )
        assert rows_of(offer_of(database.source("bits", [dict.fromkeys("fbv")]))) == [
            {"f": "200", "b": "00FF8001", "v": "00FF"},
            dict.fromkeys("fbv"),
        ]

    def test_zero_and_partial_dates_are_null(self, database: Database) -> None:
        database.run(
            "SET sql_mode='ALLOW_INVALID_DATES'",
            "CREATE OR REPLACE TABLE zero (csrq date, gxsj datetime)",
            "INSERT INTO zero VALUES ('0000-00-00', '0000-00-00 00:00:00'), ('2026-00-00', '2026-02-31 10:00:00'),"
            " ('2026-02-03', '2026-02-03 10:00:00')",
        )
        rows = rows_of(offer_of(increment(database.source("zero", [{"csrq": None, "gxsj": None}]))))
        assert rows[:2] == [{"csrq": None, "gxsj": None}] * 2
        assert rows[2] == {"csrq": date(2026, 2, 3), "gxsj": datetime.fromisoformat("2026-02-03 10:00:00")}

    def test_wrong_password_stops(self, database: Database) -> None:
        database.load("hj_rkxx", ROWS)
        with pytest.raises(StopError, match="1045") as caught:
            rows_of(offer_of(Database(database.place, "wrong-word", database.admin).source("hj_rkxx", ROWS)))
        assert "wrong-word" not in str(caught.value)


@pytest.mark.integration
class TestMariadb(MariadbSuite):
    """connectorx."""

    def test_reads_in_a_read_only_transaction(self, database: Database) -> None:
        database.run(
            "CREATE OR REPLACE FUNCTION ro() RETURNS int READS SQL DATA RETURN @@session.tx_read_only",
            "CREATE OR REPLACE VIEW v AS SELECT ro() AS ro",
        )
        assert rows_of(offer_of(database.source("v", [{"ro": 1}]))) == [{"ro": 1}]

    def test_connection_lost_in_mid_stream_is_an_outage(self, database: Database, mariadb: sa.URL) -> None:
        database.run("CREATE OR REPLACE VIEW big AS SELECT seq AS xh, REPEAT('x', 400) AS xm FROM seq_1_to_400000")
        stream = offer_of(database.source("big", [{"xh": 1, "xm": ""}])).read()
        next(stream)
        with database.admin.connect() as link:
            found = link.exec_driver_sql(
                "SELECT id FROM information_schema.processlist WHERE info LIKE '%%rows_in_source%%'"
            )
            for (number,) in found.all():
                if number != link.exec_driver_sql("SELECT connection_id()").scalar_one():
                    link.exec_driver_sql(f"KILL {number}")
        with pytest.raises(RetryError, match="broke off"):
            list(stream)


@pytest.mark.integration
class TestMariadbCursor(MariadbSuite):
    """A URL with options that connectorx does not know."""

    query = "?connect_timeout=10"


@pytest.mark.parametrize(
    ("place", "came"),
    [
        ("no url at all", "no database URL"),
        ("postgresql://hub:word@127.0.0.1/db", "a password in it"),
        ("oracle_of_delphi://hub@127.0.0.1/db", "a dialect without driver"),
    ],
)
def test_places_that_cannot_be_right_stop_at_once(place: str, came: str) -> None:
    with pytest.raises(StopError, match=came) as caught:
        connect(Connection("police", "front_database", "sql", place))
    assert "word" not in str(caught.value).replace("password", "")


@pytest.mark.integration
@pytest.mark.parametrize("place", ["postgresql://hub@127.0.0.1:1/db", "mysql://hub@127.0.0.1:1/db"])
def test_server_that_is_away_is_an_outage(place: str) -> None:
    source = Source(
        Connection("police", "front_database", "sql", place, SECRET), Request("police/r", ("a",), {"table": "t"}), []
    )
    with pytest.raises(RetryError) as caught:
        rows_of(offer_of(source))
    assert SECRET not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)


class DataError(Exception):
    """As drivers raise it: code and a text with the value in it."""


def test_drivers_messages_stay_out() -> None:
    error = sa.exc.DBAPIError("SELECT", {}, DataError(1366, "Incorrect value: '320305199001010000'"))
    with pytest.raises(RetryError) as caught, database_errors("police/resident"):
        raise error
    assert "3203" not in str(caught.value)
    assert "DataError 1366" in str(caught.value)
    assert caught.value.__suppress_context__


def test_other_errors_pass_through() -> None:
    with pytest.raises(SetAsideError), database_errors("police/resident"):
        raise SetAsideError("a", "b", "c", "d")
    with pytest.raises(KeyboardInterrupt), database_errors("police/resident"):
        raise KeyboardInterrupt
