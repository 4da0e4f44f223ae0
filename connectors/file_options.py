"""Options of kind `file`: what every delivery shares, what each format adds, and the places they lie in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import PurePosixPath
from typing import Annotated, Any, ClassVar, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from connectors.base import Request
from connectors.errors import StopError
from connectors.options import (
    Count,
    Encoding,
    Fault,
    Options,
    PullOptions,
    Text,
    fault_text,
    faults_of,
    names_of,
    quoted,
)

__all__ = [
    "FILE_PULLS",
    "Csv",
    "Drop",
    "Excel",
    "FixedColumn",
    "FixedWidth",
    "JsonLines",
    "StoreConnection",
    "Zipped",
    "agreed_format",
    "file_faults",
]


def _pattern(text: str) -> str:
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ValueError(f"{quoted(text)} is not a pattern below the folder")
    return text


def _suffix(text: str) -> str:
    try:
        PurePosixPath("x").with_suffix(text)
    except ValueError:
        raise ValueError(f"{quoted(text)} is no suffix; allowed: with a dot, as .ok, .md5, .json") from None
    return text


def _digest(text: str) -> str:
    try:
        if text:
            hashlib.new(_suffix(text).lstrip(".").lower(), usedforsecurity=False).hexdigest()
    except (ValueError, TypeError):  # a digest of any length (shake) is none that two could agree on
        raise ValueError(f"{quoted(text)} is the suffix of no digest; allowed: .md5, .sha256, …") from None
    return text


def _delimiter(text: str) -> str:
    if len(text) != 1 or text in '"\r\n':
        raise ValueError(f"{quoted(text)} is no delimiter; allowed: one character, such as ',' or '|' or a tab")
    return text


def _web_address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError("is no web address, https://host:port")
    return text


Suffix = Annotated[str, AfterValidator(_suffix)]
DigestSuffix = Annotated[str, AfterValidator(_digest)]
Whole = Annotated[int, Field(strict=True, ge=0)]


class Drop(Options):
    """Which files are deliveries, and by which suffixes their companions are told."""

    pattern: Annotated[Text, AfterValidator(_pattern)]
    marker: Suffix = ""
    digest: DigestSuffix = ""
    manifest: Suffix = ""


class Zipped(Options):
    """What is read of a zip archive; without `member` the file is none."""

    member: Text | None = None
    max_unzipped_mb: Count = 8192


class Csv(Options):
    """How a text of cells is written."""

    encoding: Encoding
    delimiter: Annotated[str, AfterValidator(_delimiter)] = ","


class Excel(Options):
    """Where a sheet's rows begin and end."""

    sheet: Text | None = None
    header_starts_with: Text | None = None
    header_rows: Count = 1
    fill_down: tuple[Text, ...] = ()
    stop_at: tuple[Text, ...] = ()
    encoding: Encoding | None = None


class FixedColumn(Options):
    """A column's name and its places, `start` from 1."""

    name: str = Field(min_length=1, strict=True)
    start: Count
    width: Count

    @property
    def end(self) -> int:
        """The last of its places."""
        return self.start - 1 + self.width


class FixedWidth(Options):
    """How lines are cut; docs/connectors/files.md has each option's meaning."""

    columns: tuple[FixedColumn, ...]
    unit: Literal["bytes", "characters"] = "bytes"
    encoding: Encoding
    line_width: Count | None = None
    short_lines: Annotated[bool, Field(strict=True)] = False
    skip_lines: Whole = 0

    @cached_property
    def width(self) -> int:
        """The length of a whole line."""
        return self.line_width or max(column.end for column in self.columns)

    @field_validator("columns")
    @classmethod
    def _each_name_once(cls, columns: tuple[FixedColumn, ...]) -> tuple[FixedColumn, ...]:
        if not columns:
            raise ValueError("names no column")
        names = [column.name for column in columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"column {', '.join(twice)} is there more than once")
        return columns

    @field_validator("encoding")
    @classmethod
    def _line_breaks_of_one_byte(cls, encoding: str) -> str:
        if "\n".encode(encoding.removesuffix("-sig")) != b"\n":
            raise ValueError(f"{quoted(encoding)} does not keep line breaks apart; allowed: gb18030, utf-8, …")
        return encoding

    @field_validator("line_width")
    @classmethod
    def _as_long_as_its_columns(cls, width: int | None, info: ValidationInfo) -> int | None:
        needed = max((column.end for column in info.data.get("columns", ())), default=0)
        if width is not None and width < needed:
            raise ValueError(f"the columns reach to {needed}")
        return width


class JsonLines(Options):
    """How a text of objects is written."""

    encoding: Encoding = "utf-8"


class _FilePull(PullOptions, Drop, Zipped):
    """What every format shares."""

    page: ClassVar[str] = "docs/connectors/files.md"


class _CsvPull(_FilePull, Csv):
    format: Literal["csv"]


class _ExcelPull(_FilePull, Excel):
    format: Literal["excel"]


class _FixedWidthPull(_FilePull, FixedWidth):
    format: Literal["fixed_width"]


class _JsonLinesPull(_FilePull, JsonLines):
    format: Literal["json_lines"]


class _ParquetPull(_FilePull):
    format: Literal["parquet"]


FILE_PULLS: Final[Mapping[str, type[_FilePull]]] = {
    "csv": _CsvPull,
    "excel": _ExcelPull,
    "fixed_width": _FixedWidthPull,
    "json_lines": _JsonLinesPull,
    "parquet": _ParquetPull,
}
"""Format -> what a contract's `pull` may say of deliveries in it."""


def file_faults(values: Mapping[str, Any], what: str = "option") -> list[Fault]:
    """Say all that is wrong with a pull of files, also where its format is none and so tells not what else it may say.

    Args:
        values: The pull's options, its mode among them.
        what: How an unknown one is called.
    """
    form = values.get("format")
    if isinstance(form, str) and form in FILE_PULLS:
        return faults_of(FILE_PULLS[form], values, what)
    names = {name for model in FILE_PULLS.values() for name in names_of(model)}
    told = [faults_of(model, {**_known(values, model), "format": one}) for one, model in FILE_PULLS.items()]
    shared = set.intersection(*map(set, told))
    found = [fault for faults in told for fault in faults if fault in shared or fault[0][0] in values]
    came = f"format: {quoted(str(form))} is none" if "format" in values else "format: Field required"
    found.append((("format",), f"{came}; allowed: {', '.join(FILE_PULLS)}"))
    unknown = sorted({str(name) for name in values} - names)
    found += [((name,), f"{what} {name!r} is unknown; allowed: {', '.join(sorted(names))}") for name in unknown]
    return list(dict.fromkeys(found))


def _known(values: Mapping[str, Any], model: type[Options]) -> dict[str, Any]:
    return {name: values[name] for name in names_of(model) if name in values}


def agreed_format(request: Request) -> str:
    """Return a request's format, once all that it says is proved.

    Raises:
        StopError: Names every option that is missing, unknown or wrong.
    """
    found = file_faults({"mode": request.mode, **request.options})
    if found:
        where, file = f"pull of {request.tail}", f"schemas/sources/{request.tail}.yml"
        raise StopError(where, fault_text(found), f"the options of {_FilePull.page}", f"correct them in {file}")
    return str(request.options["format"])


class StoreConnection(Options):
    """What a folder, an SFTP server or an S3 store needs, and the suffixes of companions that are written there."""

    page: ClassVar[str] = "docs/connectors/files.md"
    known_hosts: str | None = Field(default=None, min_length=1)
    key_file: str | None = Field(default=None, min_length=1)
    path_encoding: Encoding = "utf-8"
    endpoint: Annotated[str, AfterValidator(_web_address)] | None = None
    access_key_id: Text | None = None
    region: Text = "us-east-1"
    marker: Suffix = Field(default=".ok", min_length=1)
    digest: DigestSuffix = Field(default=".sha256", min_length=1)
    manifest: Suffix = Field(default=".manifest.json", min_length=1)
