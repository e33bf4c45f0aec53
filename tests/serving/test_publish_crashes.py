"""A publisher killed before any of its statements leaves a whole publication; the next one succeeds."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from include.serving.postgres import Postgres

PROJECT = Path(__file__).resolve().parents[2]

# Its own process, since forking one that has threads (as a test process has) is not safe.
DRIVER = """
import json, os, signal, sys
from datetime import timedelta

import psycopg
from tests.serving.lake import NumberedVersion, published

from include.serving.lease import Leases, Owner
from include.serving.postgres import Postgres
from include.serving.publish import publish, published_version

postgres = Postgres(**json.loads(sys.stdin.readline()))
leases = Leases(postgres)
lease = leases.take(Owner("dag", "run", "home", 1, "host"), timedelta(hours=1), lambda _: False)
execute = psycopg.Connection.execute

def publish_number(number):
    names = ("hours", "days", f"extra_{number % 2}")  # every time one is new and one vanishes
    models = [published(name, key=("site_id", "slot"), indexes=(("number",),)) for name in names]
    publish(NumberedVersion(number), postgres, models, lease, leases, "run")

def publish_and_die(number, statements):
    left = iter(range(statements))
    def counted(*arguments, **options):
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(*arguments, **options)
    psycopg.Connection.execute = counted
    publish_number(number)

def shown():
    publication = published_version(postgres)
    with postgres.transaction() as connection:
        return {
            "version": publication.version,
            "numbers": [
                connection.execute(f"select min(number), max(number), count(*) from marts.{name}").fetchone()
                for name in sorted(publication.row_counts)
            ],
            "tables": [name for (name,) in connection.execute(
                "select tablename from pg_tables where schemaname = 'marts' order by 1").fetchall()],
            "staging": connection.execute(
                "select count(*) from pg_namespace where nspname like 'publishing%'").fetchone()[0],
        }

publish_number(0)
number = statements = 0
killed = True
while killed:
    number += 1
    child = os.fork()
    if child == 0:
        publish_and_die(number, statements)
        os._exit(0)
    killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
    after_kill = shown()
    number += 1
    publish_number(number)
    print(json.dumps({"number": number, "killed": killed, "after_kill": after_kill, "after_next": shown()}))
    statements += 1
"""


def whole(number: int) -> dict[str, object]:
    return {
        "version": f"version {number}",
        "numbers": [[number, number, 50]] * 3,
        "tables": sorted(["hours", "days", f"extra_{number % 2}"]),
    }


def test_kill_9_before_every_statement(postgres: Postgres) -> None:
    driver = subprocess.run(
        [sys.executable, "-c", DRIVER],
        input=json.dumps(asdict(postgres)) + "\n",
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT,
        timeout=120,
    )
    assert driver.returncode == 0, driver.stderr
    rounds = [json.loads(line) for line in driver.stdout.splitlines()]
    assert len(rounds) > 40
    assert [one["killed"] for one in rounds] == [True] * (len(rounds) - 1) + [False]
    for one in rounds:
        number = one["number"]
        seen = {name: value for name, value in one["after_kill"].items() if name != "staging"}
        assert seen == whole(number - 2 if one["killed"] else number - 1)
        assert one["after_next"] == whole(number) | {"staging": 0}
    assert sum(one["after_kill"]["staging"] for one in rounds) > 20  # the kills did hit it at work
