"""The sample county is made once, and never mixed with another one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub.demo.county import County, finish_county, make_county, places_file, read_county, serve_county
from hub.errors import StopError

COUNTY = County("320305", 500, 1, 0.01, "2026-11-01")


class Recorder:
    """Stands in for `Processes`: notes commands and runs none."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []

    def start(self, name: str, command: list[str], environment: dict[str, str]) -> str:
        self.commands.append(command)
        return name

    def finish(self, child: str) -> None:
        assert child == "samples-make"


def made(folder: Path) -> Any:
    recorder: Any = Recorder()
    child = make_county(recorder, COUNTY, folder, {})
    assert child is not None
    folder.mkdir(exist_ok=True)
    finish_county(recorder, child, COUNTY, folder)
    return recorder


def test_it_is_made_with_all_that_was_asked(tmp_path: Path) -> None:
    command = made(tmp_path / "sample").commands[0]
    assert command[1:4] == ["-m", "samples", "make"]
    options = dict(zip(command[4::2], command[5::2], strict=True))
    assert options == {
        "--county": "320305",
        "--people": "500",
        "--seed": "1",
        "--faults": "0.01",
        "--as-of": "2026-11-01",
        "--output": str(tmp_path / "sample"),
    }


def test_it_is_made_only_once(tmp_path: Path) -> None:
    made(tmp_path / "sample")
    recorder: Any = Recorder()
    assert make_county(recorder, COUNTY, tmp_path / "sample", {}) is None
    assert recorder.commands == []
    assert read_county(tmp_path / "sample") == COUNTY


def test_half_a_county_is_thrown_away(tmp_path: Path) -> None:
    (tmp_path / "sample" / "systems").mkdir(parents=True)
    recorder: Any = Recorder()
    assert read_county(tmp_path / "sample") is None
    make_county(recorder, COUNTY, tmp_path / "sample", {})
    assert not (tmp_path / "sample").exists()
    assert len(recorder.commands) == 1


@pytest.mark.parametrize(
    ("field", "value"), [("county", "320302"), ("people", 501), ("seed", 2), ("as_of", "2026-12-01")]
)
def test_another_county_is_refused(tmp_path: Path, field: str, value: Any) -> None:
    made(tmp_path / "sample")
    recorder: Any = Recorder()
    with pytest.raises(StopError, match=rf"another sample county is there: {field} .*make clean"):
        make_county(recorder, replace(COUNTY, **{field: value}), tmp_path / "sample", {})
    assert recorder.commands == []


def test_a_stale_places_file_does_not_pass_for_running_systems(tmp_path: Path) -> None:
    places_file(tmp_path).write_text("HUB_DIVISION=320305\n")
    recorder: Any = Recorder()
    serve_county(recorder, tmp_path, {})
    assert not places_file(tmp_path).exists()
    assert recorder.commands[0][1:4] == ["-m", "samples", "serve"]
