"""Models reach Postgres by the engine, exactly, and the password reaches nobody."""

import traceback
from datetime import UTC, date, datetime

import pytest

from include.errors import PublishError
from include.lakehouse import Lakehouse
from include.serving.postgres import Postgres
from tests.lakehouse.test_engine import write


@pytest.fixture
def models(lakehouse: Lakehouse) -> Lakehouse:
    """A lake whose main has two models."""
    branch = lakehouse.open_branch("first", None)
    write(
        branch,
        "create schema marts",
        """create table marts.kinds as select
            1::utinyint as a, 65535::usmallint as b, 4294967295::uinteger as c, 7::ubigint as d,
            8::hugeint as e, 1.5::double as f, true as g, date '2025-03-10' as h, 'it''s' as i,
            null::varchar as "order",
            timestamptz '2025-03-10 12:00:00.123456+00' as j, timestamp '2025-03-10 13:00:00' as k""",
        "create schema gold",
        "create table gold.dim_date as select range::bigint as n from range(1000)",
        "create table marts.too_large as select 9223372036854775808::hugeint as n",
    )
    lakehouse.promote("first", branch.head())
    return lakehouse


def test_values_types_and_counts_arrive(models: Lakehouse, postgres: Postgres) -> None:
    counts = models.at().copy_to_postgres(
        [("marts", "kinds"), ("gold", "dim_date")], postgres.parameters, "staging_1"
    )
    assert counts == {"kinds": 1, "dim_date": 1000}
    with postgres.transaction() as connection:
        (row,) = connection.execute("select * from staging_1.kinds").fetchall()
        assert row[:9] == (1, 65535, 4294967295, 7, 8, 1.5, True, date(2025, 3, 10), "it's")
        assert row[9:] == (
            None,
            datetime(2025, 3, 10, 12, 0, 0, 123456, tzinfo=UTC),
            datetime(2025, 3, 10, 13),  # noqa: DTZ001 (a wall clock has no zone)
        )
        types = connection.execute(
            "select data_type from information_schema.columns where table_schema = 'staging_1'"
            " and table_name = 'kinds' order by ordinal_position limit 5"
        ).fetchall()
        assert types == [("smallint",), ("integer",), ("bigint",), ("bigint",), ("bigint",)]
        assert connection.execute("select count(*), sum(n) from staging_1.dim_date").fetchall() == [
            (1000, 499500)
        ]


def test_a_second_try_starts_over(models: Lakehouse, postgres: Postgres) -> None:
    for _ in range(2):
        assert models.at().copy_to_postgres([("gold", "dim_date")], postgres.parameters, "staging_1")
    with postgres.transaction() as connection:
        assert connection.execute("select count(*) from staging_1.dim_date").fetchall() == [(1000,)]


def test_a_number_that_does_not_fit_is_an_error(models: Lakehouse, postgres: Postgres) -> None:
    with pytest.raises(PublishError, match="out of range"):
        models.at().copy_to_postgres([("marts", "too_large")], postgres.parameters, "staging_1")


@pytest.mark.parametrize("wrong", [{"password": "s3cr3t'wrong"}, {"port": 1, "password": "s3cr3t'wrong"}])
def test_no_error_quotes_the_password(
    models: Lakehouse, postgres: Postgres, wrong: dict[str, object]
) -> None:
    with pytest.raises(PublishError) as refused:
        models.at().copy_to_postgres([("gold", "dim_date")], postgres.parameters | wrong, "staging_1")
    told = "".join(traceback.format_exception(refused.value))
    assert "s3cr3t" not in told
    assert "readers keep the last ones" in told
