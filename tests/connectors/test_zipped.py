"""Zip deliveries: the agreed member, and archives that are refused before they do harm."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors import zipped
from connectors.base import Request
from connectors.errors import SetAsideError, StopError
from connectors.zipped import bounded_archive, unpacked, unpacked_whole

WHERE = "t/d, f.zip"


def put(path: Path, members: dict[str, bytes], level: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", level) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def request(**options: object) -> Request:
    return Request("t/d", ("a",), {"member": "*.csv", **options})


def read(path: Path, **options: object) -> bytes:
    with unpacked(path, request(**options), WHERE) as member:
        return member.read_bytes()


def refused(path: Path, **options: object) -> str:
    with pytest.raises(SetAsideError) as caught:
        read(path, **options)
    assert caught.value.reason == "unreadable"
    assert str(path.parent) not in str(caught.value)
    return caught.value.came


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "f.zip"


def test_without_a_member_the_file_is_itself(path: Path) -> None:
    with unpacked(path, Request("t/d", ("a",)), WHERE) as found:
        assert found == path


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(content=st.binary(max_size=300), level=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
def test_what_was_packed_is_read(path: Path, content: bytes, level: int) -> None:
    assert read(put(path, {"x/a.csv": content, "b.txt": b"x"}, level)) == content


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes_are_read_or_set_aside(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    refused(path)


def test_member_is_gone_after_reading(path: Path) -> None:
    with unpacked(put(path, {"a.csv": b"1"}), request(), WHERE) as member:
        assert member.is_file()
    assert not member.exists()


def test_pattern_fits_a_path_or_a_last_name(path: Path) -> None:
    put(path, {"2026/a.csv": b"1", "2025/a.csv": b"2"})
    assert read(path, member="2026/*.csv") == b"1"
    assert refused(path) == "2 members that `member` fits"
    assert refused(path, member="*.xlsx") == "0 members that `member` fits"


def test_names_of_chinese_windows(path: Path) -> None:
    # Without the UTF-8 flag, bytes as the system's code page has them.
    raw = put(path, {"AAAA.csv": b"1"}).read_bytes().replace(b"AAAA", "名册".encode("gb18030"))
    path.write_bytes(raw)
    assert read(path, member="名册.csv") == b"1"


def test_names_that_are_no_gb18030(path: Path) -> None:
    path.write_bytes(put(path, {"AAAA.csv": b"1"}).read_bytes().replace(b"AAAA", b"\xff\xff\xff\xff"))
    assert read(path) == b"1"


@pytest.mark.parametrize(
    "name", ["../a.csv", "x/../../a.csv", "/etc/a.csv", "..\\a.csv", "C:\\a.csv", "C:a.csv", "x/../a.csv"]
)
def test_names_that_climb_out_are_refused(path: Path, name: str) -> None:
    assert refused(put(path, {"a.csv": b"1", name: b"2"})) == "a member whose name leads out of the archive"
    with pytest.raises(SetAsideError, match="leads out"):
        unpacked_whole(path, request(), WHERE, path.parent / "into")


def test_links_become_plain_files(path: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("a.csv")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    assert read(path) == b"/etc/passwd"
    found = unpacked_whole(path, request(), WHERE, tmp_path / "into")
    assert (found.is_symlink(), found.read_bytes()) == (False, b"/etc/passwd")


def test_bomb_by_ratio(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipped, "_SMALL", 1 << 20)
    put(path, {"a.csv": b"0" * (2 << 20)})
    assert refused(path) == "a member that is more than 250 times as large unpacked"
    assert len(read(put(path, {"a.csv": b"0" * (1 << 20)}))) == 1 << 20


def test_bomb_by_size(path: Path) -> None:
    put(path, {"a.csv": b"0" * (2 << 20), "b.txt": b"1"}, zipfile.ZIP_STORED)
    assert refused(path, max_unzipped_mb=1) == "2 MB unpacked"
    assert len(read(path, max_unzipped_mb=3)) == 2 << 20


def test_bomb_by_count(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipped, "_MOST_MEMBERS", 3)
    assert refused(put(path, {f"{number}.csv": b"" for number in range(4)})) == "4 members"


def test_size_that_lies_does_not_unpack_more(path: Path) -> None:
    raw = bytearray(put(path, {"a.csv": b"0" * 100_000}).read_bytes())
    start = raw.index(b"PK\x01\x02")
    raw[start + 24 : start + 28] = struct.pack("<I", 10)
    path.write_bytes(raw)
    assert "no archive that can be read" in refused(path)


def test_password_is_refused(path: Path) -> None:
    raw = bytearray(put(path, {"a.csv": b"1"}).read_bytes())
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(raw)
    assert refused(path) == "a member with a password"


def test_half_an_archive(path: Path) -> None:
    path.write_bytes(put(path, {"a.csv": b"1" * 1000}).read_bytes()[:-30])
    assert refused(path) == "no archive that can be read (BadZipFile)"


def test_wrong_checksum(path: Path) -> None:
    raw = put(path, {"a.csv": b"hello"}, zipfile.ZIP_STORED).read_bytes()
    path.write_bytes(raw.replace(b"hello", b"jello"))
    assert refused(path) == "no archive that can be read (BadZipFile)"


@pytest.mark.parametrize("limit", [0, -1, "9", True, 1.5])
def test_limit_must_be_a_number(path: Path, limit: object) -> None:
    with pytest.raises(StopError, match="max_unzipped_mb"):
        read(put(path, {"a.csv": b"1"}), max_unzipped_mb=limit)


def test_whole_archive_with_a_folder(path: Path, tmp_path: Path) -> None:
    put(path, {"x/m.gdb/a": b"1", "x/m.gdb/b": b"2", "x/readme.txt": b""})
    found = unpacked_whole(path, request(member="*.gdb"), WHERE, tmp_path / "into")
    assert found == tmp_path / "into" / "x" / "m.gdb"
    assert sorted(part.name for part in found.iterdir()) == ["a", "b"]


@pytest.mark.parametrize("names", [("a.csv", "a.csv"), ("a", "a/b.csv"), ("x" * 300 + ".csv",)])
def test_members_in_each_others_way(path: Path, tmp_path: Path, names: tuple[str, ...]) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for number, name in enumerate(names):
            archive.writestr(zipfile.ZipInfo(name if number == 0 else name.replace("a.", "A.", 1)), b"1")
    path.write_bytes(target.getvalue().replace(b"A.csv", b"a.csv"))
    with pytest.raises(SetAsideError, match=r"two members of one name|members that"):
        unpacked_whole(path, request(), WHERE, tmp_path / "into")


def test_archive_for_another_library(path: Path) -> None:
    with bounded_archive(put(path, {"a": b"1"}), WHERE) as archive:
        assert archive.namelist() == ["a"]
    with pytest.raises(SetAsideError), bounded_archive(put(path, {"../a": b"1"}), WHERE):
        pytest.fail("it opened")
