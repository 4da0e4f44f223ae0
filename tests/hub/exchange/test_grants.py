"""Grants: codes that open, scopes that end at the neighbour, days that pass."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from hub.context import Hub
from hub.contracts import load_contracts
from hub.errors import ScopeError, StopError
from hub.exchange.grants import Grant, create_grant, grant_in_force, list_grants, revoke_grant, sign_in
from tests.hub.mini import MAZHUANG, NEIGHBOUR, opened

TOWN = "320305005000"
ROSTER = "village_resident_roster"


@cache
def parents() -> dict[str, str]:
    """Code -> code of the division above, by the list's own column."""
    with (load_contracts().root / "schemas" / "codelists" / "division.csv").open(encoding="utf-8") as lines:
        return {row["code"]: row["parent_code"] for row in csv.DictReader(lines)}


def inside(code: str, division: str) -> bool:
    """Whether a division is another one or lies below it, by the list of divisions."""
    while code:
        if code == division:
            return True
        code = parents()[code]
    return False


def grant_of(head: str, *products: str) -> Grant:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    return Grant("g", "街道", "马庄", head, products or (ROSTER,), "走访", at, at, None, False)


def head_of(code: str) -> str:
    """A code as grants keep it."""
    kinds = {2: "0" * 10, 4: "0" * 8, 6: "0" * 6, 9: "000"}
    return next((code[:length] for length, zeros in kinds.items() if code[length:] == zeros), code)


class TestCovers:
    def test_a_village_covers_itself_and_none_of_its_neighbours(self) -> None:
        others = [code for code in parents() if code.startswith("320305") and code != MAZHUANG]
        assert len(others) == 147
        grant = grant_of(MAZHUANG)
        assert grant.covers(ROSTER, MAZHUANG)
        assert [code for code in others if grant.covers(ROSTER, code)] == []

    def test_a_town_covers_its_villages_and_nothing_above(self) -> None:
        grant = grant_of("320305005")
        covered = [code for code in parents() if grant.covers(ROSTER, code)]
        assert covered == [code for code in parents() if inside(code, TOWN)]
        assert {TOWN, MAZHUANG} < set(covered)
        heads = ("32", "3203", "320305", "320305005")
        assert [head for head in heads if grant.covers(ROSTER, head)] == ["320305005"]

    @given(st.data())
    def test_covers_is_lying_inside(self, data: st.DataObject) -> None:
        codes = sorted(parents())
        division = data.draw(st.sampled_from(codes))
        near = st.sampled_from([code for code in codes if code[:6] == division[:6]])
        code = data.draw(near | st.sampled_from(codes))
        grant = grant_of(head_of(division))
        assert grant.covers(ROSTER, code) is inside(code, division)
        assert grant.covers(ROSTER, head_of(code)) is inside(code, division)

    @pytest.mark.parametrize("division", ["", "3", "32030500520", "３２０３０５", f" {MAZHUANG}", "%", "_" * 12])
    def test_what_is_no_code_is_not_covered(self, division: str) -> None:
        assert not grant_of(MAZHUANG).covers(ROSTER, division)

    def test_only_the_named_products(self) -> None:
        grant = grant_of(MAZHUANG, "village_summary")
        assert grant.covers("village_summary", MAZHUANG)
        assert not grant.covers(ROSTER, MAZHUANG)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Iterator[Hub]:
    with opened(tmp_path_factory.mktemp("grants"), module_database_url) as opened_hub:
        yield opened_hub


@pytest.mark.integration
class TestLife:
    @pytest.fixture(autouse=True)
    def no_grants(self, hub: Hub) -> None:
        with hub.database.begin() as connection:
            connection.execute(sa.text('TRUNCATE ledger."grant", ledger.audit'))

    def make(self, hub: Hub, **changed: Any) -> tuple[Grant, str]:
        usual = {"holder": "潘安湖街道", "operator": "马庄", "division": MAZHUANG, "purpose": "走访"}
        return create_grant(hub, **{**usual, **changed})

    def test_code_opens_the_grant_however_it_is_typed(self, hub: Hub) -> None:
        grant, code = self.make(hub)
        assert sign_in(hub, "马庄", code) == grant
        assert sign_in(hub, "马庄", f"  {code.upper()}\n") == grant
        assert grant_in_force(hub, grant.id) == grant
        assert list_grants(hub) == [grant]

    @pytest.mark.parametrize(
        ("changed", "came"),
        [
            ({"operator": "王:会计"}, "without a colon"),
            ({"operator": "王" * 61}, "1 to 60 characters"),
            ({"operator": "王\0"}, "1 to 60 characters"),
        ],
    )
    def test_a_grant_nobody_could_use_is_not_made(self, hub: Hub, changed: dict[str, Any], came: str) -> None:
        with pytest.raises(StopError, match=came):
            self.make(hub, **changed)
        assert list_grants(hub) == []

    def test_an_operator_is_named_without_the_spaces_around(self, hub: Hub) -> None:
        grant, code = self.make(hub, operator=" 王会计 ")
        assert sign_in(hub, "王会计", code) == grant

    def test_code_is_long_and_has_nothing_that_reads_like_something_else(self, hub: Hub) -> None:
        _, code = self.make(hub)
        assert len(code) == 19
        assert [len(part) for part in code.split("-")] == [4, 4, 4, 4]
        assert not set(code) & set("01il o")

    def test_code_is_kept_nowhere(self, hub: Hub) -> None:
        _, code = self.make(hub)
        with hub.database.connect() as connection:
            row = connection.execute(sa.text('SELECT "grant".*, audit.* FROM ledger."grant", ledger.audit')).one()
        assert code not in str(row)
        assert code.encode() not in b"".join(value for value in row if isinstance(value, bytes))

    def test_another_code_or_operator_opens_nothing(self, hub: Hub) -> None:
        _, code = self.make(hub)
        _, other = self.make(hub, operator="邻村", division=NEIGHBOUR)
        for operator, tried in (("马庄", other), ("邻村", code), ("nobody", code), ("马庄", ""), ("", code)):
            assert sign_in(hub, operator, tried) is None

    def test_an_unknown_operator_costs_as_many_hashes_as_a_known_one(
        self, hub: Hub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from hub.exchange import grants

        self.make(hub)
        hashed: list[str] = []
        real = grants.hash_code
        monkeypatch.setattr(grants, "hash_code", lambda code, salt: hashed.append(code) or real(code, salt))
        for operator in ("马庄", "nobody"):
            sign_in(hub, operator, "wrong")
        assert hashed == ["wrong", "wrong"]

    def test_revoked_is_over_at_once_and_stays_so(self, hub: Hub) -> None:
        grant, code = self.make(hub)
        ended = revoke_grant(hub, grant.id)
        assert sign_in(hub, "马庄", code) is None
        assert grant_in_force(hub, grant.id) is None
        assert revoke_grant(hub, grant.id) == ended
        assert [one.revoked_at for one in list_grants(hub)] == [ended]

    def test_unknown_grant_cannot_be_revoked(self, hub: Hub) -> None:
        with pytest.raises(ScopeError, match="no grant none"):
            revoke_grant(hub, "none")
        assert grant_in_force(hub, "none") is None

    def test_expired_is_over(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        from hub.exchange import grants

        grant, code = self.make(hub, days=1)
        assert grant.expires_at - grant.created_at == pytest.approx(timedelta(days=1), abs=timedelta(seconds=1))
        monkeypatch.setattr(grants, "now", lambda: grant.expires_at - timedelta(seconds=1))
        assert sign_in(hub, "马庄", code) == grant
        monkeypatch.setattr(grants, "now", lambda: grant.expires_at)
        assert sign_in(hub, "马庄", code) is None
        assert grant_in_force(hub, grant.id) is None

    def test_an_operator_has_one_grant_at_a_time(self, hub: Hub) -> None:
        grant, _ = self.make(hub)
        with pytest.raises(StopError, match="has a grant in force; revoke it first"):
            self.make(hub, division=NEIGHBOUR)
        revoke_grant(hub, grant.id)
        renewed, code = self.make(hub, division=NEIGHBOUR)
        assert sign_in(hub, "马庄", code) == renewed

    def test_a_new_demo_grant_takes_the_place_of_the_old_one(self, hub: Hub) -> None:
        _, first = self.make(hub, demo=True)
        grant, second = self.make(hub, demo=True)
        assert sign_in(hub, "马庄", first) is None
        assert sign_in(hub, "马庄", second) == grant

    def test_a_demo_grant_never_ends_a_real_one(self, hub: Hub) -> None:
        grant, _ = self.make(hub)
        with pytest.raises(StopError, match="has a grant in force"):
            self.make(hub, demo=True)
        assert grant_in_force(hub, grant.id) == grant

    def test_without_products_it_is_all_that_villages_get(self, hub: Hub) -> None:
        grant, _ = self.make(hub)
        kinds = {hub.contracts.products[name].subscriber_kind for name in grant.products}
        assert (len(grant.products), kinds) == (6, {"village"})
        named, _ = self.make(hub, operator="卫健委", products=("health_elderly_residents",))
        assert named.products == ("health_elderly_residents",)

    @pytest.mark.parametrize(
        ("division", "kept"),
        [(MAZHUANG, MAZHUANG), (TOWN, "320305005"), ("320305005", "320305005"), ("320305", "320305")],
    )
    def test_division_is_kept_without_the_zeros_that_fill_up(self, hub: Hub, division: str, kept: str) -> None:
        assert self.make(hub, division=division)[0].division_code == kept

    @pytest.mark.parametrize(
        "division",
        # The 10 and 11 digits look like village 320305005200 when zeros are put behind them: all of the town's villages
        # that begin so must not be granted with it.
        ["3203050052", "32030500520", "32030500", "3203050", "320305005999", "110000", "", "马庄", f"{MAZHUANG}0"],
    )
    def test_what_is_no_division_is_refused(self, hub: Hub, division: str) -> None:
        with pytest.raises(StopError, match="is not in the code list of divisions"):
            self.make(hub, division=division)
        assert list_grants(hub) == []

    @pytest.mark.parametrize("division", ["320302", "320300", "32", "320381000000"])
    def test_division_of_another_hub_is_refused(self, hub: Hub, division: str) -> None:
        with pytest.raises(StopError, match="outside this hub's division 320305"):
            self.make(hub, division=division)

    @pytest.mark.parametrize(
        ("changed", "told"),
        [
            ({"purpose": "  "}, "the purpose is empty"),
            ({"operator": " "}, "the operator is empty"),
            ({"holder": ""}, "the holder is empty"),
            ({"days": 0}, "0 days, allowed are 1 to 1096"),
            ({"days": 1097}, "1097 days, allowed are 1 to 1096"),
            ({"products": ("roster",)}, "product 'roster' is unknown"),
        ],
    )
    def test_faults_are_told(self, hub: Hub, changed: dict[str, Any], told: str) -> None:
        with pytest.raises(StopError, match=told):
            self.make(hub, **changed)
        assert list_grants(hub) == []

    def test_all_faults_come_at_once(self, hub: Hub) -> None:
        with pytest.raises(StopError) as caught:
            self.make(hub, purpose="", days=0, division="x", products=("a", "b"))
        assert len(caught.value.came.split("; ")) == 5

    def test_making_and_ending_are_audited_without_the_code(self, hub: Hub) -> None:
        grant, _ = self.make(hub)
        revoke_grant(hub, grant.id)
        with hub.database.connect() as connection:
            rows = connection.execute(sa.text("SELECT action, actor, details FROM ledger.audit ORDER BY number"))
            assert rows.all() == [
                ("grant_created", "潘安湖街道", {"grant": grant.id, "division": MAZHUANG, "days": 365}),
                ("grant_revoked", "潘安湖街道", {"grant": grant.id}),
            ]
        assert hub.ledger.verify_audit() == 2
