"""The options of kind `rest`, checked all at once before anything is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from connectors.base import Request
from connectors.errors import StopError

__all__ = ["CHINA", "Call", "Options", "Pull", "Push", "Verify", "faults", "options_of"]

CHINA: Final = ZoneInfo("Asia/Shanghai")
"""The zone of times that name none."""

Scalar = str | int | float | bool
Text = Annotated[str, BeforeValidator(lambda value: str(value).lower() if isinstance(value, int) else value)]
"""A code as text; YAML reads `0` as a number and `true` as a truth."""


class Options(BaseModel):
    """Options of which every name is known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Call(Options):
    """How a service is called.

    Attributes:
        path: Beneath the connection's place.
        service: Its name at the platform, where calls are signed for one service.
        method, send: Parameters go into the query of a GET or POST, or into the JSON or form of a POST.
        params: Parameters that are always the same; in JSON a dotted name makes objects in objects.
        code, ok_codes: Where the answer's own code lies, and which values mean success.
    """

    path: str = Field(min_length=1)
    service: str = ""
    method: Literal["GET", "POST"] = "GET"
    send: Literal["query", "json", "form"] | None = None
    params: dict[str, Scalar] = {}
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

    @model_validator(mode="after")
    def _get_has_no_body(self) -> Self:
        if self.method == "GET" and self.sent_as != "query":
            raise ValueError("a GET sends its parameters in the query")
        return self


class Pull(Call):
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
    next: str = ""
    cursor: str = ""
    cursor_format: str = "iso"
    since_param: str = ""
    since_format: str = "%Y-%m-%d %H:%M:%S"
    overlap_hours: float = Field(default=24, ge=0)

    @model_validator(mode="after")
    def _paging_is_whole(self) -> Self:
        if self.paging == "token" and not self.next:
            raise ValueError("paging by token needs `next`, the token's place in the answer")
        if self.paging == "link" and self.method != "GET":
            raise ValueError("paging by link needs method GET")
        return self


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


M = TypeVar("M", bound=Options)


def options_of(model: type[M], request: Request, defaults: Mapping[str, Any]) -> M:
    """Return a request's options, what it leaves out taken from the defaults.

    Raises:
        StopError: Names every option that is missing, unknown or wrong.
    """
    known = {name: value for name, value in defaults.items() if name in model.model_fields}
    try:
        return model.model_validate({**known, **request.options})
    except ValidationError as error:
        raise StopError(
            f"pull of {request.tail}",
            faults(error),
            "the options of docs/connectors/rest.md",
            f"correct them in schemas/sources/{request.tail}.yml",
        ) from None


def faults(error: ValidationError) -> str:
    """Return every fault with the option's name, without the value."""
    return "; ".join(
        f"{'.'.join(map(str, fault['loc'])) or 'options'}: {fault['msg']}"
        for fault in error.errors(include_url=False, include_input=False, include_context=False)
    )
