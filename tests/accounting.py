"""The accounting of seeded faults, which the benchmark of quality keeps as well."""

from __future__ import annotations

from benchmarks.accounting import unaccounted

__all__ = ["unaccounted"]
