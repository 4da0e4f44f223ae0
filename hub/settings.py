"""Settings: `HUB_*` environment variables in one typed class, explained one by one in `docs/settings.md`."""

from __future__ import annotations

import os
import re
from datetime import date
from pathlib import Path

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from hub.errors import ConfigurationError

__all__ = ["ROOT", "Settings", "load_settings"]

ROOT = Path(__file__).resolve().parent.parent
"""Where `connectors/`, `schemas/` and `expectations/` lie."""

_SECRET_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
_PLACEHOLDER = re.compile(r"\$\{([A-Z0-9_]+)\}")


class Settings(BaseSettings):
    """All of the hub's settings; a variable is the field's name in capitals after `HUB_`."""

    model_config = SettingsConfigDict(env_prefix="HUB_", extra="ignore", frozen=True)

    data_dir: Path = Field(default=Path("var/hub"), description="Folder of the lake: 1-raw … 8-outbox.")
    database_url: str | None = Field(
        default=None, description="PostgreSQL of the governance database and the ledger; none: the embedded server."
    )
    division: str = Field(
        default="320305", description="The hub's own division: the first 2, 4 or 6 digits of its code."
    )
    as_of: str | None = Field(default=None, description="The day ages are reckoned on, YYYY-MM-DD; none: today.")
    memory_limit_mb: int = Field(default=1024, ge=256, description="What DuckDB may hold in memory, in MB.")
    threads: int = Field(default=2, ge=1, description="Threads of one transform.")
    env_file: Path | None = Field(default=None, description="A file of further KEY=VALUE settings, places and secrets.")
    secrets_dir: Path | None = Field(default=None, description="A folder with one file a secret, named as in the YAML.")
    portal_secret: SecretStr | None = Field(
        default=None, description="Signs the portal's sessions; none: made once and kept in the data folder."
    )
    public_url: str = Field(default="http://127.0.0.1:8080", description="The portal's address as people type it.")

    @field_validator("env_file", mode="before")
    @classmethod
    def _env_file(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("division")
    @classmethod
    def _division(cls, value: str) -> str:
        if not re.fullmatch(r"\d{2}|\d{4}|\d{6}", value):
            raise ValueError("must be 2, 4 or 6 digits, the head of a GB/T 2260 code")
        return value

    @field_validator("as_of")
    @classmethod
    def _as_of(cls, value: str | None) -> str | None:
        if value is not None:
            if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
                raise ValueError("must be YYYY-MM-DD")
            date.fromisoformat(value)  # says itself what is wrong with a day that does not exist
        return value

    def lookup(self, name: str) -> str | None:
        """Return the value of an environment variable, else the one in `HUB_ENV_FILE`, else None.

        Raises:
            ConfigurationError: The file is not there any more.
        """
        if name in os.environ:
            return os.environ[name]
        return _env_file_values(self.env_file).get(name)

    def place(self, template: str) -> str:
        """Fill the `${NAME}` of a system's place.

        Raises:
            ConfigurationError: A name has no value.
        """
        missing = [name for name in _PLACEHOLDER.findall(template) if self.lookup(name) is None]
        if missing:
            raise ConfigurationError([f"{name} is not set: the place of a department system" for name in missing])
        return _PLACEHOLDER.sub(lambda match: self.lookup(match[1]) or "", template)

    def secret(self, name: str) -> SecretStr:
        """Return the secret called `name`: `HUB_SECRET_<name>`, or the file of that name in `HUB_SECRETS_DIR`.

        Raises:
            ConfigurationError: Neither is there.
        """
        value = self.lookup(f"HUB_SECRET_{name}")
        if value is None and self.secrets_dir is not None and (self.secrets_dir / name).is_file():
            value = (self.secrets_dir / name).read_text(encoding="utf-8").strip()
        if value is None:
            # Somebody may have written the secret itself where its name belongs.
            told = name if _SECRET_NAME.fullmatch(name) else "…"
            raise ConfigurationError([f"secret {told} is neither in HUB_SECRET_{told} nor in HUB_SECRETS_DIR"])
        return SecretStr(value)


def _env_file_values(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    if not path.is_file():
        raise ConfigurationError([f"HUB_ENV_FILE: {path} is not there, or no file"])
    try:
        values = dotenv_values(path, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError([f"HUB_ENV_FILE: {path} cannot be read ({type(error).__name__})"]) from None
    return {key: value for key, value in values.items() if value is not None}


def load_settings(**overrides: object) -> Settings:
    """Read the settings from the environment, then from `HUB_ENV_FILE`; `overrides` win over both.

    Raises:
        ConfigurationError: One or more variables are wrong; all are named.
    """
    env_file = overrides.get("env_file") or os.environ.get("HUB_ENV_FILE")
    faults: list[str] = []
    try:
        in_file = _env_file_values(Path(str(env_file)) if env_file else None)
    except ConfigurationError as error:
        in_file, faults = {}, error.faults
    from_file = {
        key.removeprefix("HUB_").lower(): value
        for key, value in in_file.items()
        if key.startswith("HUB_") and key not in os.environ
    }
    known = {key: value for key, value in from_file.items() if key in Settings.model_fields}
    try:
        settings = Settings(**{**known, **overrides})  # type: ignore[arg-type]
    except ValidationError as error:
        faults = [*faults, *(f"HUB_{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors())]
    if faults:
        raise ConfigurationError(faults)
    return settings
