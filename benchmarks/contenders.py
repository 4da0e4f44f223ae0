"""`python -m benchmarks.contenders WHO URL FOLDER`: many rows into raw Parquet, by the hub, dlt, pandas or requests.

Each prints `{"seconds", "rows", "peak_mb"}`; seconds begin after the imports, since a hub imports once a day.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from benchmarks.pages import PAGE_ROWS
from benchmarks.processes import peak_mb, timed
from benchmarks.register import COLUMNS, TABLE

__all__ = ["CONTENDERS"]

_BATCH = 65_536


def hub(url: str, folder: Path) -> None:
    """Step 1 of the walk as it is: chunk ledger, Parquet, digest and manifest."""
    import importlib
    import os

    import sqlalchemy as sa

    import connectors.sql  # noqa: F401  loaded before the clock runs, like the others' libraries
    from hub.context import open_hub
    from hub.settings import load_settings
    from hub.steps.pull import pull

    place = sa.make_url(url)
    importlib.import_module(
        "adbc_driver_postgresql.dbapi" if place.get_backend_name() == "postgresql" else "connectorx"
    )
    os.environ["HUB_PLACE_PUBLIC_SECURITY_FRONT_DATABASE"] = place.set(password=None).render_as_string()
    os.environ["HUB_SECRET_PUBLIC_SECURITY_FRONT_DATABASE_PASSWORD"] = place.password or ""
    tail = "public_security/registered_resident"
    with open_hub(load_settings(data_dir=folder / "lake", env_file=None, database_url=None)) as opened:
        contract = opened.contracts.sources[tail]
        columns = tuple(column for column in contract.columns if column.physical_name in COLUMNS)
        sources = {**opened.contracts.sources, tail: replace(contract, columns=columns)}
        narrow = replace(opened, contracts=replace(opened.contracts, sources=sources))
        seconds, (batch,) = timed(lambda: pull(narrow, tail))
        _report(seconds, batch.landed)


def dlt(url: str, folder: Path) -> None:
    """Dlt's own source for databases with its Arrow backend, into Parquet files of a folder."""
    import os

    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["DLT_DATA_DIR"] = str(folder / "dlt")
    import dlt as library
    from dlt.sources.sql_database import sql_table

    def load() -> int:
        pipeline = library.pipeline(
            "bench",
            destination=library.destinations.filesystem(bucket_url=folder.as_uri()),
            dataset_name="raw",
            pipelines_dir=str(folder / "pipelines"),
        )
        source = sql_table(
            credentials=url, table=TABLE, backend="pyarrow", chunk_size=_BATCH, included_columns=list(COLUMNS)
        )
        pipeline.run(source, loader_file_format="parquet")
        return _rows(folder / "raw")

    seconds, rows = timed(load)
    _report(seconds, rows)


def pandas(url: str, folder: Path) -> None:
    """Pandas in chunks over SQLAlchemy, each chunk a row group; digest of the file at the end."""
    import pandas as library
    import pyarrow as pa
    import pyarrow.parquet as pq
    import sqlalchemy as sa

    def load() -> int:
        engine = sa.create_engine(url)
        target = folder / "raw" / "part.parquet"
        target.parent.mkdir(parents=True)
        query = f"SELECT {', '.join(COLUMNS)} FROM {TABLE}"  # noqa: S608  both are our own names
        rows, writer = 0, None
        with engine.connect().execution_options(stream_results=True) as link:
            for frame in library.read_sql(sa.text(query), link, chunksize=_BATCH):
                table = pa.Table.from_pandas(frame, preserve_index=False)
                writer = writer or pq.ParquetWriter(target, table.schema, compression="zstd")
                writer.write_table(table)
                rows += table.num_rows
        if writer is not None:
            writer.close()
        with target.open("rb") as file:
            hashlib.file_digest(file, "sha256").hexdigest()
        return rows

    seconds, rows = timed(load)
    _report(seconds, rows)


def rest(url: str, folder: Path) -> None:
    """Step 1 over kind `rest`: pages into chunks of raw Parquet, with ledger, digest and manifest."""
    import os

    import connectors.rest  # noqa: F401  loaded before the clock runs, like the others' libraries
    from hub.context import open_hub
    from hub.settings import load_settings
    from hub.steps.pull import pull

    os.environ["HUB_PLACE_PUBLIC_SECURITY_FRONT_DATABASE"] = url
    tail = "public_security/registered_resident"
    asked = {"path": "/rows", "paging": "page", "records": "data.list", "total": "data.total", "code": "code"}
    with open_hub(load_settings(data_dir=folder / "lake", env_file=None, database_url=None)) as opened:
        contract, system = opened.contracts.sources[tail], opened.contracts.systems["public_security"]
        columns = tuple(column for column in contract.columns if column.physical_name in COLUMNS)
        paged = replace(contract, columns=columns, mode="snapshot", pull={**asked, "page_size": PAGE_ROWS})
        entry = {"kind": "rest", "place": system.connections["front_database"]["place"]}
        contracts = replace(
            opened.contracts,
            sources={**opened.contracts.sources, tail: paged},
            systems={**opened.contracts.systems, system.name: replace(system, connections={"front_database": entry})},
        )
        seconds, (batch,) = timed(lambda: pull(replace(opened, contracts=contracts), tail))
        _report(seconds, batch.landed)


def requests(url: str, folder: Path) -> None:
    """The same pages with requests alone, one connection, each answer read as JSON and nothing kept."""
    import requests as library

    def read() -> int:
        seen, page = 0, 1
        with library.Session() as session:
            while True:
                answer = session.get(f"{url}/rows", params={"page": page, "pageSize": PAGE_ROWS}, timeout=60).json()
                seen += len(answer["data"]["list"])
                if seen >= answer["data"]["total"]:
                    return seen
                page += 1

    seconds, rows = timed(read)
    _report(seconds, rows)


def _rows(folder: Path) -> int:
    import pyarrow.parquet as pq

    found = [path for path in folder.rglob("*.parquet") if f"/{TABLE}/" in path.as_posix()]
    return sum(int(pq.read_metadata(path).num_rows) for path in found)


def _report(seconds: float, rows: int) -> None:
    print(json.dumps({"seconds": round(seconds, 3), "rows": rows, "peak_mb": peak_mb()}))


CONTENDERS: Mapping[str, Callable[[str, Path], None]] = {
    "hub": hub,
    "dlt": dlt,
    "pandas": pandas,
    "rest": rest,
    "requests": requests,
}


if __name__ == "__main__":
    CONTENDERS[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))
