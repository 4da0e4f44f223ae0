"""A department's program over HTTP, at a real server: its own issues out and back, nobody else's, nothing lost."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import openpyxl
import pytest
import sqlalchemy as sa
import uvicorn
from sqlalchemy.orm import Session

from hub.context import Hub
from hub.errors import StopError
from hub.exchange import grants_system
from hub.exchange.grants import grant_in_force, list_grants, revoke_grant, sign_in
from hub.exchange.grants_system import create_system_grant, grant_of_code, list_system_grants
from hub.ledger.models import AuditRow, GrantRow
from hub.portal import create_app
from hub.portal import issues as issues_module
from hub.walk import pull_system, take_in
from tests.hub.drops import ALLOWANCE, DEATH, Drops, allowance, death
from tests.hub.mini import opened

pytestmark = pytest.mark.integration
FIRST, SECOND = "320371195001010016", "320371199001010022"
WRONG = SECOND[:-1] + "9"
HEALTH, CIVIL = "health_commission", "civil_affairs"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ROW = {"batch": f"{HEALTH}.death.000001", "row": 2, "values": {"身份证件号码": SECOND}}


@contextmanager
def delivered(folder: Path, database_url: str) -> Iterator[Hub]:
    """A hub in which a row of each of two departments waits."""
    drops = Drops(folder)
    drops.deaths(
        "20261101", death(FIRST, 性别="1", 出生日期="19500101"), death(WRONG, 出生日期="19900101", 姓名="乙某")
    )
    drops.allowances("202611", allowance(FIRST, **{"月津贴（元）": "9000"}))
    with opened(folder, database_url, env_file=drops.env_file) as hub:
        for system in (HEALTH, CIVIL):
            pull_system(hub, system)
            take_in(hub, system)
        yield hub


@contextmanager
def served(hub: Hub) -> Iterator[httpx.Client]:
    """The portal on loopback, and a client of it."""
    server = uvicorn.Server(uvicorn.Config(create_app(hub), port=0, ws="none", log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.05)
    address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    with httpx.Client(base_url=f"{address}/api/v1/issues", timeout=120) as client:
        yield client
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def whole_hub(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Iterator[Hub]:
    with delivered(tmp_path_factory.mktemp("issues"), module_database_url) as hub:
        yield hub


@pytest.fixture
def hub(whole_hub: Hub) -> Hub:
    """A hub whose rows wait, and in which nobody has come yet."""
    with whole_hub.database.begin() as link:
        link.execute(sa.text('TRUNCATE ledger."grant", ledger.audit'))
    return whole_hub


@pytest.fixture
def portal(hub: Hub) -> Iterator[httpx.Client]:
    """A client of a portal of its own, for its throttle is fresh."""
    with served(hub) as client:
        yield client


def code_for(hub: Hub, system: str = HEALTH, **changed: Any) -> str:
    told = {"holder": "信息统计科", "operator": "死因监测系统", "purpose": "数据更正", "system": system, **changed}
    return create_system_grant(hub, **told)[1]


def bearer(code: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {code}", **more}


def refused(answer: httpx.Response, status: int) -> dict[str, str]:
    """The fault of an answer in the hub's own shape."""
    assert answer.status_code == status, answer.text
    fault: dict[str, str] = answer.json()["detail"]
    assert set(fault) == {"where", "came", "allowed", "do", "reason"}
    return fault


def form(*rows: dict[str, Any]) -> bytes:
    return json.dumps({"datasets": [{"rows": rows}]}).encode()


def audited(hub: Hub, *actions: str) -> list[tuple[str, str, dict[str, Any]]]:
    query = sa.select(AuditRow).where(AuditRow.action.in_(actions)).order_by(AuditRow.number)
    with Session(hub.database) as session:
        return [(row.action, row.actor, row.details) for row in session.scalars(query)]


class TestRoundTrip:
    @pytest.fixture
    def hub(self, tmp_path: Path, database_url: str) -> Iterator[Hub]:
        with delivered(tmp_path, database_url) as hub:
            yield hub

    def test_json_out_mended_and_back(self, hub: Hub, portal: httpx.Client) -> None:
        code = code_for(hub)
        answer = portal.get(f"/{HEALTH}", headers=bearer(code))
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        assert answer.headers["cache-control"] == "no-store"
        told = answer.json()
        (row,) = told["datasets"][0]["rows"]
        assert (told["system"], row["values"]["身份证件号码"]) == (HEALTH, WRONG)
        assert FIRST not in answer.text
        row["values"]["身份证件号码"] = SECOND
        sent = portal.post(f"/{HEALTH}", json=told, headers=bearer(code))
        assert sent.status_code == 200, sent.text
        (done,) = sent.json()
        assert (done["dataset"], done["batch"], done["sent"], done["accepted"]) == (
            DEATH,
            f"{HEALTH}.death.000002",
            1,
            1,
        )
        assert portal.get(f"/{HEALTH}", headers=bearer(code)).json()["datasets"] == []
        (again,) = portal.post(f"/{HEALTH}", json=told, headers=bearer(code)).json()
        assert (again["not_waiting"], again["batch"]) == (1, None)

    @pytest.mark.parametrize("by", ["path", "accept"])
    def test_workbook_out_mended_and_back(self, hub: Hub, portal: httpx.Client, by: str) -> None:
        code = code_for(hub)
        path, accept = ("/health_commission.xlsx", "*/*") if by == "path" else (f"/{HEALTH}", f"{XLSX}, */*;q=0.1")
        answer = portal.get(path, headers=bearer(code, Accept=accept))
        assert (answer.status_code, answer.headers["content-type"]) == (200, XLSX)
        assert f'filename="{HEALTH}.xlsx"' in answer.headers["content-disposition"]
        book = openpyxl.load_workbook(io.BytesIO(answer.content))
        head = [cell.value for cell in book.active[3]]
        book.active.cell(4, head.index("身份证件号码") + 1).value = SECOND
        body = io.BytesIO()
        book.save(body)
        sent = portal.post(f"/{HEALTH}", content=body.getvalue(), headers=bearer(code, **{"Content-Type": XLSX}))
        assert [one["accepted"] for one in sent.json()] == [1]
        assert hub.ledger.batches(DEATH)[-1].mode == "correction"

    def test_who_came_is_on_record(self, hub: Hub, portal: httpx.Client) -> None:
        code = code_for(hub)
        grant = code.partition(".")[0]
        portal.get(f"/{HEALTH}", headers=bearer(code))
        portal.post(f"/{HEALTH}", content=form(ROW), headers=bearer(code, **{"Content-Type": "application/json"}))
        out, back = audited(hub, "issues_exported", "corrections_imported")
        assert {out[1], back[1]} == {f"死因监测系统 ({grant})"}
        assert out[2] == {"system": HEALTH, "rows": 1, "format": ".json"}
        assert (back[2]["dataset"], back[2]["accepted"]) == (DEATH, 1)
        assert SECOND not in str(audited(hub, "issues_exported", "corrections_imported"))

    def test_too_much_is_refused_before_it_is_read(
        self, hub: Hub, portal: httpx.Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(issues_module, "MOST_BYTES", 1 << 20)
        headers = bearer(code_for(hub), **{"Content-Type": "application/json"})
        # Without a length, as a stream.
        answer = portal.post(f"/{HEALTH}", content=(b" " * 65_536 for _ in range(64)), headers=headers)
        assert refused(answer, 413)["came"] == "more than 1 MB"
        (done,) = portal.post(f"/{HEALTH}", content=form(ROW), headers=headers).json()
        assert done["accepted"] == 1

    def test_while_the_department_is_pulled_it_is_asked_to_come_later(self, hub: Hub, portal: httpx.Client) -> None:
        headers = bearer(code_for(hub), **{"Content-Type": "application/json"})
        with hub.ledger.locked(f"pull {HEALTH}"):
            answer = portal.post(f"/{HEALTH}", content=form(ROW), headers=headers)
        assert refused(answer, 503)["came"] == "another process is at it"
        assert answer.headers["retry-after"] == "60"
        (done,) = portal.post(f"/{HEALTH}", content=form(ROW), headers=headers).json()
        assert done["accepted"] == 1


class TestTheNeighboursDoor:
    def test_a_department_has_no_other_ones(self, hub: Hub, portal: httpx.Client) -> None:
        code = code_for(hub)
        nowhere = portal.get("/no_such_department", headers=bearer(code))
        assert refused(nowhere, 404)["came"] == "no such department"
        for path in (f"/{CIVIL}", f"/{CIVIL}.xlsx", "/public_security"):
            answer = portal.get(path, headers=bearer(code))
            # Word for word what a department that does not exist gives.
            assert (answer.status_code, answer.content) == (404, nowhere.content)
        answer = portal.post(f"/{CIVIL}", json={"datasets": []}, headers=bearer(code))
        assert (answer.status_code, answer.content) == (404, nowhere.content)
        told = [details["system"] for _, _, details in audited(hub, "refused")]
        assert told == ["", CIVIL, CIVIL, "public_security", CIVIL]
        assert audited(hub, "issues_exported", "corrections_imported") == []

    def test_rows_of_another_department_are_refused_whole(self, hub: Hub, portal: httpx.Client) -> None:
        other = {"batch": f"{CIVIL}.elderly_allowance.000001", "row": 1, "values": {"月津贴（元）": "90"}}
        headers = bearer(code_for(hub), **{"Content-Type": "application/json"})
        for rows in ((other,), (ROW, other)):
            fault = refused(portal.post(f"/{HEALTH}", content=form(*rows), headers=headers), 403)
            assert (fault["came"], fault["allowed"]) == (f"rows of {CIVIL}", f"rows of {HEALTH}")
        assert [len(hub.ledger.batches(tail)) for tail in (DEATH, ALLOWANCE)] == [1, 1]

    @pytest.mark.parametrize("code", ["x", "0123456789abcdef.x", "~.~", "0" * 500])
    def test_without_a_right_access_code_nothing_opens(self, hub: Hub, portal: httpx.Client, code: str) -> None:
        for headers in (bearer(code), {"Authorization": f"Basic {code}"}, {}):
            for ask in (portal.get, portal.post):
                answer = ask(f"/{HEALTH}", headers=headers)
                assert "access code" in refused(answer, 401)["came"]
                assert answer.headers["www-authenticate"].startswith("Bearer ")

    def test_half_a_code_and_the_code_of_another_grant(self, hub: Hub, portal: httpx.Client) -> None:
        one, other = code_for(hub), code_for(hub)
        mixed = f"{one.partition('.')[0]}.{other.partition('.')[2]}"
        for wrong in (mixed, one[:-1], one + "x", one.upper()):
            refused(portal.get(f"/{HEALTH}", headers=bearer(wrong)), 401)
        assert portal.get(f"/{HEALTH}", headers=bearer(one)).status_code == 200

    def test_revoked_and_expired_codes_are_over(
        self, hub: Hub, portal: httpx.Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, other = code_for(hub), code_for(hub, days=1)
        revoke_grant(hub, one.partition(".")[0])
        refused(portal.get(f"/{HEALTH}", headers=bearer(one)), 401)
        assert grant_of_code(hub, other) is not None
        monkeypatch.setattr(grants_system, "now", lambda: datetime.now(UTC) + timedelta(days=1))
        refused(portal.get(f"/{HEALTH}", headers=bearer(other)), 401)

    def test_guessing_is_slowed_and_shuts_out_nobody_else(self, hub: Hub, portal: httpx.Client) -> None:
        code = code_for(hub)
        wrong = bearer(f"{code.partition('.')[0]}.guess")
        other = code_for(hub)
        for _ in range(10):
            refused(portal.get(f"/{HEALTH}", headers=wrong), 401)
        answer = portal.get(f"/{HEALTH}", headers=wrong)
        assert refused(answer, 429)["came"] == "too many calls"
        assert 0 < int(answer.headers["retry-after"]) <= 61
        assert portal.get(f"/{HEALTH}", headers=bearer(other)).status_code == 200

    def test_a_program_that_asks_without_end_is_slowed(self, hub: Hub, portal: httpx.Client) -> None:
        headers = bearer(code_for(hub))
        statuses = [portal.post(f"/{HEALTH}", headers=headers).status_code for _ in range(31)]
        assert statuses == [415] * 30 + [429]


class TestBodies:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"", "unreadable"),
            (b"{", "unreadable"),
            (b"\xff\xfe", "unreadable"),
            (b"[" * 100_000, "unreadable"),
            (b'{"datasets": [{"rows": [{"batch": "x", "row": 1, "values": {}}]}]}', "unreadable"),
            (form({**ROW, "row": 2**63}), "unreadable"),
            (form({**ROW, "values": {"身份证件号码": 7}}), "unreadable"),
            (form({**ROW, "values": {"别的列": "x"}}), "schema_drift"),
            (form(ROW, ROW), "unreadable"),
            (form(ROW, {**ROW, "batch": "a.b.000001"}), "unreadable"),
        ],
    )
    def test_what_is_no_form_says_what_and_changes_nothing(
        self, hub: Hub, portal: httpx.Client, body: bytes, reason: str
    ) -> None:
        headers = bearer(code_for(hub), **{"Content-Type": "application/json; charset=utf-8"})
        fault = refused(portal.post(f"/{HEALTH}", content=body, headers=headers), 422)
        assert (fault["reason"], fault["where"].startswith("corrections")) == (reason, True)
        assert len(hub.ledger.batches(DEATH)) == 1

    @pytest.mark.parametrize("body", [b"", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600])
    def test_what_is_no_workbook(self, hub: Hub, portal: httpx.Client, body: bytes) -> None:
        headers = bearer(code_for(hub), **{"Content-Type": XLSX})
        assert refused(portal.post(f"/{HEALTH}", content=body, headers=headers), 422)["reason"] == "unreadable"

    @pytest.mark.parametrize("kind", ["text/csv", "", "multipart/form-data; boundary=x"])
    def test_another_kind_of_body(self, hub: Hub, portal: httpx.Client, kind: str) -> None:
        answer = portal.post(f"/{HEALTH}", content=form(ROW), headers=bearer(code_for(hub), **{"Content-Type": kind}))
        assert "application/json" in refused(answer, 415)["allowed"]

    def test_more_rows_than_a_sheet_holds_are_to_be_had_as_json(
        self, hub: Hub, portal: httpx.Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("hub.correction_forms._EXCEL_ROWS", 3)
        headers = bearer(code_for(hub))
        assert "json" in refused(portal.get(f"/{HEALTH}.xlsx", headers=headers), 406)["do"]
        assert portal.get(f"/{HEALTH}", headers=headers).status_code == 200


class TestGrants:
    def test_a_departments_code_signs_nobody_in(self, hub: Hub, portal: httpx.Client) -> None:
        code = code_for(hub)
        grant_id, _, secret = code.partition(".")
        for told in (code, secret):
            assert sign_in(hub, "死因监测系统", told) is None
        assert grant_in_force(hub, grant_id) is None
        assert list_grants(hub) == []
        assert portal.get("../village/320305005204", headers=bearer(code)).status_code == 401
        page = portal.get("../../../division/320305", headers=bearer(code))
        assert (page.status_code, page.headers["location"]) == (303, "/")

    def test_the_code_is_kept_nowhere(self, hub: Hub) -> None:
        code = code_for(hub)
        with hub.database.connect() as link:
            kept = str(link.execute(sa.text('SELECT * FROM ledger."grant"')).all())
            kept += str(link.execute(sa.text("SELECT * FROM ledger.audit")).all())
        assert code.partition(".")[2] not in kept

    @pytest.mark.parametrize(
        ("changed", "came"),
        [
            ({"system": "no_such"}, "system 'no_such' is unknown"),
            ({"operator": " "}, "the operator is empty"),
            ({"purpose": ""}, "the purpose is empty"),
            ({"days": 0}, "0 days, allowed are 1 to 1096"),
            ({"days": 1097}, "1097 days"),
        ],
    )
    def test_a_grant_that_cannot_be_right(self, hub: Hub, changed: dict[str, Any], came: str) -> None:
        with pytest.raises(StopError, match=came):
            code_for(hub, **changed)
        assert list_system_grants(hub) == []

    def test_a_grant_is_for_one_kind_of_scope(self, hub: Hub) -> None:
        code_for(hub)
        (grant,) = list_system_grants(hub)
        assert (grant.system, grant.holder, grant.revoked_at) == (HEALTH, "信息统计科", None)
        with Session(hub.database) as session, pytest.raises(sa.exc.IntegrityError, match="ck_grant_scope"):
            session.execute(sa.update(GrantRow).values(division_code="32"))


def test_the_document_describes_it(hub: Hub, portal: httpx.Client) -> None:
    document = portal.get("../openapi.json").json()
    paths = document["paths"]
    assert set(paths["/api/v1/issues/{system}"]) == {"get", "post"}
    assert document["components"]["securitySchemes"]["department"] == {
        "type": "http",
        "scheme": "bearer",
        "description": "Access code of a grant for a department.",
    }
    for path, verb in (("{system}", "get"), ("{system}", "post"), ("{system}.xlsx", "get")):
        told = paths[f"/api/v1/issues/{path}"][verb]
        assert told["security"] == [{"department": []}]
        assert {"200", "401", "404", "429", "503"} <= set(told["responses"])
    assert set(paths["/api/v1/issues/{system}"]["post"]["requestBody"]["content"]) == {"application/json", XLSX}
    assert {"403", "413", "415", "422"} <= set(paths["/api/v1/issues/{system}"]["post"]["responses"])
    fault = document["components"]["schemas"]["Fault"]["properties"]
    assert set(fault) == {"where", "came", "allowed", "do", "reason"}
