"""kill -9 at fifty random moments of a pull: what lands in the end has the digest of a pull nobody disturbed."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hub.context import Hub
from hub.ledger.chunks import chunks_of
from hub.steps.pull import pull
from tests.hub.mini import opened

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

TAIL = "public_security/registered_resident"
ROWS, CHUNK_ROWS, KILLS = 12_000, 1_000, 50


@pytest.fixture(scope="module")
def front(module_database_url: str) -> Iterator[sa.URL]:
    """The police's table, as wide as its contract, in a database beside the ledger's schema."""
    url = sa.make_url(module_database_url)
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as link:
        link.exec_driver_sql(
            f"""CREATE TABLE hj_rkxx AS SELECT n AS xh, '320371195001' || lpad(n::text, 6, '0') AS gmsfhm, '甲某' AS xm,
            '' AS cym, '1' AS xb, '19500101' AS csrq, '01' AS mz, '10' AS hyzk, '60' AS whcd,
            lpad(n::text, 9, '0') AS hh, '02' AS yhzgx, '马庄' AS hjdz, NULL::text AS dzbm, '320305005204' AS xzqh,
            NULL::text AS qrrq, NULL::text AS lxdh, timestamp '2026-01-01' + n * interval '1 second' AS gxsj,
            'I' AS czbs, 'p1' AS pch FROM generate_series(1, {ROWS}) AS n"""
        )
        link.exec_driver_sql("ALTER TABLE hj_rkxx ADD PRIMARY KEY (xh)")
    yield url
    engine.dispose()


def _narrow(hub: Hub) -> Hub:
    """The same contract in chunks small enough to be caught amid many."""
    contract = hub.contracts.sources[TAIL]
    fast = replace(contract, pull={**contract.pull, "chunk_rows": CHUNK_ROWS})
    return replace(hub, contracts=replace(hub.contracts, sources={**hub.contracts.sources, TAIL: fast}))


def _pull(folder: Path, url: str, environment: dict[str, str], began: Any) -> None:
    """The child: one pull, told of just before it begins."""
    os.environ.update(environment)
    with opened(folder, url) as hub:
        narrow = _narrow(hub)
        began.set()
        pull(narrow, TAIL)


def test_a_pull_killed_at_fifty_random_moments_lands_what_an_unbroken_one_does(
    front: sa.URL, module_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {
        "HUB_PLACE_PUBLIC_SECURITY_FRONT_DATABASE": front.set(password=None).render_as_string(),
        "HUB_SECRET_PUBLIC_SECURITY_FRONT_DATABASE_PASSWORD": front.password or "unused",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    chance = random.Random(20261101)  # noqa: S311
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hub.steps.pull", "hub.context", "tests.hub.mini", "adbc_driver_postgresql.dbapi"])
    kills = whole = resumed = 0
    with opened(tmp_path, module_database_url) as hub:
        began = time.monotonic()
        (batch,) = pull(_narrow(hub), TAIL)
        lasts = time.monotonic() - began
        unbroken = _landed(hub)
        assert unbroken["rows"] == batch.landed == ROWS
        while kills < KILLS:
            _clear(hub)
            for _ in range(200):
                left = [chunk for half in hub.ledger.batches(TAIL) for chunk in chunks_of(hub.database, half.id)]
                resumed += any(chunk.sha256 for chunk in left)
                start = context.Event()
                child = context.Process(target=_pull, args=(tmp_path, module_database_url, environment, start))
                child.start()
                assert start.wait(60)
                child.join(chance.uniform(0, lasts) if kills < KILLS else 60)
                if child.is_alive():
                    os.kill(child.pid or 0, signal.SIGKILL)
                    child.join()
                    kills += 1
                    continue
                assert child.exitcode == 0
                break
            assert _landed(hub) == unbroken
            whole += 1
    assert (kills, whole > 0) == (KILLS, True)
    assert resumed >= KILLS // 5, "hardly any pull went on with what another had read"


def _landed(hub: Hub) -> dict[str, Any]:
    """The one batch that is there, as its manifest tells; nothing half-done may lie beside it."""
    (batch,) = hub.ledger.batches(TAIL)
    assert batch.state == "landed"
    folder = hub.lake.raw(TAIL, batch.id)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_bytes())
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", *manifest["parts"]]
    return {name: manifest[name] for name in ("rows", "rows_sha256", "content_sha256", "parts")}


def _clear(hub: Hub) -> None:
    shutil.rmtree(hub.lake.root / "1-raw")
    with hub.database.begin() as connection:
        connection.execute(sa.text("TRUNCATE ledger.batch CASCADE"))
