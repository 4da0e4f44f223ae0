"""The command makes a county, tells what it made, and refuses what it cannot make."""

from pathlib import Path

from typer.testing import CliRunner

from samples.cli import app


def test_make_writes_a_county_and_prints_its_rows(tmp_path: Path):
    result = CliRunner().invoke(app, ["make", "--county", "321371", "--people", "200", "--output", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "public_security/registered_resident" in result.output
    assert (tmp_path / "county.json").exists()


def test_make_refuses_a_county_that_is_not_in_the_list(tmp_path: Path):
    result = CliRunner().invoke(app, ["make", "--county", "110101", "--output", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "no county for code '110101'" in result.output
    assert not (tmp_path / "out").exists()


def test_serve_refuses_a_folder_without_a_county(tmp_path: Path):
    result = CliRunner().invoke(app, ["serve", "--output", str(tmp_path)])
    assert result.exit_code == 2
    assert str(tmp_path.name) in result.output.replace("\n", "")
