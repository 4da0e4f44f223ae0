"""Pairs worth scoring: counted block by block before they are made, and what they weigh, by Splink."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import pyarrow as pa

from hub.linking.models import CAP, Block, settings_of
from hub.linking.records import Records

__all__ = ["BlockCount", "make_pairs", "score"]


@dataclass(frozen=True)
class BlockCount:
    """What a block costs.

    Attributes:
        entity: Name of the base table.
        block: The columns that are shared.
        values: Different values.
        pairs: Pairs they make, those left out not counted.
        skipped_values: Values that make more than `CAP` pairs; none of these is compared by this block.
        skipped_pairs: How many those would have been.
    """

    entity: str
    block: str
    values: int
    pairs: int
    skipped_values: int
    skipped_pairs: int


def make_pairs(records: Records) -> list[BlockCount]:
    """Make the table `<entity>__pairs` (`left_id`, `right_id`) and tell what each block counts.

    The left of a pair is a row without a number; the right is somebody known, by key, or another such row of another
    dataset.
    """
    _lay_out_faces(records)
    records.bench.run(f'CREATE TABLE "{records.table("pairs")}" (left_id VARCHAR, right_id VARCHAR)')
    counts = [_of_block(records, block) for block in records.model.blocks]
    pairs = records.table("pairs")
    records.bench.run(f'CREATE OR REPLACE TABLE "{pairs}" AS SELECT DISTINCT left_id, right_id FROM "{pairs}"')  # noqa: S608
    return counts


def _lay_out_faces(records: Records) -> None:
    """Put left and right into one table: a row for each name somebody bears."""
    model = records.model
    fields = ", ".join(f'"{name}"' for name in model.fields if name not in (model.frequent, model.other_name))
    names = (
        f'unnest(list_distinct([{", ".join(filter(None, (model.frequent, model.other_name)))}])) AS "{model.frequent}"'
    )
    for side, ident, source in (("left", "unique_id", "left"), ("near", "key", "near")):
        records.bench.run(
            f'CREATE TABLE "{records.table(f"{side}_faces")}" AS SELECT DISTINCT {ident} AS id, tail, number_head, '  # noqa: S608
            f'{fields}, {names} FROM "{records.table(source)}"'
        )


def _of_block(records: Records, block: Block) -> BlockCount:
    """Add a block's pairs, but for values that would make too many."""
    columns = ", ".join(f'"{name}"' for name in block.columns)
    there = " AND ".join(f'"{name}" IS NOT NULL' for name in block.columns)
    left, near, sizes = (records.table(part) for part in ("left_faces", "near_faces", f"sizes_{block.name}"))
    records.bench.run(f"""
        CREATE TABLE "{sizes}" AS
        WITH l AS (SELECT {columns}, count(*) AS n FROM "{left}" WHERE {there} GROUP BY ALL),
        r AS (
            SELECT {columns}, count(*) AS n FROM (
                SELECT DISTINCT id, {columns} FROM "{near}" WHERE {there} UNION ALL
                SELECT id, {columns} FROM "{left}" WHERE {there}
            ) GROUP BY ALL
        )
        SELECT {columns}, l.n * r.n AS pairs FROM l JOIN r USING ({columns})
    """)  # noqa: S608 - names of the model
    records.bench.run(f"""
        INSERT INTO "{records.table("pairs")}"
        WITH few AS (SELECT {columns} FROM "{sizes}" WHERE pairs <= {CAP}),
        l AS (SELECT id, tail, {columns} FROM "{left}" SEMI JOIN few USING ({columns}))
        SELECT DISTINCT l.id, r.id FROM l JOIN (SELECT DISTINCT id, {columns} FROM "{near}") AS r USING ({columns})
        UNION
        SELECT DISTINCT l.id, r.id FROM l JOIN l AS r USING ({columns}) WHERE l.id < r.id AND l.tail <> r.tail
    """)  # noqa: S608
    ((*row,),) = records.bench.fetch(f"""
        SELECT count(*), coalesce(sum(pairs) FILTER (pairs <= {CAP}), 0), count(*) FILTER (pairs > {CAP}),
            coalesce(sum(pairs) FILTER (pairs > {CAP}), 0) FROM "{sizes}"
    """)  # noqa: S608
    return BlockCount(records.model.entity, block.name, *(int(value) for value in row))


def score(records: Records, known: int) -> pa.Table:
    """Weigh the pairs of a model by Splink.

    Args:
        records: With its pairs and evidence made.
        known: How many are known at all.

    Returns:
        `left_id`, `right_id`, `tails` (datasets the right has rows in), `weight` in bits, `probability`, `agrees`
        (name or number speaks for it) and `why`, the comparisons that do, joined by `+`.
    """
    from splink import DuckDBAPI, Linker  # not paid for by whoever links nothing

    _lay_out_records(records)
    _lay_out_frequencies(records, known)
    api = DuckDBAPI(records.bench.duck)
    # Its own progress is told by our counts.
    linker = Linker(
        api.register(records.table("records")),
        settings_of(records.model, known),
        log_level=logging.ERROR,
        validate_settings=False,
    )
    tables = linker.table_management
    tables.register_term_frequency_lookup(api.register(records.table("frequencies")), records.model.frequent)
    tables.register_blocked_pairs_for_predict(api.register(records.table("asked")))
    predicted = linker.inference.predict(warning_mode="never").physical_name
    return records.bench.duck.sql(_told(records, predicted)).to_arrow_table()


def _lay_out_records(records: Records) -> None:
    """One record for each left row and each of the known, and the pairs as Splink wants them."""
    model = records.model
    plural = [name for name in model.fields if name != model.other_name]
    names = ", ".join(filter(None, (model.frequent, model.other_name)))
    ranks = " ".join(f"WHEN '{tail}' THEN {number}" for number, tail in enumerate(records.base.ranked(model.frequent)))
    rank = f"CASE tail {ranks} ELSE 99 END"

    def values(name: str) -> str:
        return f"[{names}]" if name == model.frequent else f'["{name}"]'

    singles = ", ".join(
        f'arg_min("{name}", {rank}) FILTER ("{name}" IS NOT NULL) AS "{name}", '
        f'list_distinct(flatten(list({values(name)}))) AS "{name}s"'
        for name in plural
    )
    alone = ", ".join(f'"{name}", list_distinct({values(name)}) AS "{name}s"' for name in plural)
    records.bench.run(f"""
        CREATE TABLE "{records.table("records")}" AS
        SELECT unique_id, number, {alone} FROM "{records.table("left")}"
        UNION ALL BY NAME
        SELECT key AS unique_id, min(number) AS number, {singles} FROM "{records.table("evidence")}" GROUP BY key
    """)  # noqa: S608
    for name, told in model.told.items():
        records.bench.run(
            f'UPDATE "{records.table("records")}" SET "{name}" = {told} WHERE "{name}" IS NULL AND length(number) = 18'  # noqa: S608
        )
    records.bench.run(f"""
        CREATE TABLE "{records.table("asked")}" AS
        SELECT 0 AS match_key, left_id AS join_key_l, right_id AS join_key_r FROM "{records.table("pairs")}"
    """)  # noqa: S608


def _lay_out_frequencies(records: Records, known: int) -> None:
    """How common each name is among the known, of which every bearer of a left row's name is near."""
    name = records.model.frequent
    records.bench.run(f"""
        CREATE TABLE "{records.table("frequencies")}" AS
        SELECT "{name}", greatest(count(DISTINCT id), 1) / {max(known, 1)}::DOUBLE AS "tf_{name}" FROM (
            SELECT "{name}", id FROM "{records.table("near_faces")}" UNION ALL
            SELECT "{name}", NULL FROM "{records.table("left_faces")}"
        ) WHERE "{name}" IS NOT NULL GROUP BY ALL
    """)  # noqa: S608


def _told(records: Records, predicted: str) -> str:
    model = records.model
    spoken = [(one.name, f"mw_{one.name}") for one in model.comparisons]
    why = ", ".join(f"CASE WHEN {weight} > 0 THEN '{name}' END" for name, weight in spoken)
    return f"""
        SELECT p.unique_id_l AS left_id, p.unique_id_r AS right_id, t.tails, p.match_weight AS weight,
            p.match_probability AS probability, mw_{model.frequent} > 1 OR mw_number > 6 AS agrees,
            mw_{model.frequent} > 1 AS is_named, array_to_string([{why}], '+') AS why
        FROM {predicted} AS p LEFT JOIN (
            SELECT key, list(DISTINCT tail) AS tails FROM "{records.table("evidence")}" GROUP BY key
        ) AS t ON t.key = p.unique_id_r
        WHERE mw_{model.frequent} > 1 OR mw_number > 6
        ORDER BY weight DESC, left_id, right_id
    """  # noqa: S608
