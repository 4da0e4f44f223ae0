"""Options of kind `delta_sharing`."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, Field

from connectors.options import Options, PullOptions

__all__ = ["SharingConnection", "SharingPull"]

_NAME: Final = re.compile(r"(?!\.{1,2}$)[^\s/\x00-\x1f\x7f]{1,255}")


def _share(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("must be up to 255 characters without blanks, / and control characters")
    return name


def _part(name: str) -> str:
    if not _NAME.fullmatch(name) or "." in name:
        raise ValueError("must be up to 255 characters without blanks, /, dots and control characters")
    return name


class SharingConnection(Options):
    """What the profile file says beside endpoint and token."""

    page: ClassVar[str] = "docs/connectors/delta-sharing.md"
    share_credentials_version: Literal[1] = 1
    expiration_time: datetime | None = None


class SharingPull(PullOptions):
    """Which table is read, as the other hub names it."""

    page: ClassVar[str] = "docs/connectors/delta-sharing.md"
    share: Annotated[str, AfterValidator(_share)]
    schema_: Annotated[str, AfterValidator(_part)] = Field(alias="schema")
    table: Annotated[str, AfterValidator(_part)]
