"""The options of kind `rest`, checked all at once before anything is asked."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, PositiveInt, ValidationInfo, field_validator

from connectors.auth_options import time_format
from connectors.options import Options, PullOptions, quoted

__all__ = ["CHINA", "Call", "Pull", "Push", "Verify"]

CHINA: Final = ZoneInfo("Asia/Shanghai")
"""The zone of times that name none."""

Scalar = str | int | float | bool
Text = Annotated[str, BeforeValidator(lambda value: str(value).lower() if isinstance(value, int) else value)]
"""A code as text; YAML reads `0` as a number and `true` as a truth."""


_SINCE: Final = {
    "cursor": "the field that tells when a row changed",
    "since_param": "the parameter that asks for rows since a time",
}


class Call(Options):
    """How a service is called.

    Attributes:
        path: Beneath the connection's place.
        service: Its name at the platform, where calls are signed for one service.
        method, send: Parameters go into the query of a GET or POST, or into the JSON or form of a POST.
        params: Parameters that are always the same; in JSON a dotted name makes objects in objects.
        code, ok_codes: Where the answer's own code lies, and which values mean success.
    """

    page: ClassVar[str] = "docs/connectors/rest.md"
    path: str = Field(min_length=1)
    service: str = ""
    method: Literal["GET", "POST"] = "GET"
    send: Literal["query", "json", "form"] | None = None
    params: dict[str, Scalar] = Field(default={})
    code: str = ""
    ok_codes: tuple[Text, ...] = ("0",)

    @property
    def sent_as(self) -> str:
        """Where the parameters go."""
        return self.send or ("query" if self.method == "GET" else "json")

    @property
    def title(self) -> str:
        """The call as errors name it."""
        return f"service {self.service or self.path}"

    @field_validator("send")
    @classmethod
    def _get_has_no_body(cls, value: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("method") == "GET" and value not in (None, "query"):
            raise ValueError("a GET sends its parameters in the query")
        return value


class Pull(Call, PullOptions):
    """How the rows of a dataset are pulled; docs/connectors/rest.md has each option's meaning."""

    records: str = ""
    total: str = ""
    paging: Literal["page", "offset", "token", "link", "none"]
    page_size: PositiveInt = 1000
    pages_a_chunk: PositiveInt = 50
    first_page: int = Field(default=1, ge=0)
    page_param: str = "page"
    size_param: str = "pageSize"
    offset_param: str = "offset"
    token_param: str = "cursor"  # noqa: S105  the name of a parameter
    next: str = Field(default="", validate_default=True)
    cursor: str = Field(default="", validate_default=True)
    cursor_format: str = "iso"
    since_param: str = Field(default="", validate_default=True)
    since_format: str = "%Y-%m-%d %H:%M:%S"
    overlap_hours: float = Field(default=24, ge=0, allow_inf_nan=False)

    @field_validator("paging")
    @classmethod
    def _a_link_is_got(cls, value: str, info: ValidationInfo) -> str:
        if value == "link" and info.data.get("method") == "POST":
            raise ValueError("paging by link needs method GET")
        return value

    @field_validator("next")
    @classmethod
    def _a_token_lies_somewhere(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("paging") == "token" and not value:
            raise ValueError("paging by token needs `next`, the token's place in the answer")
        return value

    @field_validator("cursor", "since_param")
    @classmethod
    def _an_increment_asks_since(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("mode") == "increment" and not value:
            raise ValueError(f"an increment needs it: {_SINCE[str(info.field_name)]}")
        return value

    @field_validator("cursor_format")
    @classmethod
    def _reads_what_it_writes(cls, value: str) -> str:
        if time_format(value, "iso", "ms", "s") not in ("iso", "ms", "s"):
            try:
                datetime.strptime(datetime(2026, 11, 1, tzinfo=CHINA).strftime(value), value)  # noqa: DTZ007
            except ValueError:
                raise ValueError(f"{quoted(value)} can write a time, but not read one") from None
        return value

    @field_validator("since_format")
    @classmethod
    def _writes_a_time(cls, value: str) -> str:
        return time_format(value, "iso", "ms", "s")


class Verify(Call):
    """How one person or unit is verified by a call.

    Attributes:
        matched, matched_words, unmatched_words: Where the verdict lies in the answer, and its words for yes and no.
        answer: Where the wanted fields lie in the answer, as one object.
        quota_a_day: Tries the department allows from midnight to midnight in China.
        valid_days: How long an answer stays true.
    """

    matched: str = Field(min_length=1)
    matched_words: tuple[Text, ...] = Field(min_length=1)
    unmatched_words: tuple[Text, ...] = Field(min_length=1)
    answer: str = ""
    quota_a_day: PositiveInt
    valid_days: float = Field(default=30, gt=0)


class Push(Call):
    """How rows are written.

    Attributes:
        envelope: Member of the JSON that holds a page's rows.
        acknowledged: Where the answer says how many rows it took.
        idempotency_header: Header that is the same whenever the same page is sent again.
    """

    method: Literal["POST"] = "POST"
    send: Literal["json"] = "json"
    page_size: PositiveInt = 1000
    envelope: str = Field(default="records", min_length=1)
    acknowledged: str = Field(min_length=1)
    idempotency_header: str = "Idempotency-Key"
