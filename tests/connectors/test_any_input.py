"""Small parsers that no connector's own suite covers: whatever comes, they read it, or refuse it as they say."""

from __future__ import annotations

import datetime as dt
import gc
import json
import math
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyproj import CRS
from pyproj.exceptions import CRSError

from connectors.base import Connection, Offer, Request, Withheld, connect
from connectors.cells import cell_text
from connectors.coordinates import Shifted, declared_crs
from connectors.drops import file_digest
from connectors.errors import RetryError, StopError
from connectors.excel import header_names
from connectors.http import _retry_after
from connectors.rest_answers import ABSENT, answer_of, at_path
from connectors.rest_features import features_of, total_told
from connectors.rest_platform import decrypt_secret
from connectors.wfs_answers import collection_of, columns_of, matched_of, service_of
from tests.connectors.servers import Answer
from tests.connectors.web_servers import Wfs, response_of

slow_to_make = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

scalar = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
value = st.recursive(
    scalar,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
content = st.binary(max_size=80) | value.map(json.dumps).map(str.encode)


# Companions of a drop

WHOLE = b"a\r\n1\r\n"


def offered(folder: Path, **companions: bytes) -> Offer | Withheld:
    """The one delivery of a folder, a file of one row, with these companions."""
    (folder / "f.csv").write_bytes(WHOLE)
    for role, held in companions.items():
        (folder / f"f.{role}").write_bytes(held)
    roles = {"digest": ".md5", "manifest": ".json"}
    agreed = {role: suffix for role, suffix in roles.items() if suffix.removeprefix(".") in companions}
    pull = {"pattern": "f.csv", "format": "csv", "encoding": "utf-8", **agreed}
    connector = connect(Connection("t", "drop", "file", str(folder)))
    (offer,) = connector.offers(Request("t/d", ("a",), pull), None)
    assert isinstance(offer, Offer | Withheld)
    return offer


@slow_to_make
@given(held=content)
@example(held=b"[" * 100_000)
@example(held=b'{"rows": true}')
@example(held=b'{"rows": 1e0}')
def test_a_manifest_tells_a_number_of_rows_or_the_drop_is_withheld(tmp_path: Path, held: bytes) -> None:
    offer = offered(tmp_path, json=held)
    told: Any = None
    with suppress(ValueError, RecursionError):
        told = json.loads(held)
    rows = told.get("rows") if isinstance(told, dict) else None
    if type(rows) is int and rows >= 0:
        assert isinstance(offer, Offer)
        assert offer.expected_rows == rows
    else:
        assert isinstance(offer, Withheld)
        assert offer.reason == "drop_incomplete"


@slow_to_make
@given(held=st.binary(max_size=60) | st.text(max_size=30).map(lambda text: text.encode("utf-8", "replace")))
def test_only_the_right_digest_lets_a_file_through(tmp_path: Path, held: bytes) -> None:
    (tmp_path / "f.csv").write_bytes(WHOLE)
    right = file_digest("md5", [tmp_path / "f.csv"])
    for told, is_right in ((held, False), (right.upper().encode() + b" *f.csv " + held, True)):
        offer = offered(tmp_path, md5=told)
        assert isinstance(offer, Offer) == is_right
        assert isinstance(offer, Offer) or offer.reason == "digest_mismatch"


# Cells and headers of sheets


@given(scalar | st.dates() | st.datetimes() | st.times() | st.timedeltas())
def test_a_cell_is_text_without_loss_or_nothing(cell: Any) -> None:
    text = cell_text(cell)
    assert (text is None) == (cell is None or cell == "")
    if isinstance(cell, str) and cell:
        assert text == cell
    elif isinstance(cell, int | float) and not isinstance(cell, bool) and math.isfinite(cell):
        assert text is not None
        assert Decimal(text) == Decimal(repr(cell))
        assert not text.endswith(".0")
        assert "e" not in text.lower()
    elif isinstance(cell, dt.date):
        assert text == cell.isoformat()


@given(st.lists(st.lists(st.none() | st.text(max_size=4), max_size=5), max_size=4))
def test_headers_of_any_form_have_a_name_for_each_column(rows: list[list[str | None]]) -> None:
    names = header_names(rows)
    assert len(names) == max((len(row) for row in rows), default=0)
    assert all("\n" not in name and " " not in name for name in names)


# Answers of services

header = st.text(st.characters(codec="latin-1"), max_size=30)
date_like = st.from_regex(
    r"[A-Z][a-z]{2}, [0-9]{2} Jan [0-9]{1,5} [0-9]{2}:00:00 (GMT|[+-][0-9]{1,30})", fullmatch=True
)


@given(header | date_like | st.integers(0).map(str))
@example("9" * 400)
def test_any_word_on_when_to_come_again_is_a_pause(told: str) -> None:
    response = requests.Response()
    response.headers["Retry-After"] = told
    assert 0 <= _retry_after(response) < math.inf


@given(held=content, path=st.text("ab0123.", max_size=6))
def test_any_answer_is_json_or_refused_and_a_path_leads_somewhere_or_nowhere(held: bytes, path: str) -> None:
    try:
        body = answer_of(response_of(Answer(held))).body
    except ValueError:
        return
    found = at_path(body, path)
    assert found is ABSENT or found is None or isinstance(found, str | bool | float | list | dict)


@given(held=content | st.lists(value, max_size=3).map(lambda found: json.dumps({"features": found}).encode()))
def test_any_page_of_geojson_is_features_or_refused(held: bytes) -> None:
    try:
        body, records, names, shapes = features_of(response_of(Answer(held)), shapes=True)
    except ValueError:
        return
    assert len(records) == len(shapes) == len(body["features"])
    assert len(names) <= len(records)


properties = st.dictionaries(st.sampled_from("ab"), scalar | value, max_size=2)
coordinate = st.floats() | st.integers() | st.text(max_size=2)
geometry = value | st.fixed_dictionaries(
    {"type": st.sampled_from(["Point", "MultiPoint"]), "coordinates": st.lists(coordinate, max_size=3)},
    optional={"bbox": value},
)
feature = st.fixed_dictionaries({}, optional={"id": scalar | value, "properties": properties, "geometry": geometry})
TOLD_AS_GBK = {"Content-Type": "application/geo+json; charset=gbk"}
"""What is ASCII is the same as GBK, but then only the exact reader reads it."""


@given(held=st.lists(feature, max_size=3).map(lambda found: json.dumps({"features": found}).encode()))
@example(b'{"features": [{"id": -0, "properties": {"a": -0}}]}')
@example(b'{"features": [{"id": 1.50, "properties": {"a": 1E5, "b": 18446744073709551616}}]}')
@example(
    b'{"features": [{"properties": {"a": 12, "b": true}, "geometry": {"type": "Point", "coordinates": [-0, 1.5]}}]}'
)
@example(b'{"features": [{"q": %s}]}' % (b"[" * 1_000 + b"]" * 1_000))
def test_a_page_of_geojson_read_quickly_is_the_page_read_exactly(held: bytes) -> None:
    def read(headers: dict[str, str]) -> Any:
        try:
            return features_of(response_of(Answer(held, headers=headers)), shapes=True)[1:]
        except ValueError:
            return None

    assert repr(read({})) == repr(read(TOLD_AS_GBK))
    assert gc.isenabled()


@given(value)
def test_a_told_total_is_a_number_or_unknown(told: Any) -> None:
    total = total_told(told)
    assert total is None or (total >= 0 and int(str(told)) == total)


xml = st.recursive(
    st.text("ab<>&;'\"= ", max_size=6),
    lambda inner: st.builds(
        "<{0} {1}='{2}'>{3}</{0}>".format,
        st.sampled_from(["wfs:member", "h:b", "ows:Exception", "FeatureType", "Name", "xs:element", "gml:Point"]),
        st.sampled_from(["name", "numberMatched", "exceptionCode", "gml:id", "srsName"]),
        st.text("ab1 ", max_size=4),
        st.lists(inner, max_size=3).map("".join),
    ),
    max_leaves=6,
)
PARTS = ("WFS_Capabilities", "wfs:FeatureCollection", "xs:schema", "ows:ExceptionReport", "h:any")
SPACES = "xmlns:wfs='w' xmlns:h='h' xmlns:ows='o' xmlns:xs='x' xmlns:gml='http://www.opengis.net/gml/3.2'"
document = st.builds(lambda root, inner: f"<{root} {SPACES}>{inner}</{root}>".encode(), st.sampled_from(PARTS), xml)


@settings(max_examples=150)
@given(held=document | st.binary(max_size=60), status=st.sampled_from([200, 400]))
def test_any_answer_of_a_wfs_is_read_or_refused(held: bytes, status: int) -> None:
    response = response_of(Answer(held, status))
    for read in (
        lambda: service_of(response, "h:bzdz", "w"),
        lambda: columns_of(response, "w"),
        lambda: matched_of(response, "w"),
        lambda: collection_of(response, "w", shapes=True),
    ):
        with suppress(ValueError, StopError, RetryError):
            read()


def test_what_the_parsers_above_take_is_there() -> None:
    service = Wfs([("b.1", {"dzbm": "1", "dzqc": None}, (117.5, 34.5))])
    assert service_of(response_of(Answer(service._capabilities())), "h:bzdz", "w").json_format == "application/json"
    assert set(columns_of(response_of(Answer(service._schema())), "w")) >= {"dzbm", "dzqc"}
    assert matched_of(response_of(service._hits()), "w") == 1


@given(sealed=st.text(max_size=60) | st.binary(max_size=48).map(lambda raw: raw.hex()), appkey=st.text(max_size=40))
def test_what_was_not_sealed_with_the_appkey_is_refused(sealed: str, appkey: str) -> None:
    with suppress(ValueError):
        assert isinstance(decrypt_secret(sealed, appkey), str)


# Names in contracts


@settings(max_examples=25)
@given(st.text(max_size=12) | st.integers() | st.none())
@example("gcj02")
@example("EPSG:4549")
def test_any_name_of_a_crs_is_one_or_refused(name: Any) -> None:
    with suppress(CRSError):
        assert isinstance(declared_crs(name), CRS | Shifted)


@pytest.mark.parametrize("name", ["GCJ-02", "gcj 02", "BD_09"])
def test_shifted_systems_have_names_of_their_own(name: str) -> None:
    assert isinstance(declared_crs(name), Shifted)
