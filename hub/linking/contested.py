"""One number, several rows that claim it: the one that agrees with it keeps it, the others go on without."""

from __future__ import annotations

from hub.contracts import SourceContract
from hub.linking.bench import Bench, as_table
from hub.reasons import Reason

__all__ = ["settle"]

_EMPTY = "SELECT NULL::VARCHAR AS _batch, NULL::BIGINT AS _row WHERE false"


def settle(bench: Bench, contract: SourceContract, number: str, tables: tuple[str, str]) -> None:
    """Decide who keeps each contested number.

    First whoever says nothing of himself that speaks against it (a number tells birth date and sex), then whose name
    other datasets know with it, then the row that was accepted. Whoever loses it gets back the birth date and sex he
    stated, which the number had outranked. Rows that stand no longer, of older lists or before an update, claim
    nothing; those of somebody else than the winner are no evidence of who has the number.

    Args:
        bench: Holds the tables.
        contract: The dataset.
        number: Its column with the number.
        tables: Names of the rows looked at again, changed here, and of `stripped`, made here: accepted rows that lost
            theirs.
    """
    rows, stripped = tables
    ((contested,),) = bench.fetch(f'SELECT count(*) FROM "{rows}" WHERE _contested')  # noqa: S608
    if not contested or number not in contract.keys or "person_name" not in contract.by_name:
        bench.run(f'DELETE FROM "{rows}" WHERE _contested')  # noqa: S608
        bench.make(stripped, _EMPTY)
        return
    claims = f"{rows}__claims"
    bench.make(claims, _claims(bench, contract, rows))
    bench.make(f"{claims}__ranked", _ranked(bench, contract, number, claims))
    losers = f'SELECT _batch, _row FROM "{claims}__ranked" WHERE turn > 1 AND _was_accepted'  # noqa: S608
    bench.make(stripped, losers)
    bench.run(f'DELETE FROM "{rows}" WHERE _contested')  # noqa: S608
    bench.run(f'INSERT INTO "{rows}" BY NAME {_decided(contract, number, f"{claims}__ranked")}')


def _claims(bench: Bench, contract: SourceContract, rows: str) -> str:
    """SELECT every row that bears a contested number.

    `_is_aside`: it goes on only if it wins; `_stands`: it is a row of the dataset as it is now; `_was_accepted`;
    `_against`: how often it contradicts the number; what it `_said`.
    """
    keys = ", ".join(f'"{key}"' for key in contract.keys)
    columns = ", ".join(f'"{name}"' for name in contract.by_name)
    of_row = ", ".join(f'r."{name}"' for name in contract.by_name)
    lake = bench.hub.lake
    issues = [lake.conformed(one.tail, one.id) / "issues.parquet" for one in bench.batches[contract.tail]]
    return f"""
        WITH wanted AS (SELECT DISTINCT {keys} FROM "{rows}" WHERE _contested),
        accepted AS (
            SELECT {columns}, parse_path(filename)[-2] AS _batch, _row
            FROM {bench.accepted(contract.tail)} SEMI JOIN wanted USING ({keys})
        ),
        claims AS (
            SELECT {of_row}, r._batch, r._row, true AS _is_aside, true AS _stands, a._row IS NOT NULL AS _was_accepted
            FROM "{rows}" AS r LEFT JOIN accepted AS a USING (_batch, _row) WHERE r._contested
            UNION ALL BY NAME
            SELECT a.*, false AS _is_aside, s._row IS NOT NULL AS _stands, true AS _was_accepted
            FROM (SELECT * FROM accepted ANTI JOIN "{rows}" USING (_batch, _row)) AS a
            LEFT JOIN ({bench.standing(contract, f"SELECT ({keys}) FROM wanted")}) AS s USING (_batch, _row)
        ),
        outranked AS (
            SELECT parse_path(filename)[-2] AS _batch, _row, count(*) AS _against,
                any_value(original) FILTER (rule = '{Reason.DATE_FROM_ID}') AS _said_birth_date,
                any_value(original) FILTER (rule = '{Reason.SEX_FROM_ID}') AS _said_sex_code
            FROM {as_table([path for path in issues if path.is_file()])}
            WHERE rule IN ('{Reason.DATE_FROM_ID}', '{Reason.SEX_FROM_ID}') AND trim(coalesce(original, '')) <> ''
            GROUP BY ALL
        )
        SELECT c.*, coalesce(o._against, 0) AS _against, o._said_birth_date, o._said_sex_code
        FROM claims AS c LEFT JOIN outranked AS o USING (_batch, _row)
    """  # noqa: S608 - names of the hub's own contracts and files


def _ranked(bench: Bench, contract: SourceContract, number: str, claims: str) -> str:
    """SELECT the claims with their `turn`: 1 keeps the number, and so do rows of the same name that stand no longer."""
    keys = ", ".join(f'"{key}"' for key in contract.keys)
    return f"""
        SELECT * EXCLUDE (place, kept_by),
            CASE WHEN NOT _stands AND person_name IS NOT DISTINCT FROM kept_by THEN 1 ELSE place END AS turn
        FROM (
            SELECT c.*, row_number() OVER turns AS place, first_value(c.person_name) OVER turns AS kept_by
            FROM "{claims}" AS c LEFT JOIN ({_names_elsewhere(bench, contract, number, claims)}) AS n
                ON n.number = c."{number}"
            WINDOW turns AS (
                PARTITION BY {keys} ORDER BY NOT _stands, _against,
                    coalesce(list_contains(n.names, c.person_name), false) DESC, _is_aside, _batch DESC, _row DESC
            )
        )
    """  # noqa: S608


def _names_elsewhere(bench: Bench, contract: SourceContract, number: str, claims: str) -> str:
    """SELECT the names that other datasets have for the contested numbers."""
    parts = []
    for tail in bench.hub.contracts.sources:
        columns = bench.columns(tail)
        if tail != contract.tail and {"person_name", number} <= set(columns):
            former = "former_name" if "former_name" in columns else "NULL"
            parts.append(
                f'SELECT "{number}" AS number, unnest([person_name, {former}]) AS name FROM {bench.accepted(tail)} '  # noqa: S608
                f'WHERE "{number}" IN (SELECT "{number}" FROM "{claims}")'
            )
    known = " UNION ALL ".join(parts) or "SELECT NULL::VARCHAR AS number, NULL::VARCHAR AS name WHERE false"
    return f"SELECT number, list(DISTINCT name) AS names FROM ({known}) WHERE name IS NOT NULL GROUP BY number"  # noqa: S608


def _decided(contract: SourceContract, number: str, ranked: str) -> str:
    """SELECT the claims that go on: set aside ones with the number or without, accepted ones that lost theirs."""
    lost = {name: f'CASE WHEN turn > 1 THEN {said} ELSE "{name}" END' for name, said in _said(contract).items()}
    lost[number] = f'CASE WHEN turn = 1 THEN "{number}" END'
    columns = ", ".join(f'{lost[name]} AS "{name}"' if name in lost else f'"{name}"' for name in contract.by_name)
    return f"""
        SELECT {columns}, _batch, _row, false AS _contested, NULL::VARCHAR AS _came,
            turn > 1 AND _against > 0 AS _is_other
        FROM "{ranked}" WHERE _stands AND (_is_aside OR turn > 1)
    """  # noqa: S608


def _said(contract: SourceContract) -> dict[str, str]:
    """Column -> SQL of what a row says itself of what a number tells as well."""
    known = {
        "birth_date": "coalesce(CAST(try_strptime(_said_birth_date, ['%Y%m%d', '%Y-%m-%d']) AS DATE), birth_date)",
        "sex_code": "CASE WHEN _said_sex_code IN ('1', '2') THEN _said_sex_code ELSE sex_code END",
    }
    return {name: said for name, said in known.items() if name in contract.by_name}
