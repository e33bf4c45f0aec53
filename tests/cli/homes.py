"""A lakehouse as one user has it: its folder, its settings, and the commands that are typed."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from include.serving.postgres import reader, remove
from include.settings import Settings
from tests.free_ports import free_port

SET_BY_TESTS = ("NIGHTSCOUT_", "LAKEHOUSE_", "AIRFLOW", "DBT_", "SITES_FILE", "COLUMNS")
LATE = {"silence_seconds": 0.5, "longest_wait_seconds": 0.01, "attempts": 2}
"""Limits of somebody impatient: a fault test need not wait as long as a user would."""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """What a failed command says: all of its standard error, which is no traceback."""
        assert "Traceback" not in self.err + self.out, self.err + self.out
        return self.err.strip()

    @property
    def rows(self) -> list[dict[str, Any]]:
        """What `--json` prints."""
        assert self.code == 0, self.err
        rows: list[dict[str, Any]] = json.loads(self.out)
        return rows


class Commands:
    """The process that forks for every command."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def carry_out(self, **command: Any) -> Done:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return Done(**json.loads(self._process.stdout.readline()))


@contextmanager
def forking_commands() -> Iterator[Commands]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.cli.forked_commands"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=clean_environment(),
    ) as process:
        yield Commands(process)
        assert process.stdin is not None
        process.stdin.close()


def clean_environment() -> dict[str, str]:
    """The environment without what would be a setting."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(SET_BY_TESTS)}
    # A forked command leaves by os._exit; Python's tracker of semaphores then says so on standard error.
    return kept | {"PYTHONWARNINGS": "ignore:resource_tracker:UserWarning"}


@dataclass
class Home:
    """`settings` are environment variables, as strings; a call may add to them or, with "", leave one out."""

    commands: Commands
    path: Path
    settings: dict[str, str] = field(default_factory=dict)
    runs: int = 0

    def __post_init__(self) -> None:
        self.settings = {
            "LAKEHOUSE_HOME": str(self.path),
            "LAKEHOUSE_POSTGRES_PORT": str(free_port()),
            "SITES_FILE": str(self.path.with_name(f"{self.path.name}-sites.yaml")),
            # A forked process leaves without tidying up dbt's semaphores, which is no fault of a command.
            "PYTHONWARNINGS": "ignore::UserWarning:multiprocessing.resource_tracker",
        } | self.settings

    def lakehouse(self, *arguments: str, typed: str = "", **settings: str) -> Done:
        """`lakehouse ARGUMENTS`, with `typed` on its standard input."""
        return self.commands.carry_out(
            arguments=arguments, environment=self._environment(settings), input=typed
        )

    def load(
        self,
        first: str,
        last: str,
        *,
        settings: dict[str, str] | None = None,
        limits: dict[str, float] | None = None,
        **more: Any,
    ) -> Done:
        """The steps of a range run."""
        self.runs += 1
        return self.commands.carry_out(
            request={"first_day": first, "last_day": last, "is_scheduled": False},
            run_id=f"run-{self.runs}",
            environment=self._environment(settings or {}),
            input="",
            limits=limits,
            **more,
        )

    def rows(self, query: str, ref: str = "main") -> list[dict[str, Any]]:
        """Of the lake."""
        return self.lakehouse("sql", query, "--json", "--ref", ref).rows

    def published(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of Postgres, as its readers see it."""
        with reader(self.as_settings()).transaction() as connection:
            return connection.execute(query).fetchall()

    def status(self) -> dict[str, Any]:
        (status,) = self.lakehouse("status", "--json").rows
        return status

    def first_version(self) -> str:
        """The oldest version that is kept."""
        rows = self.lakehouse("history", "--json").rows
        return str(rows[-1]["version"])

    def seen(self) -> dict[str, Any]:
        """What a person sees of main and of Postgres."""
        status = self.status()
        return {
            "main": status["main"],
            "published": status["published"],
            "days of main": self.rows("select * from marts.mrt_glucose_overview order by 1, 2"),
            "days of Postgres": self.published("select * from marts.mrt_glucose_overview order by 1, 2"),
            "versions": [row["version"] for row in self.lakehouse("history", "--json").rows],
        }

    def staged(self) -> set[Path]:
        """The folder of each staged read."""
        return set((self.path / "stage").glob("*/*/*"))

    def files(self) -> Sequence[Path]:
        return [path for path in self.path.rglob("*") if path.is_file()]

    def as_settings(self) -> Settings:
        return Settings(
            _env_file=None,
            lakehouse_home=self.path,
            lakehouse_postgres_port=int(self.settings["LAKEHOUSE_POSTGRES_PORT"]),
        )

    def remove(self) -> None:
        """Stop its Postgres; the files go with the temporary folder."""
        if self.path.is_dir():
            remove(self.as_settings())

    def _environment(self, settings: dict[str, str]) -> dict[str, str]:
        merged = clean_environment() | self.settings | settings
        return {name: value for name, value in merged.items() if value}


def can_write(home: Home) -> bool:
    """Whether the published tables can be changed by their readers."""
    try:
        home.published("delete from marts.dim_date returning 1")
    except psycopg.Error:
        return False
    return True
