"""How `conform` reads cells: Ibis expressions by topic, one function for each operation a contract may name."""

from hub.conform.geometry import place_geometries, placed_schema
from hub.conform.rows import issues_of, read_cells, rows_of

__all__ = ["issues_of", "place_geometries", "placed_schema", "read_cells", "rows_of"]
