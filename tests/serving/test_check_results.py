"""`ops.check_results`: what each run's checks found."""

from dataclasses import replace

import psycopg
import pytest

from include.schemas.checks import CONTRACTS, GAPS, MEAN_GLUCOSE, READINGS_A_DAY, CheckResult
from include.serving.check_results import has_checks_of_sites, last_checks, record_checks, result_of
from include.serving.operations import prepare
from include.serving.postgres import Postgres, reader
from include.settings import Settings

FOUND = [
    CheckResult(READINGS_A_DAY, "home", 288.0, True, "on 2024-10-19"),
    CheckResult(MEAN_GLUCOSE, "home", about="no readings in its last ended days"),
    CheckResult(GAPS, "home", 2.0, False, "on 2024-10-18"),
    CheckResult(CONTRACTS, None, 1.0, False, "a null"),
]


def test_what_is_wrong_comes_first(postgres: Postgres) -> None:
    assert last_checks(postgres) == []
    assert not has_checks_of_sites(postgres, 7)
    record_checks(postgres, 7, "manual__7", "run-7", FOUND)
    assert has_checks_of_sites(postgres, 7)
    rows = last_checks(postgres)
    assert [(row["outcome"], row["severity"], row["check_name"], row["site_id"]) for row in rows] == [
        ("failed", "error", "contracts", ""),
        ("failed", "warning", "gaps", "home"),
        ("not_measured", "warning", "mean_glucose", "home"),
        ("passed", "warning", "readings_a_day", "home"),
    ]
    gaps = rows[1]
    assert (gaps["run_id"], gaps["version"], gaps["lease_number"]) == ("manual__7", "run-7", 7)
    assert (gaps["measured"], gaps["unit"], gaps["limit_text"]) == (2.0, GAPS.unit, "0")
    assert gaps["about"] == "on 2024-10-18"
    assert gaps["concerns"] == "the person and the clinician"
    assert gaps["meaning"]
    assert {result_of(row) for row in rows} == set(FOUND)


def test_a_second_try_replaces_what_the_first_found(postgres: Postgres) -> None:
    record_checks(postgres, 7, "manual__7", "run-7", FOUND)
    record_checks(postgres, 7, "manual__7", "run-7", [replace(FOUND[0], measured=1.0, is_met=False)])
    assert {row["check_name"]: row["measured"] for row in last_checks(postgres)} == {
        result.check.name: result.measured for result in FOUND
    } | {"readings_a_day": 1.0}


def test_checks_of_the_whole_lake_are_none_of_sites(postgres: Postgres) -> None:
    record_checks(postgres, 7, "manual__7", "run-7", FOUND[-1:])
    assert not has_checks_of_sites(postgres, 7)


def test_results_are_kept_for_ninety_days(postgres: Postgres) -> None:
    for number, days in ((1, 91), (2, 89)):
        record_checks(postgres, number, f"run {number}", "version", FOUND[:1])
        with postgres.transaction() as connection:
            connection.execute(
                "update ops.check_results set checked_at = now() - make_interval(days => %s)"
                " where lease_number = %s",
                [days, number],
            )
    record_checks(postgres, 3, "run 3", "version", FOUND)
    with postgres.transaction() as connection:
        kept = connection.execute("select distinct lease_number from ops.check_results order by 1").fetchall()
    assert kept == [(2,), (3,)]
    assert {row["run_id"] for row in last_checks(postgres)} == {"run 3"}


def test_a_database_of_an_older_program_gets_the_table(postgres: Postgres) -> None:
    prepare(postgres)
    with postgres.transaction() as connection:
        connection.execute("drop table ops.check_results")
    record_checks(postgres, 1, "run", "version", FOUND)
    assert len(last_checks(postgres)) == len(FOUND)


def test_readers_do_not_see_them(postgres: Postgres, postgres_settings: Settings) -> None:
    record_checks(postgres, 1, "run", "version", FOUND)
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege),
        reader(postgres_settings).transaction() as connection,
    ):
        connection.execute("select * from ops.check_results")
