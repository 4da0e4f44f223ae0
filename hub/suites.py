"""What must hold of a table: the suites of `expectations/`, and the expectations that a contract states already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from hub.contracts import Column, Contract, SourceContract
from hub.errors import ConfigurationError
from hub.settings import ROOT
from hub.where import Step, at, error_line

__all__ = ["HUB", "SEVERITIES", "Expectation", "load_suite", "read_suite", "structural", "suite_path"]

HUB = "hub"
"""Who must act where no department is to blame (`meta.acts` of base and product suites)."""

SEVERITIES = ("critical", "warning", "info")
"""`critical` sets a row aside; the others are counted and the row goes on."""

Expectation = Mapping[str, Any]
"""An expectation in Great Expectations' own shape: `type`, `kwargs`, `severity`, `meta`."""


def suite_path(tail: str, root: Path = ROOT) -> Path:
    """Return where the suite of a path tail lies: `<department>/<dataset>`, `base/<entity>`, `products/<product>`."""
    kind = tail.partition("/")[0]
    folder = root / "expectations" if kind in ("base", "products") else root / "expectations" / "sources"
    return folder / f"{tail}.yml"


def load_suite(tail: str, root: Path = ROOT) -> list[Expectation]:
    """Read the YAML suite of a path tail.

    Raises:
        ConfigurationError: The file is missing or an expectation lacks something; every fault is listed by its line.
    """
    suite, faults = read_suite(tail, root)
    if faults:
        raise ConfigurationError(faults)
    return suite


def read_suite(tail: str, root: Path = ROOT) -> tuple[list[Expectation], list[str]]:
    """Read the YAML suite of a path tail; return its expectations and what is wrong with their form."""
    path = suite_path(tail, root)
    file = path.relative_to(root).as_posix()
    try:
        text = path.read_text(encoding="utf-8")
        document = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        return [], [f"{file}:1: cannot be read ({type(error).__name__})"]
    except yaml.YAMLError as error:
        return [], [f"{file}:{error_line(error, text)}: is no YAML"]
    if not isinstance(document, dict) or document.get("name") != tail:
        return [], [f"{at(root, file, 'name')}: its name must be its path tail, {tail}"]
    found = document.get("expectations") or []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        return [], [f"{at(root, file, 'expectations')}: expectations must be a list of type, kwargs, severity, meta"]
    faults = [
        f"{at(root, file, 'expectations', place, *way)}: expectation {place + 1}: {fault}"
        for place, one in enumerate(found)
        for way, fault in _faults(one)
    ]
    faults += [
        f"{at(root, file, 'expectations', place)}: expectation {place + 1}: rule_id {rule!r} is taken by another"
        for place, rule in _repeated(found)
    ]
    return found, faults


def _repeated(suite: list[Expectation]) -> Iterator[tuple[int, str]]:
    seen: set[str] = set()
    for place, one in enumerate(suite):
        meta = one.get("meta")
        rule = str(meta.get("rule_id", "")) if isinstance(meta, dict) else ""
        if rule and rule in seen:
            yield place, rule
        seen.add(rule)


def _faults(one: Expectation) -> Iterator[tuple[tuple[Step, ...], str]]:
    """The way to what is wrong in an expectation, and what it is."""
    meta, kwargs = one.get("meta") or {}, one.get("kwargs") or {}
    if not isinstance(meta, dict) or not isinstance(kwargs, dict):
        yield (), "kwargs and meta must be names with values"
        return
    yield from (((), f"misses {key}") for key in ("type", "kwargs") if not one.get(key))
    yield from ((("meta",), f"misses meta.{key}") for key in _FACTS if not meta.get(key))
    if one.get("severity") not in SEVERITIES:
        yield ("severity",), f"severity is {one.get('severity')!r}, allowed: {', '.join(SEVERITIES)}"
    if "mostly" in kwargs:
        yield ("kwargs", "mostly"), "mostly would hide the rows that fail; say by the severity what becomes of them"
    if "row_condition" in kwargs:
        yield (
            ("kwargs", "row_condition"),
            "row_condition is left out when the failing rows are listed; use expect_rows_to_satisfy",
        )


_FACTS = ("rule_id", "title", "clause", "acts")
"""What `meta` must say of a rule: its name, in Chinese what it asks, where that comes from, and who must act."""


_FORMS: Mapping[str, tuple[str, Mapping[str, Any], str]] = {
    "resident_id": ("expect_column_values_to_be_resident_ids", {}, "GB 11643-1999"),
    "disability_certificate_id": ("expect_column_values_to_be_resident_ids", {}, "GB 11643-1999"),
    "disability_certificate": (
        "expect_column_values_to_match_pattern",
        {"pattern": "[0-9]{17}[0-9X][1-7][1-4](B[0-9])?"},
        "残疾证号编码（身份证号＋类别＋等级）",
    ),
    "credit_code": ("expect_column_values_to_be_credit_codes", {}, "GB 32100-2015"),
    "division_code": (
        "expect_column_values_to_be_in_code_list",
        {"code_list": "division"},
        "统计用区划代码（12位）",
    ),
    "phone": ("expect_column_values_to_match_pattern", {"pattern": "1[0-9]{10}|0[0-9]{9,11}"}, "数据契约"),
    "point": ("expect_column_values_to_be_wkb", {"kinds": ["Point"]}, "数据契约"),
    "geometry": ("expect_column_values_to_be_wkb", {"kinds": ["Polygon", "MultiPolygon"]}, "数据契约"),
}
"""How `conform` read a column -> the expectation that holds it to that form, and the clause."""


def structural(contract: Contract) -> list[Expectation]:
    """Derive the expectations that the contract states already.

    Required, code list, pattern, length, the form a column is read as, and uniqueness. A source's key is only held
    to be there: rows that share one are for the check step to tell duplicates from conflicts.
    """
    return [expectation for column in contract.columns for expectation in _of_column(contract, column)]


def _of_column(contract: Contract, column: Column) -> Iterator[Expectation]:
    source = isinstance(contract, SourceContract)
    needed = column.required or column.key

    def rule(
        kind: str, type_: str, title: str, clause: str = "数据契约", severe: bool = True, **kwargs: Any
    ) -> Expectation:
        return {
            "type": type_,
            "kwargs": {"column": column.name, **kwargs},
            "severity": "critical" if severe else "warning",
            "meta": {
                "rule_id": f"{column.name}_{kind}",
                "title": f"{column.title}{title}",
                "clause": clause,
                "acts": contract.tail.partition("/")[0] if source else HUB,
            },
        }

    if needed:
        yield rule("required", "expect_column_values_to_not_be_null", "不得为空")
    if column.unique or (column.key and not source and len(contract.keys) == 1):
        yield rule("unique", "expect_column_values_to_be_unique", "不得重复")
    if column.codelist:
        title = f"须在代码表{column.codelist}中"
        # Where the contract lets unknown codes go on, they are only counted.
        lax = isinstance(contract, SourceContract) and contract.drift["unknown_codes"] == "evolve"
        kind = "expect_column_values_to_be_in_code_list"
        yield rule("codes", kind, title, severe=needed or not lax, code_list=column.codelist)
    if column.pattern:
        yield rule(
            "pattern", "expect_column_values_to_match_pattern", "须合格式", severe=needed, pattern=column.pattern
        )
    if column.max_length:
        title = f"不超过{column.max_length}个字符"
        yield rule(
            "length", "expect_column_value_lengths_to_be_between", title, severe=needed, max_value=column.max_length
        )
    if source and column.operation in _FORMS:
        type_, kwargs, clause = _FORMS[column.operation]
        yield rule("form", type_, "须合规范", clause, **kwargs)
