"""What bears one path tail: stubs that can be filled in at once, and a page of all there is."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.base import KINDS
from connectors.option_models import pull_faults
from hub.context import Hub
from hub.contracts import load_contracts
from hub.errors import StopError
from hub.settings import ROOT
from hub.suites import load_suite
from hub.tails import scaffold, show
from tests.hub.mini import fill, opened

TAIL = "civil_affairs/orphan"
DROP = {"monthly_drop": {"kind": "file"}}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The contracts, without the samples."""
    for folder in ("schemas", "connectors/systems"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


class TestScaffold:
    def test_stubs_are_three_files_of_one_tail(self, tmp_path: Path) -> None:
        made = [path.relative_to(tmp_path).as_posix() for path in scaffold(tmp_path, TAIL, DROP)]
        assert made == [
            "schemas/sources/civil_affairs/orphan.yml",
            "expectations/sources/civil_affairs/orphan.yml",
            "samples/drops/civil_affairs/orphan/orphan_20261101.csv",
        ]
        assert all((tmp_path / name).is_file() for name in made)

    def test_stubs_are_valid_as_they_are(self, root: Path) -> None:
        _contract, _suite, sample = scaffold(root, TAIL, DROP)
        source = load_contracts(root).sources[TAIL]
        assert (source.connection, source.mode, source.keys) == ("monthly_drop", "snapshot", ("id_number",))
        assert [feed.entity for feed in source.feeds] == ["person"]
        assert load_suite(TAIL, root) == []
        assert sample.read_text(encoding="gb18030").splitlines()[0] == "身份证号,姓名"

    @pytest.mark.parametrize(
        ("kinds", "taken"),
        [
            ({"a": "sql", "b": "file"}, "b"),
            ({"a": "rest", "b": "geo_file", "c": "file"}, "c"),
            ({"a": "ogc_features", "b": "geo_file"}, "b"),
            ({"a": "sql", "b": "rest"}, "a"),
        ],
    )
    def test_a_connection_for_files_is_taken_where_there_is_one(
        self, tmp_path: Path, kinds: dict[str, str], taken: str
    ) -> None:
        contract, *_ = scaffold(tmp_path, TAIL, {name: {"kind": kind} for name, kind in kinds.items()})
        custom = yaml.safe_load(contract.read_text(encoding="utf-8"))["customProperties"]
        assert custom[0] == {"property": "connection", "value": taken}

    @pytest.mark.parametrize("kind", KINDS)
    def test_every_kind_of_connection_has_a_pull_that_its_connector_takes(self, tmp_path: Path, kind: str) -> None:
        contract, _suite, *sample = scaffold(tmp_path, TAIL, {"a": {"kind": kind}})
        custom = yaml.safe_load(contract.read_text(encoding="utf-8"))["customProperties"]
        pull = next(one["value"] for one in custom if one["property"] == "pull")
        assert pull_faults(kind, pull, {}) == []
        assert bool(sample) is (kind in ("file", "geo_file"))

    def test_over_the_national_platform_a_service_is_named(self, tmp_path: Path) -> None:
        options = {"requester_id": "1", "secret_path": "/secret"}
        contract, *_ = scaffold(tmp_path, TAIL, {"a": {"kind": "rest", "options": options}})
        pull = yaml.safe_load(contract.read_text(encoding="utf-8"))["customProperties"][1]["value"]
        assert pull["service"] == "service_id"
        assert pull_faults("rest", pull, options) == []

    @pytest.mark.parametrize("tail", ["orphan", "a/b/c", "A/b", "a/B", "a/", "/b", "a/1", "../b", "a/b.c", "a b/c", ""])
    def test_what_is_no_tail_is_refused(self, tmp_path: Path, tail: str) -> None:
        with pytest.raises(StopError, match="<department>/<dataset>"):
            scaffold(tmp_path, tail, DROP)
        assert list(tmp_path.iterdir()) == []

    def test_nothing_is_overwritten_and_nothing_half_made(self, tmp_path: Path) -> None:
        suite = tmp_path / "expectations" / "sources" / f"{TAIL}.yml"
        suite.parent.mkdir(parents=True)
        suite.write_text("mine")
        with pytest.raises(StopError, match=f"already there: expectations/sources/{TAIL}.yml"):
            scaffold(tmp_path, TAIL, DROP)
        assert suite.read_text() == "mine"
        assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["orphan.yml"]


@pytest.mark.integration
class TestShow:
    DATASET = "health_commission/death"

    def test_a_dataset_with_all_that_bears_its_tail(self, hub: Hub) -> None:
        found = show(hub, self.DATASET)
        assert (found["tail"], found["title"], found["version"]) == (self.DATASET, "死亡医学证明", "1.0.0")
        assert found["files"] == [f"expectations/sources/{self.DATASET}.yml", f"schemas/sources/{self.DATASET}.yml"]
        assert (found["feeds"], found["dag"]) == (["person"], "pull__health_commission")
        assert found["lake"] == [f"1-raw/{self.DATASET}", f"3-checked/{self.DATASET}"]
        id_number = next(column for column in found["columns"] if column["name"] == "id_number")
        assert id_number == {
            "name": "id_number",
            "source": "身份证件号码",
            "title": "身份证件号码",
            "type": "string",
            "grade": "L3",
        }

    def test_its_batches_and_issues_and_no_others(self, hub: Hub) -> None:
        found = show(hub, self.DATASET)
        assert [(batch["batch"], batch["state"], batch["landed"]) for batch in found["batches"]] == [
            ("health_commission.death.000001", "checked", 1)
        ]
        assert found["issues"] == [{"rule": "id_date", "column": "id_number", "outcome": "refused", "count": 1}]

    def test_a_base_table_by_its_tail_or_name(self, hub: Hub) -> None:
        found = show(hub, "base/person")
        assert found == show(hub, "person")
        assert found["files"] == ["expectations/base/person.yml", "schemas/base/person.yml"]
        assert (found["lake"], found["dag"], found["batches"]) == ([], "build", [])

    def test_a_product(self, hub: Hub) -> None:
        hub.lake.product("village_summary").mkdir(parents=True)
        found = show(hub, "products/village_summary")
        assert (found["lake"], found["dag"]) == (["7-products/village_summary"], "publish")
        assert found["files"] == ["expectations/products/village_summary.yml", "schemas/products/village_summary.yml"]

    def test_an_unknown_tail_is_told_with_all_known_ones(self, hub: Hub) -> None:
        with pytest.raises(StopError) as caught:
            show(hub, "health_commission/deaths")
        for known in (self.DATASET, "base/person", "products/village_summary"):
            assert known in caught.value.allowed

    def test_every_contract_can_be_shown_and_has_its_files(self, hub: Hub) -> None:
        contracts = (*hub.contracts.sources, *hub.contracts.base, *hub.contracts.products)
        assert {tail: len(show(hub, tail)["files"]) for tail in contracts} == dict.fromkeys(contracts, 2)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Iterator[Any]:
    with opened(tmp_path_factory.mktemp("tails"), module_database_url) as opened_hub:
        fill(opened_hub)
        for tail in (TestShow.DATASET, "health_commission/birth"):
            (batch,) = opened_hub.ledger.batches(tail)
            opened_hub.ledger.record_issues(batch, "conform", [("id_date", "id_number", "refused", 1)])
            opened_hub.ledger.save_batch(replace(batch, state="checked"))
        yield opened_hub
