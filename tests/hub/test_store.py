"""The lake: folders and files that appear whole or not at all."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from hub.store import Lake, replacing, write_atomically


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "target"
    with replacing(target) as fresh:
        (fresh / "a").write_text("1")
        assert not target.exists()
        assert fresh.parent == target.parent, "a rename works within one file system only"
    assert names(target) == ["a"]
    assert names(target.parent) == ["target"]


def test_a_folder_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "target"
    for name in ("old", "new"):
        with replacing(target) as fresh:
            (fresh / name).touch()
    assert names(target) == ["new"]
    assert names(tmp_path) == ["target"]


def test_a_block_that_fails_changes_nothing(tmp_path: Path) -> None:
    target = tmp_path / "target"
    with replacing(target) as fresh:
        (fresh / "old").touch()

    def fail_half_way() -> None:
        with replacing(target) as fresh:
            (fresh / "half").touch()
            raise KeyError

    with pytest.raises(KeyError):
        fail_half_way()
    assert names(target) == ["old"]
    assert names(tmp_path) == ["target"]


def test_what_a_killed_process_left_is_removed_but_not_what_belongs_to_others(tmp_path: Path) -> None:
    for name in (".target.0123abcd.part", ".other.0123abcd.part", "target.part"):
        (tmp_path / name).mkdir()
    with replacing(tmp_path / "target"):
        pass
    assert names(tmp_path) == [".other.0123abcd.part", "target", "target.part"]


def test_a_file_appears_whole_and_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    for content in (b"old", b"new"):
        write_atomically(path, content)
        assert path.read_bytes() == content
    assert names(path.parent) == ["file"]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_atomically(tmp_path / "file", b"old")

    def full(_descriptor: int) -> None:
        raise OSError("disk is full")

    monkeypatch.setattr("hub.store.os.fsync", full)
    with pytest.raises(OSError, match="disk is full"):
        write_atomically(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"


def test_folders_repeat_the_walk(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    places = [
        lake.raw("a/b", "a.b.000001"),
        lake.conformed("a/b", "a.b.000001"),
        lake.checked("a/b", "a.b.000001"),
        lake.linked("a/b"),
        lake.base("person"),
        lake.lineage("person"),
        lake.release(7),
        lake.product("roster"),
        lake.product_manifest("roster"),
        lake.outbox(),
    ]
    assert [path.relative_to(tmp_path).as_posix() for path in places] == [
        "1-raw/a/b/a.b.000001",
        "2-conformed/a/b/a.b.000001",
        "3-checked/a/b/a.b.000001",
        "4-linked/a/b",
        "5-base/person",
        "5-base/person__lineage",
        "6-release/7.json",
        "7-products/roster",
        "7-products/roster.manifest.json",
        "8-outbox",
    ]
    assert names(tmp_path) == [], "naming a place makes nothing"


def test_keys_are_for_the_hub_alone(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "new" / "lake")
    assert stat.S_IMODE(lake.keys().stat().st_mode) == 0o700
    assert lake.keys() == lake.root / "keys"


def test_the_folders_are_open_to_the_hub_alone_and_stay_as_an_administrator_left_them(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "hub")
    lake.lay_out()
    assert len(names(lake.root)) == 8
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in lake.root.iterdir()} == {0o700}
    lake.outbox().chmod(0o750)
    lake.lay_out()
    assert stat.S_IMODE(lake.outbox().stat().st_mode) == 0o750
    for made in (lake.raw("a/b", "1"), lake.base("person"), lake.release(1), lake.product("x"), lake.linked("a/b")):
        assert made.relative_to(lake.root).parts[0] in names(lake.root)
