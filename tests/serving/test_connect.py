"""What `lakehouse connect` prints works as printed."""

import os
import subprocess
from pathlib import Path

import psycopg

from include.connections import Fields, environment_connection
from include.serving.connect import connection_text
from include.serving.postgres import Postgres, reader
from include.settings import Settings


def lines(text: str) -> dict[str, str]:
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


def test_it_says_how_to_connect(postgres: Postgres, postgres_settings: Settings) -> None:
    text = connection_text(postgres_settings, environment_connection)
    told = lines(text)
    assert told["Host"] == "127.0.0.1"
    assert told["Port"] == str(postgres.port)
    assert told["Database"] == "lakehouse"
    assert told["Schema"] == "marts"
    assert told["Role"].startswith("glucose_reader")
    password_file = told["Password"].removeprefix("in ")
    password = Path(password_file).read_text()
    assert password == reader(postgres_settings).password
    for secret in (password, postgres.password):
        assert secret not in text
    with psycopg.connect(told["URL"], password=password) as connection:
        assert connection.execute("select current_user").fetchone() == ("glucose_reader",)


def test_the_psql_line_runs_as_it_stands(postgres: Postgres, postgres_settings: Settings) -> None:
    command = lines(connection_text(postgres_settings, environment_connection))["psql"]
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
    done = subprocess.run(
        ["/bin/sh", "-c", f"{command} --no-password -Atc 'select current_user, current_database()'"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert (done.stdout, done.stderr) == ("glucose_reader|lakehouse\n", "")


def test_a_server_of_ones_own_keeps_its_passwords(postgres: Postgres, postgres_settings: Settings) -> None:
    own = Fields("db.example", "glucose", 5433, "lake", "a-planted-secret-4711")
    text = connection_text(postgres_settings, lambda _: own)
    told = lines(text)
    assert (told["Host"], told["Port"], told["Database"]) == ("db.example", "5433", "glucose")
    assert told["Role"].startswith("glucose_reader")
    assert "a-planted-secret-4711" not in text
