"""Every setting a user meets, read from the environment (and the project's `.env`) in one place.

The environment may name another file than `.env`: SETTINGS_FILE. Tests do, or they would read the user's.
"""

import os
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from include.errors import SettingsError
from include.glucose import UnitName

PROJECT = Path(__file__).resolve().parent.parent

TargetSet = Literal["standard", "older_or_high_risk", "pregnancy"]

DEFAULT_SITE = "home"
DEMO_SITE = "demo"


class Settings(BaseSettings):
    """The settings, validated. Field names are the environment variables in lower case."""

    model_config = SettingsConfigDict(
        env_file=os.environ.get("SETTINGS_FILE", PROJECT / ".env"),
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    lakehouse_profile: Literal["embedded", "trino"] = "embedded"
    lakehouse_home: Path = PROJECT / ".lakehouse"
    lakehouse_postgres_port: int = Field(default=5433, ge=1, le=65535)
    lakehouse_airflow_port: int = Field(default=8080, ge=1, le=65535)
    lakehouse_trino_port: int = Field(default=8085, ge=1, le=65535)
    lakehouse_nessie_port: int = Field(default=19120, ge=1, le=65535)
    lakehouse_nessie_management_port: int = Field(default=19121, ge=1, le=65535)
    lakehouse_s3_port: int = Field(default=8333, ge=1, le=65535)
    lakehouse_s3_inner_ports: int = Field(default=8340, ge=1, le=65500)
    maven_repository: str = "https://repo1.maven.org/maven2"

    nessie_uri: str | None = None
    iceberg_warehouse_path: str = Field(
        default="s3://warehouse/lake", pattern=r"^s3://[a-z0-9][a-z0-9.-]+(/.*)?$"
    )
    aws_s3_endpoint: str | None = None
    aws_access_key_id: str | None = None
    aws_secret_access_key: SecretStr | None = None

    nightscout_url: str | None = None
    nightscout_token: SecretStr | None = None
    nightscout_api_secret: SecretStr | None = None
    nightscout_time_zone: str | None = None
    nightscout_site: str = DEFAULT_SITE
    nightscout_targets: TargetSet | None = None
    nightscout_units: UnitName | None = None
    nightscout_device_status: bool | None = None
    sites_file: Path = PROJECT / "include" / "sites.yaml"

    lookback_days: int = Field(default=3, ge=0)
    heal_days: int = Field(default=90, ge=0)
    catchup_days: int = Field(default=7, ge=0)
    max_quarantine_pct: float = Field(default=20, ge=0, le=100)
    max_missing_pct: float = Field(default=20, ge=0, le=100)
    stage_retention_days: int = Field(default=30, ge=1)

    @field_validator("lakehouse_home", "sites_file")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        """A relative path means the same wherever a command is started from: below the project."""
        return (PROJECT / path.expanduser()).resolve()

    @field_validator("nessie_uri", "aws_s3_endpoint")
    @classmethod
    def _plain_address(cls, address: str | None) -> str | None:
        """Addresses are shown in messages, so they hold no secret."""
        parts = urlsplit(address or "http://none")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
            raise ValueError("write it like http://host:port, without user and password")
        return address

    @model_validator(mode="after")
    def _one_way_to_authenticate(self) -> Self:
        if self.nightscout_token and self.nightscout_api_secret:
            raise ValueError("set NIGHTSCOUT_TOKEN or NIGHTSCOUT_API_SECRET, not both")
        return self

    @property
    def postgres_path(self) -> Path:
        """Where the embedded Postgres keeps its data, password and log."""
        return self.lakehouse_home / "postgres"

    @property
    def stack_path(self) -> Path:
        """Where the native stack keeps data, secrets and logs of all its services but Postgres."""
        return self.lakehouse_home / "stack"

    @property
    def dbt_path(self) -> Path:
        """Where dbt writes its manifest, compiled SQL and logs."""
        return self.lakehouse_home / "dbt"


def load_settings() -> Settings:
    """The settings of this process. Raises SettingsError with one line per setting that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        wrong = [
            f"{'.'.join(map(str, problem['loc'])).upper() or 'settings'}: "
            f"{problem['msg'].removeprefix('Value error, ')}"
            for problem in problems
        ]
        raise SettingsError("; ".join(wrong) + " (set it in the environment or in .env)") from None
