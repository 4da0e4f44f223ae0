"""A product as one SELECT for PostgreSQL: the contract's query over the governance tables, cut and masked."""

from __future__ import annotations

from typing import cast

import ibis
import sqlglot
from sqlglot import exp

from hub.contracts import Contracts, ProductContract
from hub.masks import masked

__all__ = ["product_query"]

_FOUND, _ROWS = "product_query", "product_rows"
_TYPES = {
    "string": "text",
    "integer": "bigint",
    "number": "double precision",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamp",
    "geometry": "bytea",
}
_RELEASE_DATE = "SELECT as_of_date FROM governance.release ORDER BY number DESC LIMIT 1"


def product_query(contracts: Contracts, product: ProductContract, division: str) -> str:
    """Write a product's rows of a division as a SELECT over schema `governance`, masked as when it is published.

    Args:
        contracts: All contracts.
        product: A product without tokens.
        division: Head of the division's code.
    """
    query = cast("exp.Query", sqlglot.parse_one(product.query, dialect="duckdb"))
    steering = [one.alias_or_name for one in query.selects if one.alias_or_name.startswith("_")]
    rows = ibis.table({**ibis.schema(product.arrow_schema), **dict.fromkeys(steering, "boolean")}, name=_ROWS)
    scope = rows[product.scope_column]
    own = rows.filter(scope.startswith(division) & (scope.length() == 12) & ~scope.endswith("000"))
    columns = {
        column.name: masked(own, column.name, column.mask, "") if column.mask else own[column.name]
        for column in product.columns
    }
    cut = ibis.to_sql(own.select(**columns), dialect="postgres")
    typed = [f'CAST("{column.name}" AS {_TYPES[column.kind]}) AS "{column.name}"' for column in product.columns]
    typed += [f'"{name}"' for name in steering]
    found = _over_governance(contracts, query).sql(dialect="postgres")
    return f"WITH {_FOUND} AS ({found}), {_ROWS} AS (SELECT {', '.join(typed)} FROM {_FOUND}) {cut}"  # noqa: S608


def _over_governance(contracts: Contracts, query: exp.Expr) -> exp.Expr:
    """A product's own query, its base tables those of schema `governance`."""
    own = {part.alias for part in query.find_all(exp.CTE)}
    for table in list(query.find_all(exp.Table)):
        if table.name == "release_date":
            day = sqlglot.parse_one(_RELEASE_DATE, dialect="postgres")
            table.replace(exp.Subquery(this=day, alias=exp.TableAlias(this=exp.to_identifier(table.alias_or_name))))
        elif table.name in contracts.base and table.name not in own:
            table.set("db", exp.to_identifier("governance"))
    for rounded in query.find_all(exp.Round):
        # PostgreSQL rounds to decimals what is numeric only.
        rounded.set("this", exp.cast(rounded.this, "decimal"))
    return query
