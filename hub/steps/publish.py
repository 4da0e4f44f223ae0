"""Step 7, publish: products are cut from the live release, rows by division, columns by purpose."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import ibis
from deltalake import DeltaTable, write_deltalake
from sqlalchemy.orm import Session

from hub.context import Hub
from hub.contracts import ProductContract
from hub.delta import PARTS, delta_files, delta_table
from hub.digest import table_digest
from hub.engine import Engine
from hub.errors import StopError
from hub.exchange.in_turn import in_turn
from hub.exchange.signing import sign
from hub.exchange.versions import ProductVersion, newest_version, record_version
from hub.gate import hold
from hub.ledger import now
from hub.ledger.models import ReleaseRow
from hub.masks import masked
from hub.store import write_atomically

__all__ = ["publish", "register_release"]

_HELD = "product_rows"


def publish(hub: Hub) -> list[ProductVersion]:
    """Cut every product from the live release; a product whose rows did not change keeps its version.

    Returns:
        The versions made now.

    Raises:
        StopError: A product's query does not give its contract's columns, or its rows break a critical rule; nothing
            of that product is published.
    """
    number = hub.ledger.newest_release()
    if number is None:
        return []
    made = []
    # Two engines by turns: while one product is written and judged, the next one is cut.
    with (
        hub.ledger.locked("publish"),
        hub.engine() as one,
        hub.engine() as other,
        ThreadPoolExecutor(1, thread_name_prefix="cut") as pool,
    ):
        release = register_release(hub, one, number)
        register_release(hub, other, number)
        turns = zip(hub.contracts.products.values(), cycle((one, other)))
        for cut in in_turn(pool, lambda turn: _cut(hub, *turn), turns, ahead=1):
            version = _publish_one(hub, cut, release)
            if version is not None:
                made.append(version)
    return made


def register_release(hub: Hub, engine: Engine, number: int) -> ReleaseRow:
    """Make the base tables of a release readable in an engine, with `release_date(as_of_date)`."""
    with Session(hub.database) as session:
        release = session.get_one(ReleaseRow, number)
        session.expunge(release)
    for entity, facts in release.tables.items():
        base = hub.contracts.base[entity]
        rows = delta_table(engine, hub.lake.base(entity), base.arrow_schema, facts["delta_version"])
        engine.con.create_view(entity, rows)
    engine.keep("release_date", ibis.memtable({"as_of_date": [release.as_of_date]}, schema={"as_of_date": "date"}))
    return release


@dataclass(frozen=True)
class _Cut:
    """A product's rows, held by an engine, and their digest."""

    product: ProductContract
    engine: Engine
    table: ibis.Table
    content: str


def _cut(hub: Hub, product: ProductContract, engine: Engine) -> _Cut:
    table = engine.keep(_HELD, _rows(hub, engine, product))
    columns = [column.name for column in product.columns]
    return _Cut(product, engine, table, table_digest(table, columns, salt=product.version_text))


def _publish_one(hub: Hub, cut: _Cut, release: ReleaseRow) -> ProductVersion | None:
    product, table = cut.product, cut.table
    last = newest_version(hub, product.name)
    if last is not None and last.content_hash == cut.content:
        return None
    scope = table[product.scope_column]
    facts = cut.engine.con.to_pyarrow(table.aggregate(rows=table.count(), villages=scope.nunique())).to_pylist()[0]
    path = hub.lake.product(product.name)
    _write(cut, path)
    hold(hub, product, path)
    version = ProductVersion(
        name=product.name,
        version=DeltaTable(str(path)).version(),
        release_number=release.number,
        rows=facts["rows"],
        villages=facts["villages"],
        content_hash=cut.content,
        published_at=now(),
        as_of_date=release.as_of_date,
    )
    write_atomically(hub.lake.product_manifest(product.name), sign(hub, _manifest(hub, product, version)))
    record_version(hub, version)
    return version


def _write(cut: _Cut, path: Path) -> None:
    """Write the rows as the product's next version, and let the engine go of them."""
    ordered = cut.table.order_by([column.name for column in cut.product.columns])
    write_deltalake(
        str(path),
        cut.engine.batches(ordered).cast(cut.product.arrow_schema),
        mode="overwrite",
        schema_mode="overwrite",
        writer_properties=PARTS,
        configuration={"delta.logRetentionDuration": "interval 1095 days"},
    )
    cut.engine.let_go(_HELD)


def _rows(hub: Hub, engine: Engine, product: ProductContract) -> ibis.Table:
    """The query's rows inside the hub's division, masked and typed as the contract says."""
    engine.define("product_query", product.query)
    found = engine.con.table("product_query")
    missing = [column.name for column in product.columns if column.name not in found.columns]
    extra = [name for name in found.columns if name not in product.by_name and not name.startswith("_")]
    if missing or extra:
        raise StopError(
            where=product.tail,
            came=f"its query lacks {missing or 'nothing'} and has beyond the contract {extra or 'nothing'}",
            allowed="the contract's columns, and names that begin with _ to steer masks",
            do="correct the query or the columns in schemas/products/",
        )
    scope = found[product.scope_column]
    is_village = (scope.length() == 12) & ~scope.endswith("000")
    own = found.filter(scope.startswith(hub.settings.division) & is_village)
    key = hub.key(f"token-{product.subscriber or 'village'}").hex()
    types = ibis.schema(product.arrow_schema)
    columns = {}
    for column in product.columns:
        value = masked(own, column.name, column.mask, key) if column.mask else own[column.name]
        columns[column.name] = value.cast(types[column.name])
    return own.select(**columns)


def _manifest(hub: Hub, product: ProductContract, version: ProductVersion) -> dict[str, object]:
    path = hub.lake.product(product.name)
    return {
        "product": product.name,
        "title": product.title,
        "version": version.version,
        "release": version.release_number,
        "as_of": version.as_of_date.isoformat(),
        "published_at": version.published_at.isoformat(),
        "rows": version.rows,
        "villages": version.villages,
        "columns": [{"name": c.name, "title": c.title, "type": c.kind} for c in product.columns],
        "sharing": dict(product.sharing),
        "files": {
            file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in delta_files(path, version.version)
        },
    }
