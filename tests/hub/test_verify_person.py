"""One person verified by a call to a real service: asked once, within the quota of all processes, on record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import Result
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from connectors import http
from hub import cli, cli_outward
from hub.context import Hub
from hub.errors import RetryError, SetAsideError, StopError
from hub.ledger.models import AuditRow, VerifyAnswerRow, VerifyTryRow
from hub.ledger.verified import LedgerVerifyStore
from hub.verify_person import verify_person
from tests.connectors.servers import Answer, Asked, WebServer
from tests.hub.mini import opened

pytestmark = pytest.mark.integration
NAME, NUMBER, OTHER = "甲某", "320371195001010016", "320371199001010022"
TAIL = "public_security/person_check"
OPTIONS: dict[str, Any] = {
    "connection": "gateway",
    "name": "xm",
    "number": "gmsfhm",
    "fields": ["mz"],
    "path": "/check",
    "method": "POST",
    "matched": "data.result",
    "matched_words": ["1"],
    "unmatched_words": ["0"],
    "answer": "data.person",
    "quota_a_day": 3,
}
KEY = b"k" * 32
DAY, NOON = date(2026, 11, 1), datetime(2026, 11, 1, 4, tzinfo=UTC)


class Register:
    """A department that knows one person."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.answer: Answer | None = None

    def respond(self, asked: Asked) -> Answer:
        given = json.loads(asked.body)
        self.asked.append(given)
        if self.answer is not None:
            return self.answer
        if given == {"xm": NAME, "gmsfhm": NUMBER}:
            return Answer({"data": {"result": "1", "person": {"mz": "01"}}})
        return Answer({"data": {"result": 0}})


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Iterator[Hub]:
    with opened(tmp_path_factory.mktemp("verify"), module_database_url) as hub:
        yield hub


@pytest.fixture
def register() -> Register:
    return Register()


@pytest.fixture
def hub(plain: Hub, register: Register, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub whose police verify persons."""
    monkeypatch.setattr(http, "FIRST_PAUSE", 0.0)
    with plain.database.begin() as link:
        link.execute(sa.text("TRUNCATE ledger.verify_answer, ledger.verify_try, ledger.audit"))
    with WebServer() as web:
        web.respond = register.respond
        monkeypatch.setenv("HUB_PLACE_GATEWAY", web.url)
        yield with_options(plain, OPTIONS)


def with_options(hub: Hub, options: dict[str, Any]) -> Hub:
    system = hub.contracts.systems["public_security"]
    gateway = {"kind": "rest", "place": "${HUB_PLACE_GATEWAY}"}
    system = replace(system, connections={**system.connections, "gateway": gateway}, verify={"person_check": options})
    return replace(hub, contracts=replace(hub.contracts, systems={**hub.contracts.systems, system.name: system}))


def ask(hub: Hub, name: str = NAME, number: str = NUMBER, purpose: str = "低保核对") -> Any:
    return verify_person(hub, TAIL, name, number, purpose, "cli:officer")


def record(hub: Hub) -> list[tuple[str, str, dict[str, Any]]]:
    with Session(hub.database) as session:
        return [(row.action, row.actor, row.details) for row in session.scalars(sa.select(AuditRow))]


def test_the_department_is_asked_once_while_its_answer_holds(hub: Hub, register: Register) -> None:
    first, again = ask(hub), ask(hub, f" {NAME} ", f" {NUMBER.lower()}\n")
    assert (first.matched, dict(first.values), first.asked) == (True, {"mz": "01"}, True)
    assert (again.matched, dict(again.values), again.asked) == (True, {"mz": "01"}, False)
    assert not ask(hub, "乙某", OTHER).matched
    assert register.asked == [{"xm": NAME, "gmsfhm": NUMBER}, {"xm": "乙某", "gmsfhm": OTHER}]


def test_neither_name_nor_number_nor_answer_is_kept_where_it_can_be_read(hub: Hub) -> None:
    found = ask(hub)
    with Session(hub.database) as session:
        (row,) = session.scalars(sa.select(VerifyAnswerRow))
        assert row.question == found.question
        assert len(row.question) == 64
        told = [row.sealed, row.question.encode(), json.dumps(record(hub), ensure_ascii=False).encode()]
    for word in (NAME, NUMBER, NUMBER[:10], '"mz"', '"01"'):
        assert not any(word.encode() in one for one in told)


def test_who_asked_for_what_is_on_record(hub: Hub) -> None:
    found = ask(hub)
    assert record(hub) == [
        (
            "person_verified",
            "cli:officer",
            {
                "system": "public_security",
                "service": "person_check",
                "purpose": "低保核对",
                "question": found.question,
                "matched": True,
                "asked": True,
            },
        )
    ]


def test_the_quota_is_that_of_all_processes_and_of_the_day(hub: Hub, register: Register) -> None:
    for number in ("320371199001010022", "320371194503030071", "320371201601010042"):
        ask(hub, "某", number)
    with pytest.raises(RetryError, match=r"3 tries on .*Allowed: 3 a day"):
        ask(hub)
    assert len(register.asked) == 3
    assert not ask(hub, "某", "320371199001010022").asked
    assert [action for action, _, _ in record(hub)].count("person_not_verified") == 1
    assert record(hub)[3][2]["error"] == "RetryError"


def test_processes_at_once_never_spend_more_than_the_quota(hub: Hub) -> None:
    def spend(_: int) -> list[bool]:
        engine = sa.create_engine(hub.database.url)
        store = LedgerVerifyStore(engine, TAIL, KEY)
        spent = [store.spend(DAY, 20) for _ in range(10)]
        engine.dispose()
        return spent

    with ThreadPoolExecutor(5) as pool:
        spent = [one for part in pool.map(spend, range(5)) for one in part]
    assert (spent.count(True), spent.count(False)) == (20, 30)
    store = LedgerVerifyStore(hub.database, TAIL, KEY)
    assert store.used(DAY) == 20
    assert store.used(DAY + timedelta(days=1)) == 0
    assert LedgerVerifyStore(hub.database, "other/service", KEY).spend(DAY, 1)


class TestStore:
    @pytest.fixture
    def store(self, hub: Hub) -> LedgerVerifyStore:
        return LedgerVerifyStore(hub.database, TAIL, KEY)

    def test_an_answer_is_kept_until_its_time(self, store: LedgerVerifyStore) -> None:
        until = datetime.now(UTC) + timedelta(days=1)
        store.put("q", {"matched": False, "values": {}}, until + timedelta(days=1))
        store.put("q", {"matched": True, "values": {"mz": None}}, until)
        assert store.get("q", until - timedelta(seconds=1)) == {"matched": True, "values": {"mz": None}}
        assert store.get("q", until) is None
        assert store.get("p", NOON) is None

    def test_what_is_over_is_forgotten(self, hub: Hub, store: LedgerVerifyStore) -> None:
        store.put("old", {"matched": True, "values": {}}, datetime.now(UTC) - timedelta(seconds=1))
        store.put("new", {"matched": True, "values": {}}, datetime.now(UTC) + timedelta(days=1))
        store.spend(DAY - timedelta(days=500), 1)
        store.spend(DAY, 1)
        with Session(hub.database) as session:
            assert session.scalars(sa.select(VerifyAnswerRow.question)).all() == ["new"]
            assert session.scalars(sa.select(VerifyTryRow.day)).all() == [DAY]

    def test_under_another_key_or_at_another_question_it_says_nothing(self, hub: Hub, store: LedgerVerifyStore) -> None:
        until = datetime.now(UTC) + timedelta(days=1)
        store.put("q", {"matched": True, "values": {}}, until)
        assert LedgerVerifyStore(hub.database, TAIL, b"x" * 32).get("q", NOON) is None
        with hub.database.begin() as link:
            link.execute(sa.text("UPDATE ledger.verify_answer SET question = 'p'"))
        assert store.get("p", NOON) is None


@pytest.mark.parametrize(
    ("name", "number", "purpose", "came"),
    [
        ("", NUMBER, "p", "name that cannot be one"),
        (NAME, "", "p", "number that cannot be one"),
        (NAME, NUMBER, " ", "purpose that cannot be one"),
        (NAME, NUMBER[:-1] + "7", "p", "number that cannot be one"),
        (NAME, "32037119500101001A", "p", "number that cannot be one"),
        ("甲\n某", NUMBER, "p", "name that cannot be one"),
        ("甲" * 101, "9" * 101, "p", "name and number that cannot be one"),
    ],
)
def test_what_cannot_be_right_costs_no_try(
    hub: Hub, register: Register, name: str, number: str, purpose: str, came: str
) -> None:
    with pytest.raises(StopError, match=came) as caught:
        ask(hub, name, number, purpose)
    assert register.asked == []
    assert not number or number not in str(caught.value)


@pytest.mark.parametrize("tail", ["public_security", "public_security/other", "police/person_check", "", "/"])
def test_a_service_nobody_stated(hub: Hub, tail: str) -> None:
    with pytest.raises(StopError, match="public_security/person_check"):
        verify_person(hub, tail, NAME, NUMBER, "p", "x")


def test_a_service_that_refuses_or_lacks_a_field_is_on_record_without_the_person(hub: Hub, register: Register) -> None:
    register.answer = Answer({"data": {"result": "1", "person": {"xb": NAME}}})
    with pytest.raises(SetAsideError, match="missing: mz"):
        ask(hub)
    register.answer = Answer(NAME, status=403)
    with pytest.raises(StopError, match="HTTP 403") as caught:
        ask(hub)
    assert NAME not in str(caught.value)
    assert [row[0] for row in record(hub)] == ["person_not_verified"] * 2
    assert record(hub)[1][2]["error"] == "StopError"
    assert NUMBER not in str(record(hub))


class TestCommand:
    @pytest.fixture(autouse=True)
    def _opened(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        @contextmanager
        def this() -> Iterator[Hub]:
            yield hub

        monkeypatch.setattr(cli_outward, "opened", this)

    def call(self, text: str, *more: str, code: int = 0) -> Result:
        result = CliRunner().invoke(cli.app, ["verify-person", TAIL, "--purpose", "低保核对", *more], input=text)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    def test_name_and_number_come_from_standard_input(self, register: Register) -> None:
        told = json.loads(self.call(f"{NAME}\n{NUMBER}\n", "--json").stdout)
        assert told == {"matched": True, "asked": True, "values": {"mz": "01"}}
        shown = self.call(f"\n{NAME}\r\n\n{NUMBER}").stdout
        assert "一致 matched" in shown
        assert "the department was not asked again" in shown
        assert "不一致 not matched" in self.call(f"乙某\n{OTHER}\n").stdout
        assert len(register.asked) == 2

    def test_never_from_the_command_line(self, register: Register) -> None:
        assert "unexpected extra argument" in self.call("", NUMBER, code=2).output
        assert register.asked == []

    @pytest.mark.parametrize("text", ["", f"{NUMBER}\n", f"{NAME}\n{NUMBER}\n{OTHER}\n", "x" * 2_000])
    def test_anything_but_two_lines_stops(self, text: str) -> None:
        with pytest.raises(StopError, match="lines on standard input"):
            self.call(text)
