"""JSON lines deliveries: one object a line, numbers kept as the text they came in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from connectors.base import Request
from connectors.drops import unreadable
from connectors.file_options import JsonLines
from connectors.options import part_of
from connectors.rows import missing_columns, text_batches
from connectors.text_chunks import TextChunk
from connectors.text_file import Lines, agreed_encoding, undecodable, wrong_encoding

__all__ = ["json_lines_batches"]

_ALLOWED: Final = "one JSON object a line (RFC 8259), each key once"


class _Number(str):
    """A number's own text: no digit is lost, and 1.0 stays 1.0."""

    __slots__ = ()


def json_lines_batches(
    path: Path, request: Request, where: str, available: dict[str, str], chunk: TextChunk | None = None
) -> Iterator[pa.RecordBatch]:
    """Stream the objects as text; blank lines are skipped, a nested object or list is its JSON.

    Args:
        path: The file.
        request: Its `encoding` is the agreed one (default UTF-8).
        where: The file as errors name it.
        available: Is given every key of the file, as they are met.
        chunk: Which rows; all where it is not told.

    Raises:
        SetAsideError: `encoding_invalid`, `schema_drift` (a wanted key is in no object) or `unreadable`: a line that is
            no JSON object.
        StopError: Python knows no such encoding.
    """
    chunk = chunk or TextChunk()
    encoding = agreed_encoding(path, part_of(JsonLines, request).encoding, where, look=chunk.is_first)
    available.update(dict.fromkeys(chunk.columns, "json"))
    names = [request.names_of(field) for field in request.fields]
    with path.open(encoding=encoding, errors="strict", newline="\n") as file:
        records = _records(Lines(file, where), where, available, chunk)
        try:
            yield from text_batches(([_of(record, among) for among in names] for record in records), request.fields)
        except UnicodeDecodeError:
            raise wrong_encoding(where, undecodable(path, encoding), encoding) from None
    if chunk.is_last and chunk.rows:
        met = zip(request.fields, names, strict=True)
        missing_columns(where, sorted(f for f, among in met if available.keys().isdisjoint(among)), request)


def _of(record: dict[str, str | None], names: Sequence[str]) -> str | None:
    return next((record[name] for name in names if name in record), None)


def _records(
    lines: Lines[str], where: str, available: dict[str, str], chunk: TextChunk
) -> Iterator[dict[str, str | None]]:
    chunk.enter(lines)
    for line in lines:
        lines.taken.clear()
        if line.isspace():
            continue
        if chunk.full:
            return
        try:
            record = json.loads(
                line, parse_int=_Number, parse_float=_Number, parse_constant=_constant, object_pairs_hook=_object
            )
            if not isinstance(record, dict):
                raise ValueError
            texts = {key: _cell(value) for key, value in record.items()}
            # Half a surrogate pair is JSON, but no text that could be kept.
            "".join([*texts, *filter(None, texts.values())]).encode()
        except (ValueError, RecursionError):
            raise unreadable(where, f"line {lines.number} is no JSON object that can be kept", _ALLOWED) from None
        available.update(dict.fromkeys(record, "json"))
        chunk.took(lines)
        yield texts
    chunk.ended()


def _constant(_: str) -> None:
    raise ValueError  # NaN and Infinity are no JSON


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _cell(value: Any) -> str | None:
    if value is None:
        return None
    return str(value) if isinstance(value, str) else _text(value)


def _text(value: Any) -> str:
    """Write what was parsed as JSON again, numbers in their own text."""
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(key)}: {_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
