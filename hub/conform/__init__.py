"""How `conform` reads cells: Ibis expressions by topic, one function for each operation a contract may name."""

from hub.conform.codes import DIVISIONS
from hub.conform.geometry import place_geometries, placed_schema
from hub.conform.plan import Plan, plan_of
from hub.conform.rows import issues_of, read_cells, rows_of

__all__ = [
    "DIVISIONS",
    "Plan",
    "issues_of",
    "place_geometries",
    "placed_schema",
    "plan_of",
    "read_cells",
    "rows_of",
]
