"""A Postgres of one's own may live in any zone; here its instants are read in UTC."""

from datetime import UTC, datetime

from include.serving.postgres import Postgres

FIRST = datetime(1, 1, 1, tzinfo=UTC)  # since when a site is in its first zone


def test_the_first_instant_of_all_is_read_from_a_server_west_of_it(postgres: Postgres) -> None:
    with postgres.transaction() as connection:
        connection.execute(f"alter role {postgres.user} set timezone = 'America/New_York'")
        connection.execute("create table zones (valid_from_at timestamptz)")
        connection.execute("insert into zones values ('0001-01-01 00:00:00+00')")
    try:
        with postgres.transaction() as connection:
            assert connection.execute("select valid_from_at from zones").fetchone() == (FIRST,)
    finally:
        with postgres.transaction() as connection:
            connection.execute(f"alter role {postgres.user} reset timezone")
