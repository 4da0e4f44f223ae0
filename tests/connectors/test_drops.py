"""Drop folders: order, the drop contract, fingerprints."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Connection, Request, Withheld
from connectors.drops import Delivery
from connectors.drops import deliveries as deliveries_of
from connectors.errors import RetryError, StopError
from connectors.places import open_store
from connectors.stores import file_errors

DROP = {"marker": ".ok", "digest": ".md5", "manifest": ".manifest.json"}


def request(mode: Any = "increment", **options: Any) -> Request:
    return Request("health/death", ("a",), {"pattern": "WJ_*.csv", **options}, mode)


def deliveries(folder: Path, wanted: Request) -> Iterator[Delivery | Withheld]:
    return deliveries_of(open_store(Connection("health", "daily_drop", "file", str(folder))), wanted)


def put(folder: Path, name: str, content: bytes = b"a\r\n1\r\n", rows: object = 1) -> Path:
    """A file with the three companions of the drop contract."""
    path = folder / f"{name}.csv"
    path.write_bytes(content)
    (folder / f"{name}.md5").write_text(hashlib.md5(content).hexdigest())  # noqa: S324
    (folder / f"{name}.manifest.json").write_text(json.dumps({"file": path.name, "rows": rows}))
    (folder / f"{name}.ok").touch()
    return path


def one(folder: Path, **options: Any) -> Delivery | Withheld:
    (found,) = deliveries(folder, request(**options))
    return found


def test_increment_names_all_files_in_order(drop: Path) -> None:
    for name in ("WJ_2.csv", "WJ_1.csv", "WJ_10.csv", "other.csv", "~$WJ_3.csv", ".WJ_4.csv"):
        (drop / name).write_bytes(b"x")
    (drop / "WJ_5.csv").mkdir()
    assert [item.name for item in deliveries(drop, request())] == ["WJ_1.csv", "WJ_10.csv", "WJ_2.csv"]


def test_pattern_may_lead_into_folders_and_names_stay_relative(drop: Path) -> None:
    (drop / "2026").mkdir()
    (drop / "2026" / "WJ_1.csv").write_bytes(b"x")
    assert [item.name for item in deliveries(drop, request(pattern="*/WJ_*.csv"))] == ["2026/WJ_1.csv"]


def test_lock_files_are_no_deliveries(drop: Path) -> None:
    for name in ("~$名册.xlsx", ".名册.xlsx", "名册.xlsx"):
        (drop / name).write_bytes(b"x")
    assert [item.name for item in deliveries(drop, request(pattern="*.xlsx"))] == ["名册.xlsx"]


def test_snapshot_names_the_newest_file_by_name(drop: Path) -> None:
    for name in ("WJ_202611.csv", "WJ_202609.csv", "WJ_202610.csv"):
        (drop / name).write_bytes(b"x")
    assert [item.name for item in deliveries(drop, request(mode="snapshot"))] == ["WJ_202611.csv"]


def test_empty_folder_names_nothing(drop: Path) -> None:
    assert list(deliveries(drop, request())) == []
    assert list(deliveries(drop, request(mode="snapshot"))) == []


def test_whole_drop_is_a_delivery(drop: Path) -> None:
    put(drop, "WJ_1", rows=7)
    found = one(drop, **DROP)
    assert isinstance(found, Delivery)
    assert (found.name, found.rows) == ("WJ_1.csv", 7)


def test_digest_with_a_name_and_in_capitals_counts(drop: Path) -> None:
    path = put(drop, "WJ_1")
    digest = path.with_suffix(".md5")
    digest.write_text(digest.read_text().upper() + "  WJ_1.csv\n")
    assert isinstance(one(drop, **DROP), Delivery)


@pytest.mark.parametrize("suffix", [".ok", ".md5", ".manifest.json"])
def test_missing_companion_withholds(drop: Path, suffix: str) -> None:
    put(drop, "WJ_1").with_suffix(suffix).unlink()
    found = one(drop, **DROP)
    assert isinstance(found, Withheld)
    assert (found.name, found.reason) == ("WJ_1.csv", "drop_incomplete")
    assert f"WJ_1{suffix} missing" in found.message
    assert str(drop) not in found.message


def test_half_file_is_withheld(drop: Path) -> None:
    path = put(drop, "WJ_1", b"a\r\n1\r\n2\r\n")
    path.write_bytes(path.read_bytes()[:5])
    found = one(drop, **DROP)
    assert isinstance(found, Withheld)
    assert found.reason == "digest_mismatch"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"rows": "7"}', b'{"rows": true}', b'{"rows": -1}', b"{}"])
def test_manifest_without_a_number_of_rows_is_withheld(drop: Path, content: bytes) -> None:
    put(drop, "WJ_1").with_suffix(".manifest.json").write_bytes(content)
    found = one(drop, **DROP)
    assert isinstance(found, Withheld)
    assert found.reason == "drop_incomplete"


def test_withheld_file_does_not_stop_the_others(drop: Path) -> None:
    for name in ("WJ_1", "WJ_2", "WJ_3"):
        put(drop, name)
    (drop / "WJ_2.ok").unlink()
    kinds = [type(item) for item in deliveries(drop, request(**DROP))]
    assert kinds == [Delivery, Withheld, Delivery]


def test_fingerprint_follows_the_bytes_not_the_name(drop: Path) -> None:
    put(drop, "WJ_1")
    put(drop, "WJ_2")
    put(drop, "WJ_3", b"a\r\n2\r\n")
    first, again, other = (item.fingerprint for item in deliveries(drop, request()))
    assert first == again == hashlib.sha256(b"a\r\n1\r\n").hexdigest()
    assert other != first


def test_manifest_that_is_corrected_makes_another_delivery(drop: Path) -> None:
    path = put(drop, "WJ_1", rows=8)
    before = one(drop, **DROP).fingerprint
    path.with_suffix(".manifest.json").write_text('{"rows": 1}')
    assert one(drop, **DROP).fingerprint != before


def test_withheld_fingerprint_changes_with_the_condition(drop: Path) -> None:
    path = put(drop, "WJ_1")
    prints = set()
    for suffix in (".ok", ".md5"):
        path.with_suffix(suffix).rename(drop / "away")
        prints |= {one(drop, **DROP).fingerprint, one(drop, **DROP).fingerprint}
        (drop / "away").rename(path.with_suffix(suffix))
    path.write_bytes(b"a\r\n3\r\n")
    prints |= {one(drop, **DROP).fingerprint}
    assert len(prints) == 3


def test_file_that_changes_after_it_was_named_is_an_outage(drop: Path) -> None:
    path = put(drop, "WJ_1")
    found = one(drop)
    assert isinstance(found, Delivery)
    found.unchanged()
    path.write_bytes(b"a\r\n1\r\n2\r\n")
    with pytest.raises(RetryError, match="it changed while it was read"):
        found.unchanged()
    path.unlink()
    with pytest.raises(RetryError):
        found.unchanged()


@pytest.mark.parametrize("pattern", ["../WJ_*.csv", "/etc/*.csv", "a/../../*.csv"])
def test_pattern_stays_below_the_folder(drop: Path, pattern: str) -> None:
    with pytest.raises(StopError, match="a pattern below the folder"):
        list(deliveries(drop, request(pattern=pattern)))


def test_unknown_digest_stops(drop: Path) -> None:
    put(drop, "WJ_1").with_suffix(".crc").touch()
    with pytest.raises(StopError, match=r"digest: '\.crc' is the suffix of no digest"):
        one(drop, digest=".crc")


@pytest.mark.parametrize("place", ["", "not/there"])
def test_place_that_is_no_folder_stops(place: str) -> None:
    with pytest.raises(StopError, match="no folder here") as caught:
        open_store(Connection("health", "daily_drop", "file", place))
    assert "not/there" not in str(caught.value)


def test_file_errors_are_grouped() -> None:
    with pytest.raises(StopError, match="f: no right to read"), file_errors("f"):
        raise PermissionError(13, "denied", "/var/private/path")
    with pytest.raises(RetryError, match="f: OSError 116") as caught, file_errors("f"):
        raise OSError(116, os.strerror(116), "/var/private/path")
    assert "/var" not in str(caught.value)
