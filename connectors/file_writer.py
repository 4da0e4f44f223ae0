"""Writing a delivery for others: file, digest, manifest and, last of all, the marker that says it is whole."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from connectors.base import Connection
from connectors.drops import companions, file_digest
from connectors.errors import StopError
from connectors.places import open_store
from connectors.stores import file_errors

__all__ = ["FileWriter"]

_DROP: Final[Mapping[str, str]] = {"marker": ".ok", "digest": ".sha256", "manifest": ".manifest.json"}


class FileWriter:
    """Puts deliveries into a folder, onto an SFTP server or into an S3 bucket, as `connectors.drops` reads them.

    Args:
        connection: As for kind `file`; its options `marker`, `digest` and `manifest` are the companions' suffixes
            (default `.ok`, `.sha256`, `.manifest.json`).
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._suffixes = {role: connection.options.get(role, suffix) for role, suffix in _DROP.items()}

    def put(self, source: Path, name: str, rows: int, told: Mapping[str, Any] | None = None) -> str:
        """Put one file with its companions; each appears whole under its name, the marker after all others.

        A delivery of that name that lies there is replaced; its marker goes first, so that nobody takes a mixture.

        Args:
            source: The file, here.
            name: Its path below the connection's place.
            rows: How many rows it holds.
            told: What else the manifest shall say.

        Returns:
            The file's sha256.

        Raises:
            StopError: The name leads out of the place, a suffix is none, or credentials or rights are wrong.
            RetryError: The place is away; putting it again makes it whole.
        """
        where = f"delivery {name}"
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not path.name:
            raise StopError(where, "a name that leads out of the place", "a relative path", "correct the name")
        beside = companions(name, self._suffixes, where)
        store = open_store(self._connection)
        with file_errors(where), tempfile.TemporaryDirectory(prefix="hub-put-") as folder:
            sha256 = file_digest("sha256", [source])
            algorithm = str(self._suffixes["digest"]).lstrip(".").lower()
            manifest = {
                **(told or {}),
                "file": path.name,
                "rows": rows,
                "bytes": source.stat().st_size,
                "sha256": sha256,
            }
            contents = {
                "digest": f"{file_digest(algorithm, [source], where)}  {path.name}\n",
                "manifest": json.dumps(manifest, ensure_ascii=False, indent=1),
                "marker": "",
            }
            store.remove(beside["marker"])
            store.put(source, name)
            for role, text in contents.items():
                part = Path(folder) / role
                part.write_text(text, encoding="utf-8")
                store.put(part, beside[role])
        return sha256
