"""Options as models: what a connector reads them by is what `hub check-config` holds them against, before any I/O.

Every kind has its models in a module of its own (`connectors.sql_options` …); `connectors.option_models` lists them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Final, Literal, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from connectors.base import Connection, Request
from connectors.errors import StopError

__all__ = [
    "Count",
    "Crs",
    "Encoding",
    "Fault",
    "Number",
    "Options",
    "PullOptions",
    "Text",
    "connection_options",
    "fault_text",
    "faults_of",
    "is_encoding",
    "names_of",
    "options_of",
    "part_of",
    "quoted",
]

Fault = tuple[tuple[str | int, ...], str]
"""The way to what is wrong among options, and one sentence."""

_NONE: Final[Mapping[str, Any]] = MappingProxyType({})
_LONGEST_TOLD: Final = 40
_OWN_WORDS: Final = "Value error, "
"""What pydantic puts before the text of a validator."""


def quoted(text: str) -> str:
    """Return a value as it may be told: what could be an address, with a password in it, is not."""
    return repr(text) if len(text) <= _LONGEST_TOLD and "://" not in text and "@" not in text else "what it says"


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def is_encoding(name: str) -> bool:
    """Tell whether Python knows an encoding of text by that name."""
    try:
        "".encode(name)
    except (LookupError, ValueError):
        return False
    return True


def _encoding(name: str) -> str:
    if not is_encoding(name):
        raise ValueError(f"{quoted(name)} is no encoding of text that Python knows; allowed: gb18030, utf-8, …")
    return name


def _crs(name: str) -> str:
    from pyproj.exceptions import CRSError  # PROJ is loaded where there are geometries

    from connectors.coordinates import Shifted, declared_crs

    try:
        found = declared_crs(name)
    except CRSError:
        found = None
    if not isinstance(found, Shifted) and (found is None or not (found.is_geographic or found.is_projected)):
        raise ValueError(f"{quoted(name)} is no CRS of places; allowed: a known one as EPSG:4490, GCJ-02 or BD-09")
    return name


Text = Annotated[str, BeforeValidator(_as_text), Field(min_length=1)]
"""A word of the department's; YAML reads `2026` as a number."""
Count = Annotated[int, Field(strict=True, ge=1)]
Number = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Encoding = Annotated[Text, AfterValidator(_encoding)]
Crs = Annotated[Text, AfterValidator(_crs)]


class Options(BaseModel):
    """Options of which every name is known.

    Attributes:
        page: The page of `docs/` that explains them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    page: ClassVar[str] = "docs/connectors/"


class PullOptions(Options):
    """What a contract's `pull` may say over every kind.

    Attributes:
        mode: Whether all there is is taken, or what is new.
        crs: In which CRS the geometry columns come. A kind that knows of no geometries leaves it to `conform`.
    """

    mode: Literal["snapshot", "increment"] = "snapshot"
    crs: Crs | None = None


M = TypeVar("M", bound=Options)


def names_of(model: type[Options]) -> list[str]:
    """Return the names of a model's options as YAML has them, sorted."""
    return sorted(field.alias or name for name, field in model.model_fields.items())


def options_of(model: type[M], request: Request, defaults: Mapping[str, Any] = _NONE) -> M:
    """Return a request's options, its mode among them, what it leaves out taken from the defaults.

    Raises:
        StopError: Names every option that is missing, unknown or wrong.
    """
    known = names_of(model)
    values = {name: value for name, value in defaults.items() if name in known}
    values |= {"mode": request.mode} if "mode" in known else {}
    return _validated(model, {**values, **request.options}, *_of_pull(request))


def part_of(model: type[M], request: Request) -> M:
    """Return the part of a request's options that one reader needs; the whole was held against the kind's model before.

    Raises:
        StopError: Names every option that is missing or wrong.
    """
    known = names_of(model)
    values = {name: value for name, value in request.options.items() if name in known}
    return _validated(model, values, *_of_pull(request))


def connection_options(model: type[M], connection: Connection) -> M:
    """Return a connection's options.

    Raises:
        StopError: Names every option that is missing, unknown or wrong.
    """
    where, file = f"connection {connection.where}", f"connectors/systems/{connection.system}.yml"
    return _validated(model, connection.options, where, file)


def _of_pull(request: Request) -> tuple[str, str]:
    return f"pull of {request.tail}", f"schemas/sources/{request.tail}.yml"


def _validated(model: type[M], values: Mapping[str, Any], where: str, file: str) -> M:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        came = fault_text(_told(model, values, error))
        raise StopError(where, came, f"the options of {model.page}", f"correct them in {file}") from None


def fault_text(faults: list[Fault]) -> str:
    """Return all faults in one line."""
    return "; ".join(text for _, text in faults)


def faults_of(model: type[Options], values: Mapping[str, Any], what: str = "option") -> list[Fault]:
    """Say all that is wrong with options; values are told only where a validator of ours says that they may be.

    Args:
        model: What they should be.
        values: What they are.
        what: How an unknown one is called.
    """
    try:
        model.model_validate(values)
    except ValidationError as error:
        return _told(model, values, error, what)
    return []


def _told(model: type[Options], values: Mapping[str, Any], error: ValidationError, what: str = "option") -> list[Fault]:
    found = []
    for fault in error.errors(include_url=False, include_input=False, include_context=False):
        way = tuple(_way(values, fault["loc"]))
        if fault["type"] == "extra_forbidden":
            allowed = names_of(_owner(model, fault["loc"]))
            kind = what if len(way) == 1 else f"word of {'.'.join(map(str, way[:-1]))}"
            found.append((way, f"{kind} {str(way[-1])!r} is unknown; allowed: {', '.join(allowed) or 'none'}"))
        else:
            text = fault["msg"].removeprefix(_OWN_WORDS)
            found.append((way, f"{'.'.join(map(str, way)) or 'options'}: {text}"))
    return found


def _way(values: Any, loc: tuple[str | int, ...]) -> Iterator[str | int]:
    """The way through what was written; pydantic's own has also the kind it took a union's member for."""
    for place, step in enumerate(loc):
        is_there = (isinstance(values, Mapping) and step in values) or (
            isinstance(values, list | tuple) and isinstance(step, int) and step < len(values)
        )
        if is_there:
            values = values[step]
        if is_there or place == len(loc) - 1:
            yield step


def _owner(model: type[Options], loc: tuple[str | int, ...]) -> type[Options]:
    """The model that has no place for the last step of a way."""
    found = [model]
    for step in loc[:-1]:
        fields = found[0].model_fields
        if step in fields:
            found = list(_models(fields[str(step)].annotation))
        elif isinstance(step, str):
            found = [one for one in found if step in get_args(one.model_fields["kind"].annotation)]
    return found[0]


def _models(annotation: Any) -> Iterator[type[Options]]:
    if isinstance(annotation, type) and issubclass(annotation, Options):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
