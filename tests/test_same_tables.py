"""Airflow and `hub run` make the same tables: what `make run` left is held against a walk in this process."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from hub.context import Hub, open_hub
from hub.delta import delta_table
from hub.digest import table_digest
from hub.settings import load_settings
from hub.walk import run
from samples.serve import running

HOME = os.environ.get("HUB_TEST_DEMO_HOME")
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(HOME is None, reason="HUB_TEST_DEMO_HOME does not name what `make run` has made"),
]


def digests(hub: Hub) -> dict[str, str]:
    """Digest of every base table and every product as they are now."""
    found = {}
    with hub.engine() as engine:
        for name, contract in {**hub.contracts.base, **hub.contracts.products}.items():
            path = hub.lake.base(name) if name in hub.contracts.base else hub.lake.product(name)
            table = engine.keep(name, delta_table(engine, path, contract.arrow_schema))
            found[name] = table_digest(table, [column.name for column in contract.columns])
    return found


def test_airflow_and_one_process_make_the_same_tables(tmp_path: Path) -> None:
    home = Path(str(HOME))
    as_of = json.loads((home / "sample" / "county.json").read_text(encoding="utf-8"))["as_of"]
    with open_hub(load_settings(data_dir=home / "hub", as_of=as_of)) as by_airflow:
        expected = digests(by_airflow)
        # Keys are made anew for each hub; with other keys the same people would have other names.
        shutil.copytree(by_airflow.lake.keys(), tmp_path / "hub" / "keys")
    with running(home / "sample"):
        settings = load_settings(data_dir=tmp_path / "hub", as_of=as_of, env_file=home / "sample" / "places.env")
        with open_hub(settings) as in_process:
            run(in_process)
            assert digests(in_process) == expected
    assert len(set(expected.values())) > 10, "the tables are empty"
