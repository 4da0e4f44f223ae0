"""The lake: numbered folders `1-raw … 8-outbox` below `HUB_DATA_DIR`, written so that a reader sees all or nothing."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Lake", "replacing", "write_atomically"]


_FOLDERS = (
    "1-raw",
    "2-conformed",
    "3-checked",
    "4-linked",
    "5-base",
    "6-release",
    "7-products",
    "8-outbox",
)


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a fresh folder beside `target` that takes its place by one rename when the block ends well.

    A block that fails leaves `target` as it was. What a killed process left behind is removed by the next call.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    for leftover in target.parent.glob(f".{target.name}.*.part"):
        shutil.rmtree(leftover, ignore_errors=True)
    fresh = target.parent / f".{target.name}.{uuid.uuid4().hex[:8]}.part"
    fresh.mkdir()
    try:
        yield fresh
        if target.exists():
            old = target.parent / f".{target.name}.{uuid.uuid4().hex[:8]}.part"
            target.rename(old)
            fresh.rename(target)
            shutil.rmtree(old)
        else:
            fresh.rename(target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a whole file or leave the old one: readers never meet half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.parent / f".{path.name}.{uuid.uuid4().hex[:8]}.part"
    with fresh.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


@dataclass(frozen=True)
class Lake:
    """Where each step leaves what it made.

    Attributes:
        root: The lake's folder (`HUB_DATA_DIR`).
    """

    root: Path

    def lay_out(self) -> None:
        """Make the numbered folders, open to the hub's user alone; what an administrator opened since stays open."""
        self.root.mkdir(parents=True, exist_ok=True)
        for name in _FOLDERS:
            (self.root / name).mkdir(mode=0o700, exist_ok=True)

    def raw(self, tail: str, batch: str) -> Path:
        """Folder of a raw batch: `part-*.parquet` and `manifest.json`."""
        return self.root / "1-raw" / tail / batch

    def conformed(self, tail: str, batch: str) -> Path:
        """Folder of a conformed batch: `rows.parquet`, `issues.parquet`."""
        return self.root / "2-conformed" / tail / batch

    def checked(self, tail: str, batch: str) -> Path:
        """Folder of a checked batch: `accepted`, `quarantine`, `duplicates` (Parquet) and `verdict.json`."""
        return self.root / "3-checked" / tail / batch

    def linked(self, tail: str) -> Path:
        """Folder of a dataset's present rows with their hub keys: `rows.parquet`."""
        return self.root / "4-linked" / tail

    def base(self, entity: str) -> Path:
        """Delta table of a base entity."""
        return self.root / "5-base" / entity

    def lineage(self, entity: str) -> Path:
        """Delta table that says for each base row which dataset and batch gave which fields."""
        return self.root / "5-base" / f"{entity}__lineage"

    def release(self, number: int) -> Path:
        """What a release holds, as JSON."""
        return self.root / "6-release" / f"{number}.json"

    def product(self, name: str) -> Path:
        """Delta table of a product."""
        return self.root / "7-products" / name

    def product_manifest(self, name: str) -> Path:
        """Signed manifest of a product's newest version."""
        return self.root / "7-products" / f"{name}.manifest.json"

    def outbox(self) -> Path:
        """Folder of what is delivered: `village/<code>/` and `department/<name>/`."""
        return self.root / "8-outbox"

    def keys(self) -> Path:
        """Folder of the hub's own keys, readable by the hub alone."""
        self.root.mkdir(parents=True, exist_ok=True)
        folder = self.root / "keys"
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder
