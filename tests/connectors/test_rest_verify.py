"""Verifying one at a time: quota, cache, verdicts; no sockets. All people are invented."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from connectors import http
from connectors.base import Connection, Request
from connectors.errors import RetryError, SetAsideError, StopError
from connectors.options import options_of
from connectors.rest import RestConnector
from connectors.rest_calls import Caller
from connectors.rest_options import Verify
from connectors.rest_verify import Verified, verify_each
from tests.connectors.servers import Answer, Asked
from tests.connectors.suite import SECRET
from tests.connectors.web_servers import WIRE, parameters, wired

OPTIONS: dict[str, Any] = {
    "path": "/check",
    "method": "POST",
    "code": "ok",
    "matched": "data.result",
    "matched_words": [1, True],
    "unmatched_words": ["0"],
    "answer": "data.person",
    "quota_a_day": 3,
}
PEOPLE = [(f"k{number}", {"xm": f"王{number}", "sfzh": f"32037119900101000{number}"}) for number in range(5)]
KEY = b"a key of the hub's own"
NOON = datetime(2026, 1, 2, 4, tzinfo=UTC)


class Store:
    """Answers and quota in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[Mapping[str, Any], datetime]] = {}
        self.tries: dict[date, int] = {}

    def get(self, question: str, now: datetime) -> Mapping[str, Any] | None:
        answer, until = self.kept.get(question, ({}, now))
        return answer if until > now else None

    def put(self, question: str, answer: Mapping[str, Any], until: datetime) -> None:
        self.kept[question] = (answer, until)

    def used(self, day: date) -> int:
        return self.tries.get(day, 0)

    def spend(self, day: date, quota: int) -> bool:
        if self.used(day) >= quota:
            return False
        self.tries[day] = self.used(day) + 1
        return True


class Register:
    """A department that confirms people whose number ends in an even digit."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answers: list[Answer] = []

    def respond(self, asked: Asked) -> Answer:
        given = parameters(asked)
        self.asked.append(given)
        if self.answers:
            return self.answers.pop(0)
        if int(given["sfzh"][-1]) % 2:
            return Answer({"ok": "0", "data": {"result": 0}})
        return Answer({"ok": "0", "data": {"result": "1", "person": {"mz": "01", "age": 36}}})


def connector() -> RestConnector:
    auth = {"kind": "header", "name": "X-Key"}
    return RestConnector(Connection("police", "verify", "rest", WIRE, SECRET, {"auth": auth}))


def request(**options: Any) -> Request:
    return Request("police/person_check", ("mz", "age"), {**OPTIONS, **options})


def ask(store: Store, people: list[Any], moment: datetime = NOON, **options: Any) -> list[Verified]:
    wanted = request(**options)
    caller = Caller(Connection("police", "verify", "rest", WIRE, SECRET, {"auth": {"kind": "header", "name": "X-Key"}}))
    checked = options_of(Verify, wanted, {})
    return list(verify_each(caller, wanted, checked, people, store, KEY, lambda: moment))


def test_each_key_has_its_verdict_and_fields() -> None:
    with wired(Register().respond):
        answers = list(connector().verify(request(), PEOPLE[:2], Store(), KEY))
    assert [(one.key, one.matched, dict(one.values), one.asked) for one in answers] == [
        ("k0", True, {"mz": "01", "age": "36"}, True),
        ("k1", False, {"mz": None, "age": None}, True),
    ]


def test_no_question_is_asked_twice_while_its_answer_is_true() -> None:
    register, store = Register(), Store()
    with wired(register.respond):
        ask(store, [PEOPLE[0], ("again", dict(reversed(PEOPLE[0][1].items()))), PEOPLE[1]])
        later = ask(store, PEOPLE[:2], NOON + timedelta(days=29))
        assert [answer.asked for answer in later] == [False, False]
        assert len(register.asked) == 2
        ask(store, PEOPLE[:1], NOON + timedelta(days=30))
    assert len(register.asked) == 3


def test_the_store_holds_no_identifier() -> None:
    store = Store()
    with wired(Register().respond):
        ask(store, PEOPLE[:2])
    assert "3203711990" not in repr(store.kept)
    assert "王" not in repr(store.kept)


def test_a_question_is_known_by_a_digest_under_a_key_of_our_own() -> None:
    store = Store()
    with wired(Register().respond):
        (one,) = ask(store, PEOPLE[:1])
    assert list(store.kept) == [one.question]
    told = json.dumps(["police/person_check", ["mz", "age"], sorted(PEOPLE[0][1].items())], ensure_ascii=False)
    assert one.question == hmac.new(KEY, told.encode(), hashlib.sha256).hexdigest()
    # The connection's secret, which the department knows too, is not that key.
    assert one.question != hmac.new(SECRET.encode(), told.encode(), hashlib.sha256).hexdigest()


def test_the_quota_ends_the_day_and_what_was_answered_stays() -> None:
    register, store = Register(), Store()
    with wired(register.respond):
        with pytest.raises(RetryError, match=r"3 tries on 2026-01-02. Allowed: 3 a day"):
            ask(store, PEOPLE)
        answers = ask(store, PEOPLE, NOON + timedelta(days=1))
    assert [answer.asked for answer in answers] == [False, False, False, True, True]
    assert len(register.asked) == 5


def test_a_day_ends_at_midnight_in_china() -> None:
    store = Store()
    with wired(Register().respond):
        ask(store, PEOPLE[:1], datetime(2026, 1, 2, 15, 59, tzinfo=UTC))
        ask(store, PEOPLE[1:2], datetime(2026, 1, 2, 16, 1, tzinfo=UTC))
    assert store.tries == {date(2026, 1, 2): 1, date(2026, 1, 3): 1}


def test_a_try_that_fails_counts_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FIRST_PAUSE", 0.0)
    register, store = Register(), Store()
    register.answers = [Answer(status=503)]
    with wired(register.respond):
        ask(store, PEOPLE[:1])
        assert store.used(date(2026, 1, 2)) == 2
        register.answers = [Answer(status=503) for _ in range(9)]
        with pytest.raises(RetryError, match="3 tries on"):
            ask(store, PEOPLE[1:2])
    assert len(register.asked) == 3


@pytest.mark.parametrize("result", ["maybe", None, {}, ["1"]])
def test_a_verdict_of_no_known_word_stops(result: Any) -> None:
    register = Register()
    register.answers = [Answer({"ok": "0", "data": {"result": result, "person": {}}})]
    with wired(register.respond), pytest.raises(StopError, match="a verdict that is neither"):
        ask(Store(), PEOPLE[:1])


def test_an_answer_without_its_object_stops() -> None:
    register = Register()
    register.answers = [Answer({"ok": "0", "data": {"result": True}})]
    with wired(register.respond), pytest.raises(StopError, match=r"no object at 'data\.person'"):
        ask(Store(), PEOPLE[:1])


def test_an_answer_that_lacks_a_field_is_schema_drift() -> None:
    register = Register()
    register.answers = [Answer({"ok": "0", "data": {"result": "1", "person": {"mz": "01"}}})]
    with wired(register.respond), pytest.raises(SetAsideError, match="missing: age"):
        ask(Store(), PEOPLE[:1])


@pytest.mark.parametrize("left_out", ["matched", "matched_words", "unmatched_words", "quota_a_day", "path"])
def test_no_option_is_missed_in_silence(left_out: str) -> None:
    options = {name: value for name, value in OPTIONS.items() if name != left_out}
    with pytest.raises(StopError, match=f"{left_out}: Field required"):
        connector().verify(Request("police/person_check", (), options), [], Store(), KEY)


def test_errors_name_nobody() -> None:
    register = Register()
    register.answers = [Answer({"ok": "7", "message": "王0 320371199001010000"})]
    with wired(register.respond), pytest.raises(StopError, match="answers code 7") as caught:
        ask(Store(), PEOPLE[:1])
    assert "王" not in str(caught.value)
    assert "320371" not in str(caught.value)
