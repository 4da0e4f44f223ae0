"""Step 1: what is news and what is not, what is withheld, and that a pull that fails leaves nothing behind."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from connectors.base import WHOLE, Chunk, Connection, Offer, Request, Withheld
from connectors.errors import ColumnsMissingError, RetryError, SetAsideError, StopError
from hub.context import CHINA, Hub
from hub.landing import CHUNK_ROWS_APART
from hub.ledger import Batch
from hub.ledger.notices import close_notice, notices
from hub.status import status
from hub.steps import pull as module
from hub.steps.check import check
from hub.steps.conform import conform
from hub.steps.pull import pull
from hub.walk import Event, pull_system
from tests.hub.drops import ALLOWANCE, DEATH, Drops, allowance, death
from tests.hub.mini import BABY, CHILD, DAUGHTER, HEAD, opened

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def opened_hub(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Iterator[tuple[Hub, Drops]]:
    folder = tmp_path_factory.mktemp("pull")
    drops = Drops(folder)
    with opened(folder, module_database_url, env_file=drops.env_file) as hub:
        yield hub, drops


@pytest.fixture
def hub(opened_hub: tuple[Hub, Drops]) -> Hub:
    hub, drops = opened_hub
    drops.clear()
    shutil.rmtree(hub.lake.root / "1-raw", ignore_errors=True)
    with hub.database.begin() as connection:
        connection.execute(sa.text("TRUNCATE ledger.batch, ledger.notice, ledger.audit CASCADE"))
    return hub


@pytest.fixture
def drops(opened_hub: tuple[Hub, Drops]) -> Drops:
    return opened_hub[1]


def rows(hub: Hub, batch: Batch) -> list[dict[str, Any]]:
    parts = sorted(hub.lake.raw(batch.tail, batch.id).glob("part-*.parquet"))
    return [row for part in parts for row in pq.read_table(part).to_pylist()]


def folders(hub: Hub, tail: str) -> list[str]:
    """What lies in the dataset's raw folder, also hidden and half-written."""
    folder = hub.lake.raw(tail, "x").parent
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def states(hub: Hub, tail: str) -> list[tuple[str, str, int]]:
    return [(batch.offer, batch.state, batch.landed) for batch in hub.ledger.batches(tail)]


def told(hub: Hub, tail: str) -> list[tuple[str, str, int]]:
    return [(issue.rule, issue.outcome, issue.count) for issue in hub.ledger.issues() if issue.tail == tail]


class TestDrops:
    def test_rows_land_as_they_came_counted_and_hashed(self, hub: Hub, drops: Drops) -> None:
        drops.deaths("20261101", death(), death(HEAD, 姓名=" 甲 某", 性别=""))
        (batch,) = pull(hub, DEATH)
        assert (batch.state, batch.landed, batch.mode) == ("landed", 2, "increment")
        assert batch.offer == "WJ_SWZM_20261101.csv"
        assert hub.ledger.batches(DEATH) == [batch]
        first, second = rows(hub, batch)
        assert first == {**death(), "_row": 1}
        assert (second["姓名"], second["性别"], second["_row"]) == (" 甲 某", "", 2)
        manifest = json.loads((hub.lake.raw(DEATH, batch.id) / "manifest.json").read_text(encoding="utf-8"))
        assert (manifest["rows"], manifest["rows_announced"]) == (2, 2)
        assert (manifest["dataset"], manifest["offer"]) == (DEATH, batch.offer)
        assert (manifest["content_sha256"], manifest["parts"]) == (batch.content_hash, ["part-00000.parquet"])
        assert folders(hub, DEATH) == [batch.id]

    def test_the_same_file_twice_is_one_batch(self, hub: Hub, drops: Drops) -> None:
        path = drops.deaths("20261101", death())
        (batch,) = pull(hub, DEATH)
        path.touch()
        assert pull(hub, DEATH) == []
        drops.deaths("20261102", death())
        assert pull(hub, DEATH) == [], "the same bytes under another name are the same delivery"
        assert hub.ledger.batches(DEATH) == [batch]

    def test_a_file_that_came_twice_is_told_and_kept_in_the_ledger_once(self, hub: Hub, drops: Drops) -> None:
        heard: list[str] = []
        drops.deaths("20261101", death())
        (batch,) = pull(hub, DEATH, tell=heard.append)
        assert (heard, status(hub)["repeated"]) == ([], [])
        pull(hub, DEATH, tell=heard.append)
        assert heard == [f"{DEATH}: lying there and here already: 1"]
        assert status(hub)["repeated"] == [], "it merely still lies there"
        heard.clear()
        drops.deaths("20261102", death())
        pull(hub, DEATH, tell=heard.append)
        assert heard[0] == f"{DEATH}: WJ_SWZM_20261102.csv is the same as {batch.offer}, which is {batch.id}"
        pull(hub, DEATH)
        (told,) = status(hub)["repeated"]
        assert (told["dataset"], told["offer"], told["batch"]) == ("death", "WJ_SWZM_20261102.csv", batch.id)
        hub.ledger.verify_audit()

    def test_the_run_says_so_while_it_goes(self, hub: Hub, drops: Drops) -> None:
        for day in ("20261101", "20261102"):
            drops.deaths(day, death())
        heard: list[Event] = []
        pull_system(hub, "health_commission", heard.append)
        (told,) = [event for event in heard if "is the same as" in event.subject]
        assert told.subject.startswith(f"{DEATH}: WJ_SWZM_20261102.csv is the same as WJ_SWZM_20261101.csv, which is ")
        assert (told.step, told.rows) == ("pull", 0)

    def test_a_file_without_an_agreed_column_opens_a_notice(self, hub: Hub, drops: Drops) -> None:
        drops.deaths("20261101", {name: value for name, value in death().items() if name != "性别"})
        (withheld,) = pull(hub, DEATH)
        assert (withheld.state, withheld.note.partition(":")[0]) == ("withheld", "schema_drift")
        (notice,) = notices(hub.database)
        assert (notice.kind, notice.subject, notice.batch) == ("column_missing", "性别", withheld.id)
        close_notice(hub.database, notice.number, "someone")
        assert pull(hub, DEATH) == []
        assert notices(hub.database) == [], "the same file is no new reason"

    def test_a_file_sent_anew_with_other_content_is_another_batch(self, hub: Hub, drops: Drops) -> None:
        drops.deaths("20261101", death())
        pull(hub, DEATH)
        drops.deaths("20261101", death(), death(HEAD))
        assert [batch.landed for batch in pull(hub, DEATH)] == [2]

    def test_all_new_files_land_oldest_first(self, hub: Hub, drops: Drops) -> None:
        for day, number in (("20261103", CHILD), ("20261101", HEAD), ("20261102", DAUGHTER)):
            drops.deaths(day, death(number))
        assert [batch.offer[8:16] for batch in pull(hub, DEATH)] == ["20261101", "20261102", "20261103"]
        drops.deaths("20261104", death(BABY))
        assert [batch.offer[8:16] for batch in pull(hub, DEATH)] == ["20261104"]

    @pytest.mark.parametrize(
        ("spoilt", "reason"),
        [
            ({"without": ".ok"}, "drop_incomplete"),
            ({"without": ".md5"}, "drop_incomplete"),
            ({"without": ".manifest.json"}, "drop_incomplete"),
            ({"told": 3}, "manifest_count"),
        ],
    )
    def test_a_withheld_drop_is_told_once_and_taken_when_it_is_mended(
        self, hub: Hub, drops: Drops, spoilt: dict[str, Any], reason: str
    ) -> None:
        drops.deaths("20261101", death(), **spoilt)
        drops.deaths("20261102", death(HEAD))
        withheld, good = sorted(pull(hub, DEATH), key=lambda batch: batch.offer)
        assert (withheld.state, withheld.landed, good.state) == ("withheld", 0, "landed")
        assert withheld.note.startswith(f"{reason}: ")
        (issue,) = hub.ledger.issues("health_commission")
        assert (issue.step, issue.rule, issue.outcome, issue.count) == ("pull", reason, "withheld", 1)
        assert pull(hub, DEATH) == [], "told again"
        assert folders(hub, DEATH) == [good.id]

        drops.deaths("20261101", death())
        (mended,) = pull(hub, DEATH)
        assert (mended.offer, mended.state, mended.landed) == (withheld.offer, "landed", 1)
        assert pull(hub, DEATH) == []

    def test_a_drop_with_another_digest_is_withheld_until_it_is_sent_whole(self, hub: Hub, drops: Drops) -> None:
        path = drops.deaths("20261101", death(), death(HEAD))
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        (withheld,) = pull(hub, DEATH)
        assert withheld.note.startswith("digest_mismatch: ")
        path.write_bytes(whole)
        assert [batch.landed for batch in pull(hub, DEATH)] == [2]

    def test_two_things_wrong_one_after_the_other_are_told_one_after_the_other(self, hub: Hub, drops: Drops) -> None:
        drops.deaths("20261101", death(), without=".ok")
        pull(hub, DEATH)
        drops.deaths("20261101", death(), told=2)
        (second,) = pull(hub, DEATH)
        assert second.note.startswith("manifest_count: ")
        assert pull(hub, DEATH) == []

    def test_a_snapshot_that_returns_is_news_each_time(self, hub: Hub, drops: Drops) -> None:
        one, two = (allowance(HEAD),), (allowance(HEAD), allowance(DAUGHTER))
        for month, content in (("202609", one), ("202610", two), ("202611", one)):
            drops.allowances(month, *content)
            assert len(pull(hub, ALLOWANCE)) == 1
            assert pull(hub, ALLOWANCE) == []
        assert [landed for _offer, _state, landed in states(hub, ALLOWANCE)] == [1, 2, 1]
        assert hub.ledger.batches(ALLOWANCE)[0].content_hash == hub.ledger.batches(ALLOWANCE)[2].content_hash

    def test_a_snapshot_that_did_not_change_is_no_news(self, hub: Hub, drops: Drops) -> None:
        for month in ("202609", "202610"):
            drops.allowances(month, allowance())
            pull(hub, ALLOWANCE)
        assert len(hub.ledger.batches(ALLOWANCE)) == 1

    def test_an_empty_list_after_a_full_one_is_withheld_and_deletes_nobody(self, hub: Hub, drops: Drops) -> None:
        drops.allowances("202609", allowance())
        pull(hub, ALLOWANCE)
        drops.allowances("202610")
        (withheld,) = pull(hub, ALLOWANCE)
        assert withheld.state == "withheld"
        assert withheld.note.startswith("delivery_empty: ")
        assert pull(hub, ALLOWANCE) == []
        drops.allowances("202611", allowance(), allowance(DAUGHTER))
        assert [batch.landed for batch in pull(hub, ALLOWANCE)] == [2]

    def test_a_first_list_may_be_empty(self, hub: Hub, drops: Drops) -> None:
        drops.allowances("202609")
        (batch,) = pull(hub, ALLOWANCE)
        assert (batch.state, batch.landed) == ("landed", 0)

    def test_files_without_rows_leave_a_record_each(self, hub: Hub, drops: Drops) -> None:
        drops.deaths("20261101")
        drops.deaths("20261102")
        assert [batch.landed for batch in pull(hub, DEATH)] == [0, 0]
        drops.deaths("20261103", death())
        assert [batch.landed for batch in pull(hub, DEATH)] == [1]
        assert pull(hub, DEATH) == []
        assert [state for _offer, state, _landed in states(hub, DEATH)] == ["landed"] * 3
        assert told(hub, DEATH) == [("delivery_empty", "warned", 1)] * 2
        for batch in hub.ledger.batches(DEATH):
            done = check(hub, conform(hub, batch))
            assert (done.accepted, done.quarantined, done.duplicate) == (batch.landed, 0, 0)

    @pytest.mark.parametrize(("days", "late"), [(1, False), (2, True)])
    def test_a_file_that_comes_late_is_taken_and_told_of(self, hub: Hub, drops: Drops, days: int, late: bool) -> None:
        drops.deaths("20261101", death())
        (first,) = pull(hub, DEATH)
        assert told(hub, DEATH) == [], "the first file cannot be late"
        hub.ledger.save_batch(replace(first, pulled_at=first.pulled_at - timedelta(days=days)))
        drops.deaths("20261103", death(HEAD))
        drops.deaths("20261104", death(DAUGHTER))
        assert [batch.landed for batch in pull(hub, DEATH)] == [1, 1]
        assert told(hub, DEATH) == ([("delivery_late", "warned", 1)] if late else [])

    def test_nothing_delivered_is_nothing_done(self, hub: Hub) -> None:
        assert pull(hub, DEATH) == []
        assert states(hub, DEATH) == []

    def test_no_folder_at_all_stops(self, hub: Hub, drops: Drops) -> None:
        drops.health.rmdir()
        try:
            with pytest.raises(StopError, match="a place that is no folder here"):
                pull(hub, DEATH)
        finally:
            drops.health.mkdir()


class Table(Offer):
    """A slice of a table: its fingerprint is not known before it is read.

    Args:
        numbers: The values of each record batch.
        failure: Raised after the last of them.
    """

    def __init__(self, *numbers: list[int], failure: BaseException | None = None, **told: Any) -> None:
        self.numbers, self.failure, self.told = numbers, failure, told
        self.name = told.get("name", "hj_rkxx from the start")
        self.expected_rows = told.get("expected_rows")
        self.fingerprint = told.get("fingerprint")

    def read(self, chunk: Chunk = WHOLE) -> Iterator[pa.RecordBatch]:
        for numbers in self.numbers:
            yield pa.record_batch({"xh": pa.array(numbers, pa.int64())})
        if self.failure is not None:
            raise self.failure

    def mark(self, notes: Sequence[Chunk | None]) -> dict[str, Any] | None:
        assert list(notes) == [None]
        return self.told.get("mark")


class Pages(Table):
    """A service read page by page: each page is known only when the one before was read."""

    def __init__(self, *numbers: list[int], failing_at: int | None = None, **told: Any) -> None:
        super().__init__(*numbers, **told)
        self.failing_at = failing_at
        self.read_pages: list[int] = []
        self.settled = 0

    def plan(self) -> Sequence[Chunk]:
        return ({"page": 0},)

    def read(self, chunk: Chunk = WHOLE) -> Iterator[pa.RecordBatch]:
        if chunk["page"] == self.failing_at:
            raise self.failure or AssertionError
        self.read_pages.append(chunk["page"])
        yield pa.record_batch({"xh": pa.array(self.numbers[chunk["page"]], pa.int64())})

    def note(self, chunk: Chunk) -> Chunk | None:
        return {"rows": len(self.numbers[chunk["page"]])}

    def after(self, chunk: Chunk, note: Chunk | None) -> Chunk | None:
        return {"page": chunk["page"] + 1} if chunk["page"] + 1 < len(self.numbers) else None

    def mark(self, notes: Sequence[Chunk | None]) -> dict[str, Any] | None:
        return {"pages": [note["rows"] for note in notes if note]}

    def settle(self) -> None:
        self.settled += 1


class Fake:
    """A connector that offers what the test says and keeps what it was asked."""

    def __init__(self) -> None:
        self.offered: list[Offer | Withheld] = []
        self.marks: list[dict[str, Any] | None] = []
        self.requests: list[Request] = []
        self.connections: list[Connection] = []

    def offers(self, request: Request, mark: dict[str, Any] | None) -> Iterator[Offer | Withheld]:
        self.requests.append(request)
        self.marks.append(mark)
        yield from self.offered

    def connect(self, connection: Connection) -> Fake:
        self.connections.append(connection)
        return self


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    connector = Fake()
    monkeypatch.setattr(module, "connect", connector.connect)
    monkeypatch.setenv("HUB_SECRET_PUBLIC_SECURITY_FRONT_DATABASE_PASSWORD", "hunter2")
    monkeypatch.setenv("HUB_PLACE_PUBLIC_SECURITY_FRONT_DATABASE", "postgresql://front.example/qzk")
    return connector


TABLE = "public_security/cancelled_registration"


@dataclass
class Watched:
    """A hub whose police have quiet hours from 8 to 18, and a clock that strikes eight when `until` says so."""

    hub: Hub
    until: Callable[[], bool] = lambda: False


def quiet_at_night(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Watched:
    system = replace(hub.contracts.systems["public_security"], quiet_hours=("08:00-18:00",))
    systems = {**hub.contracts.systems, "public_security": system}
    watched = Watched(replace(hub, contracts=replace(hub.contracts, systems=systems)))

    class Clock:
        @staticmethod
        def now(zone: tzinfo) -> datetime:
            return datetime(2026, 11, 2, 9 if watched.until() else 2, tzinfo=zone)

    monkeypatch.setattr("hub.asking.datetime", Clock)
    return watched


class TestTables:
    def take(self, hub: Hub, fake: Fake, *offers: Offer | Withheld, tail: str = TABLE) -> list[Batch]:
        fake.offered = list(offers)
        return pull(hub, tail)

    def test_the_connector_is_told_where_and_what(self, hub: Hub, fake: Fake) -> None:
        self.take(hub, fake)
        (request,), (connection,) = fake.requests, fake.connections
        assert (request.tail, request.mode, request.options["table"]) == (TABLE, "increment", "zx_rkxx")
        assert len(set(request.fields)) == len(request.fields)
        assert "gmsfhm" in request.fields
        assert (connection.system, connection.kind) == ("public_security", "sql")
        assert connection.place == "postgresql://front.example/qzk"
        assert (connection.secret, "hunter2" in repr(connection)) == ("hunter2", False)

    def test_the_same_rows_again_are_the_same_batch(self, hub: Hub, fake: Fake) -> None:
        (batch,) = self.take(hub, fake, Table([1, 2], mark={"since": 1}))
        assert self.take(hub, fake, Table([1, 2], mark={"since": 1})) == []
        assert hub.ledger.batches(TABLE) == [batch]
        assert folders(hub, TABLE) == [batch.id]

    def test_an_earlier_state_is_no_news_in_an_increment_but_is_in_a_snapshot(self, hub: Hub, fake: Fake) -> None:
        for tail, expected in ((TABLE, 2), (ALLOWANCE, 3)):
            for numbers in ([1], [2], [1]):
                self.take(hub, fake, Table(numbers), tail=tail)
            assert len(hub.ledger.batches(tail)) == expected

    def test_the_next_pull_goes_on_from_the_newest_mark_that_was_kept(self, hub: Hub, fake: Fake) -> None:
        self.take(hub, fake, Table([1], mark={"since": 1}))
        self.take(hub, fake, Table([2], mark={"since": 2}))
        self.take(hub, fake, Table([3], mark=None), Withheld("x", "unreadable", "…"))
        with pytest.raises(RetryError):
            self.take(hub, fake, Table([4], mark={"since": 4}, failure=RetryError("a", "b", "c", "d")))
        self.take(hub, fake)
        assert fake.marks == [None, {"since": 1}, {"since": 2}, {"since": 2}, {"since": 2}]

    @pytest.mark.parametrize("expected", [1, 3])
    def test_more_or_fewer_rows_than_announced_are_withheld(self, hub: Hub, fake: Fake, expected: int) -> None:
        (batch,) = self.take(hub, fake, Table([1, 2], expected_rows=expected))
        assert batch.state == "withheld"
        assert batch.note.startswith(f"manifest_count: 2 rows where the source announced {expected}")
        assert folders(hub, TABLE) == []
        assert [batch.landed for batch in self.take(hub, fake, Table([1, 2], expected_rows=2))] == [2]

    def test_an_unusable_delivery_does_not_stop_the_next(self, hub: Hub, fake: Fake) -> None:
        bad = Table([1], name="bad", failure=SetAsideError("w", "half a file", "a", "send it again", "unreadable"))
        withheld, landed = self.take(hub, fake, bad, Table([2], name="good"))
        assert (withheld.offer, withheld.note) == ("bad", "unreadable: half a file; send it again")
        assert (landed.offer, landed.landed) == ("good", 1)
        assert folders(hub, TABLE) == [landed.id]

    @pytest.mark.parametrize(
        "failure",
        [RetryError("w", "away", "", ""), StopError("w", "no right", "", ""), ValueError("bug"), KeyboardInterrupt()],
    )
    def test_a_pull_that_breaks_off_leaves_nothing_and_keeps_what_landed_before(
        self, hub: Hub, fake: Fake, failure: BaseException
    ) -> None:
        with pytest.raises(type(failure)):
            self.take(hub, fake, Table([1], name="one"), Table([2], name="two", failure=failure))
        (kept,) = hub.ledger.batches(TABLE)
        assert (kept.offer, kept.state) == ("one", "landed")
        assert folders(hub, TABLE) == [kept.id]
        (again,) = self.take(hub, fake, Table([1], name="one"), Table([2], name="two"))
        assert again.offer == "two"

    def test_what_a_killed_pull_left_is_forgotten(self, hub: Hub, fake: Fake) -> None:
        (whole,) = self.take(hub, fake, Table([1]))
        killed = hub.ledger.new_batch(TABLE, "killed", "increment")
        folder = hub.lake.raw(TABLE, killed.id)
        folder.mkdir()
        (folder / ".part-00000.parquet.part").write_bytes(b"half")
        (taken,) = self.take(hub, fake, Table([1]), Table([2]))
        assert [batch.id for batch in hub.ledger.batches(TABLE)] == [whole.id, taken.id]
        assert folders(hub, TABLE) == [whole.id, taken.id]
        assert [row["xh"] for row in rows(hub, taken)] == [2]

    def test_two_pulls_of_one_department_do_not_run_at_once(self, hub: Hub, fake: Fake) -> None:
        with hub.ledger.locked("pull public_security"), pytest.raises(RetryError, match="another process is at it"):
            self.take(hub, fake, Table([1]))
        assert hub.ledger.batches(TABLE) == []

    def test_a_pull_that_breaks_off_goes_on_with_the_chunk_it_was_at(self, hub: Hub, fake: Fake) -> None:
        away = RetryError("w", "away", "", "")
        with pytest.raises(RetryError):
            self.take(hub, fake, Pages([1, 2], [3], [4], failing_at=2, failure=away))
        (half,) = hub.ledger.batches(TABLE)
        assert half.state == "pulling"
        again = Pages([1, 2], [3], [4])
        (batch,) = self.take(hub, fake, again)
        assert (batch.id, batch.state, batch.landed, batch.mark) == (half.id, "landed", 4, {"pages": [2, 1, 1]})
        assert again.read_pages == [2]
        assert [row["xh"] for row in rows(hub, batch)] == [1, 2, 3, 4]
        numbers = [row["_row"] for row in rows(hub, batch)]
        assert numbers == [1, 2, CHUNK_ROWS_APART + 1, 2 * CHUNK_ROWS_APART + 1]
        manifest = json.loads((hub.lake.raw(TABLE, batch.id) / "manifest.json").read_text(encoding="utf-8"))
        whole = self.take(hub, fake, Pages([1, 2], [3], [4], name="another name"))
        assert whole == [], "the rows read in two goes have the digest of those read in one"
        assert manifest["rows"] == 4

    def test_a_chunk_whose_file_is_gone_is_read_again(self, hub: Hub, fake: Fake) -> None:
        with pytest.raises(RetryError):
            self.take(hub, fake, Pages([1], [2], [3], failing_at=2, failure=RetryError("w", "away", "", "")))
        (half,) = hub.ledger.batches(TABLE)
        (hub.lake.raw(TABLE, half.id) / "part-00000.parquet").unlink()
        again = Pages([1], [2], [3])
        (batch,) = self.take(hub, fake, again)
        assert sorted(again.read_pages) == [0, 2]
        assert batch.landed == 3

    @pytest.mark.parametrize("change", ["old", "other content"])
    def test_half_a_pull_of_another_day_or_content_is_begun_anew(
        self, hub: Hub, fake: Fake, change: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        away = RetryError("w", "away", "", "")
        with pytest.raises(RetryError):
            self.take(hub, fake, Pages([1], [2], failing_at=1, failure=away, fingerprint="a"))
        if change == "old":
            monkeypatch.setattr(module, "_RESUME_WITHIN", timedelta(0))
        again = Pages([1], [2], fingerprint="a" if change == "old" else "b")
        (batch,) = self.take(hub, fake, again)
        assert again.read_pages == [0, 1]
        assert hub.ledger.batches(TABLE) == [batch]
        assert folders(hub, TABLE) == [batch.id]

    def test_messages_that_came_twice_are_told_and_kept_in_the_ledger(self, hub: Hub, fake: Fake) -> None:
        class Messages(Table):
            def read(self, chunk: Chunk = WHOLE) -> Iterator[pa.RecordBatch]:
                yield from super().read(chunk)
                self.fingerprint = "known only now"

        (batch,) = self.take(hub, fake, Messages([1, 2], name="queue"))
        assert self.take(hub, fake, Messages([1, 2], name="queue")) == []
        assert [(told["offer"], told["batch"]) for told in status(hub)["repeated"]] == [("queue", batch.id)]

    def test_the_source_is_told_when_its_rows_are_kept_also_where_they_were_known(self, hub: Hub, fake: Fake) -> None:
        first, again = Pages([1]), Pages([1])
        self.take(hub, fake, first)
        self.take(hub, fake, again)
        assert (first.settled, again.settled) == (1, 1)
        failing = Pages([2], failing_at=0, failure=RetryError("w", "away", "", ""))
        with pytest.raises(RetryError):
            self.take(hub, fake, failing)
        assert failing.settled == 0

    def test_a_backfill_begins_where_it_is_told(self, hub: Hub, fake: Fake) -> None:
        self.take(hub, fake, Table([1], mark={"since": 1}))
        since = datetime(2026, 1, 1)  # noqa: DTZ001 - departments' clocks carry no zone
        fake.offered = []
        pull(hub, TABLE, since=since)
        assert fake.requests[-1].since == since.replace(tzinfo=CHINA)
        assert fake.marks[-1] == {"since": 1}, "without it a connector could not tell that rows would be left out"

    def test_changed_columns_open_a_numbered_notice_once_and_the_agreed_ones_go_on(self, hub: Hub, fake: Fake) -> None:
        wanted = dict.fromkeys(hub.contracts.sources[TABLE].physical_names, "text")
        first, second = Table([1]), Table([2], name="second")
        first.available, second.available = wanted, {**wanted, "xin": "text", "xm": "blob"}
        (batch,) = self.take(hub, fake, first)
        assert batch.columns == wanted
        assert notices(hub.database) == []
        (batch,) = self.take(hub, fake, second)
        assert batch.state == "landed"
        told = [(notice.kind, notice.subject, notice.batch) for notice in notices(hub.database, "public_security")]
        assert sorted(told) == [("column_new", "xin", batch.id), ("column_retyped", "xm", batch.id)]
        third = Table([3], name="third")
        third.available = {**wanted, "xin": "text", "xm": "blob"}
        self.take(hub, fake, third)
        assert len(notices(hub.database)) == 2
        for notice in notices(hub.database):
            close_notice(hub.database, notice.number, "someone")
        assert notices(hub.database) == []
        assert {notice.closed_by for notice in notices(hub.database, closed=True)} == {"someone"}
        with pytest.raises(StopError, match="no open notice"):
            close_notice(hub.database, 99_999, "someone")

    def test_a_missing_column_withholds_the_delivery_and_its_owner_gets_a_number(self, hub: Hub, fake: Fake) -> None:
        wanted = dict.fromkeys(hub.contracts.sources[TABLE].physical_names, "text")
        gone = ColumnsMissingError("w", "column(s) missing: zxyy, zxrq", "a", "ask", ("zxyy", "zxrq"))
        (first,) = self.take(hub, fake, Table([1], failure=gone))
        told = {(notice.kind, notice.subject, notice.batch) for notice in notices(hub.database)}
        assert told == {("column_missing", "zxyy", first.id), ("column_missing", "zxrq", first.id)}
        assert self.take(hub, fake, Table([1], failure=gone)) == []
        assert len(notices(hub.database)) == 2, "told again"

        for notice in notices(hub.database):
            close_notice(hub.database, notice.number, "someone")
        self.take(hub, fake, Table([1]))
        seen = Table([2], failure=gone)
        seen.available = {name: kind for name, kind in wanted.items() if name not in gone.columns}
        (again,) = self.take(hub, fake, seen)
        assert (again.state, again.note) == ("withheld", first.note), "a table spoilt once more is told once more"
        assert {notice.batch for notice in notices(hub.database)} == {again.id}

    def test_a_change_the_contract_freezes_withholds_the_delivery(self, hub: Hub, fake: Fake) -> None:
        wanted = dict.fromkeys(hub.contracts.sources[TABLE].physical_names, "text")
        contract = hub.contracts.sources[TABLE]
        strict = replace(contract, drift={**contract.drift, "new": "freeze"})
        narrow = replace(hub, contracts=replace(hub.contracts, sources={**hub.contracts.sources, TABLE: strict}))
        first, second = Table([1]), Table([2], name="second")
        first.available, second.available = wanted, {**wanted, "xin": "text"}
        self.take(narrow, fake, first)
        (withheld,) = self.take(narrow, fake, second)
        assert (withheld.state, withheld.note.partition(":")[0]) == ("withheld", "schema_drift")
        assert "xin" in withheld.note
        assert [(notice.subject, notice.batch) for notice in notices(hub.database)] == [("xin", withheld.id)]
        assert folders(hub, TABLE) == [hub.ledger.batches(TABLE)[0].id]

    def test_a_complete_list_that_loses_many_rows_is_not_believed(self, hub: Hub, fake: Fake) -> None:
        class List(Table):
            def read(self, chunk: Chunk = WHOLE) -> Iterator[pa.RecordBatch]:
                (numbers,) = self.numbers
                yield pa.record_batch({"身份证号": pa.array([str(number) for number in numbers])})

        self.take(hub, fake, List(list(range(100)), name="one"), tail=ALLOWANCE)
        (withheld,) = self.take(hub, fake, List(list(range(60)), name="two"), tail=ALLOWANCE)
        assert withheld.note.startswith("deletions_braked: 40 of 100 rows are gone at once")
        fake.offered = [List(list(range(60)), name="two")]
        (batch,) = pull(hub, ALLOWANCE, accept_deletions=True)
        assert (batch.state, batch.landed) == ("landed", 60)
        (fewer,) = self.take(hub, fake, List(list(range(45)), name="three"), tail=ALLOWANCE)
        assert fewer.state == "landed"

    def test_nothing_is_asked_in_quiet_hours(self, hub: Hub, fake: Fake) -> None:
        system = replace(hub.contracts.systems["public_security"], quiet_hours=("00:00-23:59", "23:59-00:00"))
        quiet = replace(hub, contracts=replace(hub.contracts, systems={"public_security": system}))
        with pytest.raises(RetryError, match="quiet hours until"):
            pull(quiet, TABLE)
        assert fake.connections == []

    @pytest.mark.parametrize("pages", [1, 3])
    def test_quiet_hours_that_begin_amid_a_pull_end_it_between_two_chunks(
        self, hub: Hub, fake: Fake, pages: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watched = quiet_at_night(hub, monkeypatch)
        offer = Pages(*([n] for n in range(pages)))
        watched.until = lambda: len(offer.read_pages) == 1
        if pages == 1:
            (batch,) = self.take(watched.hub, fake, offer)
            assert batch.landed == 1, "what is read to its end has landed"
            return
        with pytest.raises(RetryError, match="quiet hours until 18:00"):
            self.take(watched.hub, fake, offer)
        (half,) = hub.ledger.batches(TABLE)
        assert (half.state, offer.read_pages) == ("pulling", [0])

    def test_the_next_night_goes_on_with_the_chunk(self, hub: Hub, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
        watched = quiet_at_night(hub, monkeypatch)
        offer = Pages([1], [2], [3])
        watched.until = lambda: len(offer.read_pages) == 2
        with pytest.raises(RetryError):
            self.take(watched.hub, fake, offer)
        (half,) = hub.ledger.batches(TABLE)
        hub.ledger.save_batch(replace(half, pulled_at=half.pulled_at - timedelta(hours=24)))
        watched.until = lambda: False
        again = Pages([1], [2], [3])
        (batch,) = self.take(watched.hub, fake, again)
        assert (batch.id, batch.landed, again.read_pages) == (half.id, 3, [2])

    def test_quiet_hours_are_kept_between_two_offers(
        self, hub: Hub, fake: Fake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watched = quiet_at_night(hub, monkeypatch)
        first, second = Pages([1], name="one"), Pages([2], name="two")
        watched.until = lambda: first.settled == 1
        with pytest.raises(RetryError, match="quiet hours"):
            self.take(watched.hub, fake, first, second)
        assert [(batch.offer, batch.state) for batch in hub.ledger.batches(TABLE)] == [("one", "landed")]
        assert second.read_pages == []

    def test_an_empty_snapshot_after_an_empty_one_is_nothing_to_ask_about(self, hub: Hub, fake: Fake) -> None:
        (first,) = self.take(hub, fake, Table([]), tail=ALLOWANCE)
        assert (first.state, first.landed) == ("landed", 0)
        assert self.take(hub, fake, Table([]), tail=ALLOWANCE) == []
        assert [batch.state for batch in hub.ledger.batches(ALLOWANCE)] == ["landed"]

    def test_what_was_withheld_at_once_is_recorded_with_its_fingerprint(self, hub: Hub, fake: Fake) -> None:
        offer = Withheld("x.csv", "drop_incomplete", "x.ok missing", "f" * 64)
        (batch,) = self.take(hub, fake, offer)
        assert (batch.content_hash, batch.note) == ("f" * 64, "drop_incomplete: x.ok missing")
        assert self.take(hub, fake, offer) == []
        assert len(self.take(hub, fake, replace(offer, message="x.md5 missing"))) == 1
