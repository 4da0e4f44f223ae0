"""Options as models: what is wrong is told at once, by its place, with the names that are allowed, and no secret."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.base import KINDS, Connection, Request
from connectors.errors import StopError
from connectors.file_options import FILE_PULLS, Csv, StoreConnection, Zipped, agreed_format, file_faults
from connectors.geo_options import GeoFilePull, OgcPull, WfsPull
from connectors.message_options import MessageConnection, MessagePull
from connectors.option_models import connection_faults, pull_faults
from connectors.options import Options, connection_options, names_of, options_of, part_of
from connectors.rest_options import Pull
from connectors.sharing_options import SharingConnection, SharingPull
from connectors.sql_options import SqlConnection, SqlPull
from connectors.verify_options import VerifyPerson

ROOT = Path(__file__).resolve().parents[2]

GOOD: dict[str, dict[str, Any]] = {
    "sql": {"mode": "increment", "table": "hj.rkxx", "cursor": "gxsj", "split_by": "xh"},
    "rest": {"mode": "increment", "path": "/v1", "paging": "none", "cursor": "gxsj", "since_param": "after"},
    "file": {"mode": "snapshot", "pattern": "WJ_*.csv", "format": "csv", "encoding": "gb18030"},
    "geo_file": {"mode": "snapshot", "pattern": "x_*.shp", "crs": "GCJ-02", "encoding": "gb18030"},
    "ogc_features": {"mode": "snapshot", "collection": "bzdz"},
    "wfs": {"mode": "snapshot", "type_name": "dz:bzdz", "sort_by": "dzbm", "crs": "EPSG:4490"},
    "delta_sharing": {"mode": "increment", "share": "province", "schema": "grassroots", "table": "resident"},
    "message": {"mode": "increment", "queue": "police.change"},
}
FIXED = {"columns": [{"name": "a", "start": 1, "width": 4}], "encoding": "gb18030"}
PROBE = {"where": {"a": "1"}, "near": [117, 34], "within_m": 300}


def told(kind: str, **changed: Any) -> list[tuple[tuple[Any, ...], str]]:
    values = {**GOOD[kind], **changed}
    return pull_faults(kind, {name: value for name, value in values.items() if value is not ...}, {})


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_models(kind: str) -> None:
    assert told(kind) == []
    assert connection_faults(kind, {}, has_secret=False) == []
    (fault,) = told(kind, tabel="x")
    assert fault[0] == ("tabel",)
    assert fault[1].startswith(f"option of a {kind} pull 'tabel' is unknown; allowed: ")
    assert "mode" in fault[1].partition("allowed: ")[2].split(", ")
    ((way, text),) = connection_faults(kind, {"colour": "x"}, has_secret=False)
    assert (way, text.partition(";")[0]) == (("colour",), f"option of a {kind} connection 'colour' is unknown")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_may_say_in_which_crs_its_geometries_come(kind: str) -> None:
    assert told(kind, crs="EPSG:4490") == []
    ((way, text),) = told(kind, crs="EPSG:999999")
    assert way == ("crs",)
    assert "'EPSG:999999' is " in text


@pytest.mark.parametrize(
    ("kind", "changed", "text"),
    [
        ("sql", {"table": ...}, "table: Field required"),
        ("sql", {"table": "a b"}, "table: 'a b' is not a plain name"),
        ("sql", {"cursor": ...}, "cursor: an increment needs it: the column that grows with every change"),
        ("sql", {"cursor": "a.b"}, "cursor: 'a.b' is not a plain name"),
        ("sql", {"split_by": "x; DROP"}, "split_by: 'x; DROP' is not a plain name"),
        ("sql", {"chunk_rows": 0}, "chunk_rows: Input should be greater than or equal to 1"),
        ("sql", {"chunk_rows": True}, "chunk_rows: Input should be a valid integer"),
        ("sql", {"overlap_hours": "a day"}, "overlap_hours: Input should be a valid number"),
        ("sql", {"mode": "incremental"}, "mode: Input should be 'snapshot' or 'increment'"),
        ("rest", {"page_size": "many"}, "page_size: Input should be a valid integer"),
        ("rest", {"paging": ...}, "paging: Field required"),
        ("rest", {"cursor": ...}, "cursor: an increment needs it: the field that tells when a row changed"),
        ("rest", {"since_param": ""}, "since_param: an increment needs it: the parameter that asks for rows"),
        ("rest", {"cursor_format": "iso8601"}, "cursor_format: 'iso8601' writes no time; allowed: iso, ms, s, a form"),
        ("file", {"format": "cvs"}, "format: 'cvs' is none; allowed: csv, excel, fixed_width, json_lines, parquet"),
        ("file", {"format": ...}, "format: Field required; allowed: csv"),
        ("file", {"encoding": "nonsense"}, "encoding: 'nonsense' is no encoding of text that Python knows"),
        ("file", {"encoding": "rot13"}, "encoding: 'rot13' is no encoding"),
        ("file", {"encoding": ...}, "encoding: Field required"),
        ("file", {"delimiter": "||"}, "delimiter: '||' is no delimiter"),
        ("file", {"pattern": "../*.csv"}, "pattern: '../*.csv' is not a pattern below the folder"),
        ("file", {"pattern": ...}, "pattern: Field required"),
        ("file", {"marker": "ok"}, "marker: 'ok' is no suffix"),
        ("file", {"digest": ".crc"}, "digest: '.crc' is the suffix of no digest"),
        ("file", {"max_unzipped_mb": 0}, "max_unzipped_mb: Input should be greater than or equal to 1"),
        ("file", {"sheet": "x"}, "option of a file pull 'sheet' is unknown; allowed: crs, delimiter, digest, encoding"),
        ("file", {"format": "excel", "header_rows": "two"}, "header_rows: Input should be a valid integer"),
        ("file", {"format": "excel", "header_rows": 0}, "header_rows: Input should be greater than or equal to 1"),
        ("file", {"format": "excel", "sheet": ["x"]}, "sheet: Input should be a valid string"),
        ("file", {"format": "excel", "stop_at": "合计"}, "stop_at: Input should be a valid tuple"),
        ("file", {"format": "fixed_width"}, "columns: Field required"),
        ("file", {"format": "fixed_width", **FIXED, "columns": []}, "columns: names no column"),
        ("file", {"format": "fixed_width", **FIXED, "skip_lines": -1}, "skip_lines: Input should be greater than"),
        ("file", {"format": "fixed_width", **FIXED, "line_width": 3}, "line_width: the columns reach to 4"),
        ("file", {"format": "fixed_width", **FIXED, "encoding": "utf-16"}, "encoding: 'utf-16' does not keep line br"),
        ("file", {"format": "json_lines", "encoding": "klingon"}, "encoding: 'klingon' is no encoding"),
        ("geo_file", {"crs": ...}, "crs: Field required"),
        ("geo_file", {"crs": "EPSG:5703"}, "crs: 'EPSG:5703' is no CRS of places"),
        ("geo_file", {"encoding": "nonsense"}, "encoding: 'nonsense' is no encoding"),
        ("geo_file", {"probe": {**PROBE, "near": [34, 117]}}, "probe.near.1: Input should be less than or equal to 90"),
        ("ogc_features", {"collection": ...}, "collection: Field required"),
        ("ogc_features", {"page_size": "many"}, "page_size: Input should be a valid integer"),
        ("ogc_features", {"mode": "increment"}, "mode: Input should be 'snapshot'"),
        ("wfs", {"sort_by": ...}, "sort_by: Field required"),
        ("wfs", {"type_name": "a b"}, "type_name: 'a b' is no name as the capabilities have it"),
        ("wfs", {"crs": "EPSG:4490+5773"}, "crs: 'EPSG:4490+5773' is not a CRS of a register"),
        ("wfs", {"axis_order": "north"}, "axis_order: Input should be 'auto', 'xy' or 'yx'"),
        ("wfs", {"pages_a_chunk": 0}, "pages_a_chunk: Input should be greater"),
        ("delta_sharing", {"schema": ...}, "schema: Field required"),
        ("delta_sharing", {"schema": "a.b"}, "schema: must be up to 255 characters"),
        ("delta_sharing", {"share": ""}, "share: must be up to 255 characters"),
        ("message", {"mode": "snapshot"}, "mode: Input should be 'increment'"),
        ("message", {"queue": ...}, "queue: Field required"),
        ("message", {"queue": "x" * 256}, "queue: must be a name of at most 255 bytes"),
        ("message", {"max_messages": 65_536}, "max_messages: Input should be less than or equal to 65535"),
        ("message", {"encoding": "nonsense"}, "encoding: 'nonsense' is no encoding"),
        ("message", {"idle_seconds": "5"}, "idle_seconds: Input should be a valid number"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_right_is_told_at_its_place(kind: str, changed: dict[str, Any], text: str) -> None:
    found = told(kind, **changed)
    assert [way[0] for way, _ in found] == [text.partition(":")[0].partition(".")[0]] or "is unknown" in text, found
    assert any(one.startswith(text) for _, one in found), found


@pytest.mark.parametrize(
    ("kind", "options", "has_secret", "way", "text"),
    [
        ("file", {"digest": ".crc"}, True, ("digest",), "digest: '.crc' is the suffix of no digest"),
        ("file", {"endpoint": "minio.local"}, True, ("endpoint",), "endpoint: is no web address"),
        ("file", {"path_encoding": "klingon"}, True, ("path_encoding",), "path_encoding: 'klingon' is no"),
        ("geo_file", {"marker": ""}, True, ("marker",), "marker: String should have at least 1 character"),
        ("delta_sharing", {"share_credentials_version": 2}, True, ("share_credentials_version",), "share_"),
        ("delta_sharing", {"expiration_time": "soon"}, True, ("expiration_time",), "expiration_time: Input should"),
        ("message", {"heartbeat_seconds": "often"}, True, ("heartbeat_seconds",), "heartbeat_seconds: Input should be"),
        ("rest", {"auth": {"kind": "magic"}}, True, ("auth",), "auth: Input tag 'magic' found using 'kind'"),
        ("rest", {"auth": {"kind": "basic"}}, True, ("auth", "user"), "auth.user: Field required"),
        ("wfs", {"auth": {"kind": "query", "name": "k", "x": 1}}, True, ("auth", "x"), "word of auth 'x' is unknown;"),
        ("wfs", {"auth": {"kind": "query", "name": "k"}}, False, ("auth",), "no secret for auth 'query'"),
        ("ogc_features", {}, True, ("auth",), "a secret that auth 'none' has no use for"),
        ("ogc_features", {"requester_id": "r"}, True, ("requester_id",), "option of a ogc_features connection"),
        ("rest", {"requester_id": "r"}, True, ("secret_path",), "secret_path: stands beside `requester_id`"),
        ("rest", {"secret_path": "/s"}, True, ("secret_path",), "secret_path: stands beside `requester_id`"),
        ("rest", {"path": "/v1"}, False, ("path",), "option of a rest connection 'path' is unknown;"),
        (
            "rest",
            {"auth": {"kind": "sorted_parameters", "app_key": "a", "time": "now"}},
            True,
            ("auth", "time"),
            "auth.time: 'now' writes no time; allowed: ms, s, a format",
        ),
    ],
)  # fmt: skip
def test_options_of_a_connection_are_told_at_their_place(
    kind: str, options: dict[str, Any], has_secret: bool, way: tuple[str, ...], text: str
) -> None:
    found = connection_faults(kind, options, has_secret=has_secret)
    assert found[0][0] == way
    assert found[0][1].startswith(text), found


def test_the_national_platform_implies_how_a_pull_is_asked() -> None:
    pull = {"mode": "snapshot", "path": "/services/x", "service": "s"}
    own = {"requester_id": "r", "secret_path": "/secret"}
    assert [way for way, _ in pull_faults("rest", pull, {})] == [("paging",)]
    assert pull_faults("rest", pull, own) == []
    assert pull_faults("rest", pull, {"auth": {"kind": "national_platform", **own}}) == []
    both = {"auth": {"kind": "basic", "user": "u"}, **own}
    assert {way for way, _ in connection_faults("rest", both, has_secret=True)} == {("requester_id",), ("secret_path",)}


def test_all_faults_come_at_once() -> None:
    found = told("sql", table=..., cursor=..., chunk_rows="x", crs="moon", tabel="x")
    assert sorted(way[0] for way, _ in found) == ["chunk_rows", "crs", "cursor", "tabel", "table"]
    found = told("rest", send="json", paging="token", page_size="x", since_param=..., page_parm=1)
    assert sorted(way[0] for way, _ in found) == ["next", "page_parm", "page_size", "send", "since_param"]


def test_all_faults_of_a_file_come_at_once_though_its_format_is_none() -> None:
    bad = {"format": "cvs", "encoding": "nonsense", "pattern": ..., "header_rows": "x", "patern": "y", "marker": "ok"}
    found = told("file", **bad, columns=[{"name": "a"}])
    ways = [".".join(map(str, way)) for way, _ in found]
    first = ["columns.0.start", "columns.0.width"]
    assert sorted(ways) == [*first, "encoding", "format", "header_rows", "marker", "patern", "pattern"]
    (unknown,) = (text for way, text in found if way == ("patern",))
    assert {"delimiter", "sheet", "unit"} <= set(unknown.partition("allowed: ")[2].split(", "))
    assert told("file", format="cvs") == [(("format",), file_faults({"format": "cvs"})[-1][1])]


def test_a_connector_is_stopped_by_the_same_words() -> None:
    request = Request("police/resident", ("a",), {"tabel": "x"}, "increment")
    with pytest.raises(StopError) as caught:
        options_of(SqlPull, request)
    for word in ("table: Field required", "cursor: an increment needs it", "'tabel' is unknown; allowed: audit_days,"):
        assert word in caught.value.came
    assert caught.value.allowed == "the options of docs/connectors/sql.md"
    assert caught.value.do == "correct them in schemas/sources/police/resident.yml"
    with pytest.raises(StopError, match=r"connection a/b: option 'x' is unknown; allowed: none"):
        connection_options(SqlConnection, Connection("a", "b", "sql", "", options={"x": 1}))
    with pytest.raises(StopError, match="format: 'word' is none"):
        agreed_format(Request("a/b", (), {**GOOD["file"], "format": "word"}))


def test_a_reader_takes_its_part() -> None:
    request = Request("a/b", (), {"encoding": "gbk", "member": 2026, "format": "csv", "others": "x"})
    assert part_of(Csv, request) == Csv(encoding="gbk")
    assert part_of(Zipped, request).member == "2026"
    with pytest.raises(StopError, match="pull of a/b: encoding: Field required"):
        part_of(Csv, Request("a/b", ()))


@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        ("sql", {"table": "mysql://me:hunter2@host/db"}),
        ("file", {"encoding": "me:hunter2@host"}),
        ("geo_file", {"crs": "https://me:hunter2@host"}),
        ("wfs", {"crs": "https://me:hunter2@host", "sort_by": "x" * 50 + "hunter2!"}),
        ("rest", {"paging": "hunter2", "cursor_format": "hunter2@"}),
        ("file", {"format": "hunter2@host"}),
    ],
)
def test_what_may_be_a_secret_is_not_told(kind: str, changed: dict[str, Any]) -> None:
    found = told(kind, **changed)
    assert found
    assert "hunter2" not in str([text for _, text in found])


def test_every_connector_reads_its_options_by_its_models() -> None:
    readers = []
    for path in sorted((ROOT / "connectors").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr == "options":
                owner = ast.unparse(node.value)
                if owner.endswith(("request", "connection", "source")):
                    readers.append(path.name)
    assert set(readers) == {"options.py", "file_options.py"}


PAGES: dict[str, list[type[Options]]] = {
    "sql": [SqlPull, SqlConnection],
    "rest": [Pull],
    "files": [*FILE_PULLS.values(), StoreConnection],
    "geo": [GeoFilePull],
    "ogc-wfs": [OgcPull, WfsPull],
    "delta-sharing": [SharingPull, SharingConnection],
    "message": [MessagePull, MessageConnection],
}


@pytest.mark.parametrize("page", PAGES)
def test_the_page_tells_every_option(page: str) -> None:
    text = (ROOT / f"docs/connectors/{page}.md").read_text(encoding="utf-8")
    said = set(re.findall(r"`(\w+)`", text))
    for model in PAGES[page]:
        assert set(names_of(model)) - said == set(), model
        assert model.page == f"docs/connectors/{page}.md"


def examples() -> list[tuple[str, str, Any]]:
    """The YAML that the pages show: page, kind, what it is."""
    found = []
    for path in sorted((ROOT / "docs" / "connectors").glob("*.md")):
        kind = ""
        for block in re.findall(r"```yaml\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
            shown = yaml.safe_load(block)
            if isinstance(shown, dict):
                for service in shown.get("verify", {}).values():
                    VerifyPerson.model_validate(service)
                if "connections" not in shown:
                    continue
                (entry,) = shown["connections"].values()
                kind = entry["kind"]
                found.append((path.stem, kind, entry))
            else:
                found.append((path.stem, kind, shown[0]["value"]))
    return found


def test_the_pages_show_what_is_allowed() -> None:
    shown = examples()
    assert {page for page, _, _ in shown} == set(PAGES)
    for page, kind, entry in shown:
        if "kind" in entry:
            assert connection_faults(kind, entry.get("options", {}), has_secret="secret" in entry) == [], page
        else:
            assert pull_faults(kind, entry, {}) == [], page
