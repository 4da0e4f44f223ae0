"""Name and columns of the table the pulls are measured on."""

from __future__ import annotations

__all__ = ["COLUMNS", "TABLE"]

TABLE = "hj_rkxx"
COLUMNS = ("xh", "gmsfhm", "xm", "xb", "csrq", "mz", "hh", "yhzgx", "hjdz", "xzqh", "gxsj", "czbs")
