"""Settings: what wins, what is refused, where places and secrets are found; secrets are never shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from hub.errors import ConfigurationError
from hub.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No HUB_ variable of the machine counts."""
    import os

    for name in [name for name in os.environ if name.startswith("HUB_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "hub.env"
    path.write_text(
        "HUB_DIVISION=3203\nHUB_PLACE_X=/srv/x\nHUB_SECRET_KEY=from-file\nOTHER=1\nHUB_PLACE_MONEY=a$b\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("HUB_ENV_FILE", str(path))
    return path


def test_defaults_need_no_variable_at_all() -> None:
    settings = load_settings()
    assert (settings.data_dir, settings.division, settings.as_of) == (Path("var/hub"), "320305", None)
    assert (settings.database_url, settings.threads) == (None, 2)


def test_argument_wins_over_environment_and_environment_over_file(
    env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_settings().division == "3203"
    monkeypatch.setenv("HUB_DIVISION", "32")
    assert load_settings().division == "32"
    assert load_settings(division="320305").division == "320305"


def test_env_file_may_be_named_by_argument(tmp_path: Path) -> None:
    path = tmp_path / "x.env"
    path.write_text("HUB_THREADS=7\nHUB_NO_SUCH_SETTING=1\n", encoding="utf-8")
    settings = load_settings(env_file=path)
    assert (settings.threads, settings.env_file) == (7, path)


def test_env_file_that_is_not_there_stops_and_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(ConfigurationError, match=f"HUB_ENV_FILE: {path} is not there"):
            load_settings(env_file=path)
    monkeypatch.setenv("HUB_ENV_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("HUB_THREADS", "none")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert [fault.partition(":")[0] for fault in caught.value.faults] == ["HUB_ENV_FILE", "HUB_THREADS"]


def test_env_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "hub.env"
    path.write_bytes("HUB_PLACE_X=湖㳇镇".encode("gb18030"))
    with pytest.raises(ConfigurationError, match=f"HUB_ENV_FILE: {path} cannot be read"):
        load_settings(env_file=path)


def test_env_file_that_has_gone_since_is_named(env_file: Path) -> None:
    settings = load_settings()
    env_file.unlink()
    with pytest.raises(ConfigurationError, match=f"HUB_ENV_FILE: {env_file} is not there"):
        settings.place("${HUB_PLACE_X}")


def test_empty_name_of_an_env_file_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_ENV_FILE", "")
    assert load_settings().env_file is None


@pytest.mark.parametrize("division", ["", "3", "320", "32030500", "32030x", "320305000000"])
def test_division_is_the_head_of_a_code(division: str) -> None:
    with pytest.raises(ConfigurationError, match=r"HUB_DIVISION: .*2, 4 or 6 digits"):
        load_settings(division=division)


@pytest.mark.parametrize("day", ["", "2026-1-1", "20260101", "today", "2026-13-01", "2026-02-30"])
def test_as_of_is_a_day_that_exists(day: str) -> None:
    with pytest.raises(ConfigurationError, match=r"HUB_AS_OF: .*(YYYY-MM-DD|month|day)"):
        load_settings(as_of=day)
    assert load_settings(as_of="2026-02-28").as_of == "2026-02-28"


def test_all_wrong_variables_are_named_at_once_without_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_THREADS", "none-of-your-business")
    monkeypatch.setenv("HUB_MEMORY_LIMIT_MB", "1")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert sorted(fault.partition(":")[0] for fault in caught.value.faults) == ["HUB_MEMORY_LIMIT_MB", "HUB_THREADS"]
    assert "none-of-your-business" not in str(caught.value)


def test_settings_do_not_change_afterwards() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load_settings().threads = 9


def test_places_are_filled_from_environment_then_file(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings()
    assert settings.place("${HUB_PLACE_X}/in") == "/srv/x/in"
    monkeypatch.setenv("HUB_PLACE_X", "/mnt")
    assert settings.place("${HUB_PLACE_X}/${HUB_PLACE_X}") == "/mnt//mnt"
    assert settings.place("/fixed") == "/fixed"
    assert settings.place("${HUB_PLACE_MONEY}") == "a$b", "a value is taken as it is written"


def test_all_missing_places_are_named() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings().place("${HUB_PLACE_A}/${HUB_PLACE_B}")
    assert [fault.split()[0] for fault in caught.value.faults] == ["HUB_PLACE_A", "HUB_PLACE_B"]


def test_secret_comes_from_environment_then_file_then_folder(
    env_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "KEY").write_text("from-folder\n", encoding="utf-8")
    (tmp_path / "OTHER").write_text(" two words \n", encoding="utf-8")
    settings = load_settings(secrets_dir=tmp_path)
    assert settings.secret("KEY").get_secret_value() == "from-file"
    monkeypatch.setenv("HUB_SECRET_KEY", "from-environment")
    assert settings.secret("KEY").get_secret_value() == "from-environment"
    assert settings.secret("OTHER").get_secret_value() == "two words"


def test_missing_secret_is_named(tmp_path: Path) -> None:
    for settings in (load_settings(), load_settings(secrets_dir=tmp_path)):
        with pytest.raises(ConfigurationError, match="secret NONE is neither in HUB_SECRET_NONE"):
            settings.secret("NONE")


def test_a_secret_in_place_of_its_name_is_not_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings().secret("Geheim!23")
    assert "Geheim" not in str(caught.value)


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_SECRET_KEY", "hunter2")
    settings = load_settings(portal_secret="hunter2")  # noqa: S106
    assert "hunter2" not in repr(settings) + repr(settings.secret("KEY")) + settings.model_dump_json()


def test_every_setting_is_explained() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
