"""Publishing by a real engine to a real Postgres."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from include.errors import LeaseLostError, PublishError, ServiceError
from include.serving.lease import Lease, Leases, Owner
from include.serving.postgres import Postgres, reader
from include.serving.publish import Publication, PublishedView, publish, published_version
from include.serving.published_models import PublishedModel
from include.settings import Settings
from tests.serving.lake import DuckdbVersion, published

OWNER = Owner("nightscout_glucose", "run 1", "/home/airflow", 1, "laptop")
DAYS = published("days", key=("site_id", "day"), indexes=(("day",), ("mean", "day")))
SITES = published("sites", schema="gold")
SOME_DAYS = """create table marts.days as select * from (values
    ('home', date '2024-10-15', 120.5, 288), ('home', date '2024-10-16', null, 0),
    ('work', date '2024-10-15', 99.0, 7)
) as days (site_id, day, mean, count)"""
TYPED_DAYS = [SOME_DAYS, "alter table marts.days alter mean type double"]
SOME_SITES = "create table gold.sites as select 'home' as site_id, 'Europe/Berlin' as zone"


class Publisher:
    """A run that holds the lease and publishes."""

    def __init__(self, postgres: Postgres, owner: Owner = OWNER) -> None:
        self.postgres = postgres
        self.leases = Leases(postgres)
        lease = self.leases.take(owner, timedelta(hours=1), lambda _: False)
        assert lease
        self.lease: Lease = lease

    def publish(self, view: PublishedView, *models: PublishedModel) -> Publication:
        return publish(view, self.postgres, models, self.lease, self.leases, "run 1")

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with self.postgres.transaction() as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def staging(self) -> list[tuple[Any, ...]]:
        return self.rows("select nspname from pg_namespace where nspname like 'publishing%'")


@pytest.fixture
def publisher(postgres: Postgres) -> Publisher:
    return Publisher(postgres)


def days(name: str, *changes: str) -> DuckdbVersion:
    return DuckdbVersion(name, [*TYPED_DAYS, SOME_SITES, *changes])


def columns(publisher: Publisher, table: str) -> Sequence[tuple[Any, ...]]:
    shown = publisher.rows(
        "select attname, format_type(atttypid, atttypmod), attnotnull, attrelid::regclass::text"
        " from pg_attribute where attnum > 0 and not attisdropped order by attrelid, attnum"
    )
    return [tuple(column) for *column, relation in shown if relation == f"marts.{table}"]


def test_the_first_publication(publisher: Publisher, postgres_settings: Settings) -> None:
    assert published_version(publisher.postgres) is None
    described = replace(DAYS, description="It's a day, 100 %.", columns={"mean": "Mean, mg/dL.", "gone": "-"})
    publication = publisher.publish(days("one"), described, SITES)
    assert (publication.version, publication.run_id) == ("one", "run 1")
    assert publication.row_counts == {"days": 3, "sites": 1}
    assert publication.published_at > publisher.lease.taken_at
    assert published_version(publisher.postgres) == publication

    assert columns(publisher, "days") == [
        ("site_id", "text", True),
        ("day", "date", True),
        ("mean", "double precision", False),
        ("count", "integer", False),
    ]
    indexes = publisher.rows("select indexdef from pg_indexes where tablename = 'days' order by 1")
    assert [definition.split(" ON ")[1] for (definition,) in indexes] == [
        "marts.days USING btree (day)",
        "marts.days USING btree (mean, day)",
        "marts.days USING btree (site_id, day)",
    ]
    comments = "select obj_description('marts.days'::regclass), col_description('marts.days'::regclass, 3)"
    assert publisher.rows(comments) == [("It's a day, 100 %.", "Mean, mg/dL.")]
    assert publisher.staging() == []

    with reader(postgres_settings).transaction() as connection:
        assert connection.execute("select * from marts.days order by site_id, day").fetchall() == [
            ("home", date(2024, 10, 15), 120.5, 288),
            ("home", date(2024, 10, 16), None, 0),
            ("work", date(2024, 10, 15), 99.0, 7),
        ]
        assert connection.execute("select version, row_counts from ops.publication").fetchone() == (
            "one",
            {"days": 3, "sites": 1},
        )
    for secret in ("ops.lease", "pg_authid"):
        with (
            pytest.raises(psycopg.errors.InsufficientPrivilege),
            reader(postgres_settings).transaction() as connection,
        ):
            connection.execute(f"table {secret}")


def test_the_same_version_again_does_nothing(publisher: Publisher) -> None:
    publication = publisher.publish(days("one"), DAYS)
    oid = publisher.rows("select xmin::text from marts.days")
    assert publisher.publish(DuckdbVersion("one", []), DAYS) == publication
    assert publisher.rows("select xmin::text from marts.days") == oid
    assert publisher.rows("select count(*) from ops.publication_history") == [(1,)]


def test_history_keeps_every_publication(publisher: Publisher) -> None:
    for name in ("one", "two", "one"):
        publisher.publish(days(name), DAYS)
    assert publisher.rows("select version from ops.publication") == [("one",)]
    history = publisher.rows("select version from ops.publication_history order by publication_number")
    assert history == [("one",), ("two",), ("one",)]


def test_what_others_built_on_a_table_survives_new_rows(publisher: Publisher) -> None:
    publisher.publish(days("one"), DAYS)
    publisher.rows("create view public.highest as select max(mean) as mean from marts.days")
    publisher.rows("create index by_count on marts.days (count)")
    publisher.rows("grant update (mean) on marts.days to glucose_reader")
    publisher.rows("grant select on marts.days to pg_monitor")
    access = "select relacl::text, relfilenode from pg_class where oid = 'marts.days'::regclass"
    before = publisher.rows(access)
    publisher.publish(days("two", "update marts.days set mean = 200 where site_id = 'work'"), DAYS)
    assert publisher.rows("table public.highest") == [(200.0,)]
    assert publisher.rows(access) == before
    assert publisher.rows("select 1 from pg_indexes where indexname = 'by_count'") == [(1,)]
    assert publisher.rows(
        "select has_column_privilege('glucose_reader', 'marts.days', 'mean', 'update')"
    ) == [(True,)]
    assert len(publisher.rows("select 1 from pg_indexes where tablename = 'days'")) == 4  # none made twice


def test_a_changed_shape_keeps_what_it_can(publisher: Publisher) -> None:
    publisher.publish(days("one"), DAYS)
    publisher.rows("create view public.dates as select site_id, day from marts.days")
    publisher.rows("grant select on marts.days to pg_monitor")
    changed = days(
        "two",
        "alter table marts.days drop count",
        "alter table marts.days add is_good boolean",
        "alter table marts.days alter mean type bigint",
        "update marts.days set is_good = mean > 100",
    )
    publisher.publish(changed, replace(DAYS, indexes=(("mean",),)))
    assert sorted(columns(publisher, "days")) == [
        ("day", "date", True),
        ("is_good", "boolean", False),
        ("mean", "bigint", False),
        ("site_id", "text", True),
    ]
    rows = publisher.rows("select site_id, mean, is_good from marts.days where day = '2024-10-15' order by 1")
    assert rows == [("home", 120, True), ("work", 99, False)]
    assert len(publisher.rows("table public.dates")) == 3
    assert publisher.rows("select has_table_privilege('pg_monitor', 'marts.days', 'select')") == [(True,)]
    assert publisher.rows("select 1 from pg_indexes where indexdef like '%marts.days%(mean)'") == [(1,)]


def test_a_changed_key(publisher: Publisher) -> None:
    publisher.publish(days("one"), DAYS)
    changed = days(
        "two", "delete from marts.days where day > '2024-10-15'", "update marts.days set day = null"
    )
    publisher.publish(changed, replace(DAYS, key=("site_id",)))
    assert columns(publisher, "days")[:2] == [("site_id", "text", True), ("day", "date", False)]
    keys = (
        "select pg_get_constraintdef(oid) from pg_constraint where contype = 'p' and conrelid = %s::regclass"
    )
    assert publisher.rows(keys.replace("%s", "'marts.days'")) == [("PRIMARY KEY (site_id)",)]
    assert publisher.rows("select site_id, day from marts.days order by 1") == [
        ("home", None),
        ("work", None),
    ]


def unchanged_after(publisher: Publisher, view: PublishedView, *models: PublishedModel, says: str) -> str:
    """Publishing fails, says so, and readers see every table, row and shape as before."""
    shape = (
        "select table_name, column_name, data_type, is_nullable, ordinal_position"
        " from information_schema.columns where table_schema = 'marts' order by 1, 5"
    )
    state = [
        shape,
        "select xmin::text, * from marts.days",
        "select xmin::text, * from marts.sites",
        "select indexdef from pg_indexes where schemaname = 'marts'",
        "table ops.publication",
        "table ops.publication_history",
    ]
    before = [publisher.rows(statement) for statement in state]
    with pytest.raises(PublishError, match=says) as refused:
        publisher.publish(view, *models)
    assert [publisher.rows(statement) for statement in state] == before
    assert publisher.postgres.password not in str(refused.value)
    publisher.publish(days("next"), DAYS, SITES)  # and nothing stands in the way of the next one
    assert publisher.staging() == []
    return str(refused.value)


@pytest.fixture
def shown(publisher: Publisher) -> Publisher:
    publisher.publish(days("one"), DAYS, SITES)
    return publisher


def test_a_view_blocks_a_changed_column(shown: Publisher) -> None:
    shown.rows("create view public.means as select mean from marts.days")
    changed = days("two", "update gold.sites set zone = 'UTC'", "alter table marts.days drop mean")
    message = unchanged_after(
        shown, changed, SITES, replace(DAYS, indexes=()), says="cannot drop column mean"
    )
    assert "view means depends on column mean of table marts.days" in message


def test_a_model_that_vanished_is_dropped(shown: Publisher) -> None:
    assert shown.publish(days("two"), DAYS).row_counts == {"days": 3}
    assert shown.rows("select to_regclass('marts.sites')::text") == [(None,)]


def test_a_view_blocks_the_end_of_a_model_and_tables_of_others_stay(shown: Publisher) -> None:
    shown.rows("create table marts.mine as select 1 as number")
    shown.rows("create view public.zones as select zone from marts.sites")
    unchanged_after(shown, days("two"), DAYS, says="cannot drop table marts.sites.*view zones depends on")
    shown.rows("drop view public.zones")
    shown.publish(days("three"), DAYS)
    assert shown.rows("table marts.mine") == [(1,)]


def test_rows_that_got_lost_on_the_way(shown: Publisher) -> None:
    lossy = days("two")
    lossy.loses_rows = True
    unchanged_after(shown, lossy, DAYS, SITES, says="2 rows of days arrived in Postgres instead of 3")


def test_a_count_of_the_engine_that_is_not_the_lakes(
    shown: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = days("two")
    monkeypatch.setattr(view, "copy_to_postgres", lambda *_: {"days": 2, "sites": 1})
    unchanged_after(shown, view, DAYS, SITES, says="2 rows of days were copied out of the lake instead of 3")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            "insert into marts.days values ('home', '2024-10-15', 1, 1)",
            "days: duplicate key|days: could not create",
        ),
        ("insert into marts.days values ('home', null, 1, 1)", "days: .*null"),
        ("alter table marts.days drop day", "days has no column day, which its meta names"),
        ("alter table marts.days add total hugeint", "column total of .* days has type decimal.*cast it"),
        ("alter table marts.days add price decimal(9, 2)", "column price of .* has type decimal"),
        ("alter table marts.days add parts integer[]", "column parts of .* has type list"),
        ("alter table marts.days add moment timestamp_ns", "column moment of .* has type timestamp"),
    ],
)
def test_models_that_break_their_promise(shown: Publisher, change: str, says: str) -> None:
    unchanged_after(shown, days("two", change), SITES, replace(DAYS, indexes=()), says=says)


def test_a_sum_of_integers_is_never_rounded_silently(publisher: Publisher) -> None:
    summed = DuckdbVersion(
        "one", [SOME_DAYS, "create table marts.sums as select 1 as site_id, sum(count) s from marts.days"]
    )
    with pytest.raises(PublishError, match="column s of published model sums"):
        publisher.publish(summed, published("sums"))


def test_every_allowed_type_arrives_exactly(publisher: Publisher) -> None:
    instant = datetime(2024, 10, 27, 0, 59, 59, 999_999, tzinfo=UTC)
    lake = DuckdbVersion(
        "one",
        [
            """create table marts.kinds as select 'ä''"\\%' as site_id, 0.1::double as a_double,
            'nan'::double as not_a_number, '-inf'::double as least, 9007199254740993::bigint as a_bigint,
            (-2147483648)::integer as an_integer, true as a_boolean, date '0001-01-01' as a_date,
            timestamptz '2024-10-27 02:59:59.999999+02' as an_instant,
            timestamp '2024-10-27 02:59:59.999999' as a_local_time, null::double as nothing"""
        ],
    )
    publisher.publish(lake, published("kinds"))
    assert [spelling for _, spelling, _ in columns(publisher, "kinds")] == [
        "text",
        "double precision",
        "double precision",
        "double precision",
        "bigint",
        "integer",
        "boolean",
        "date",
        "timestamp with time zone",
        "timestamp without time zone",
        "double precision",
    ]
    ((text, a_double, nan, least, a_bigint, *rest),) = publisher.rows("table marts.kinds")
    assert (text, a_double, least, a_bigint) == ("ä'\"\\%", 0.1, float("-inf"), 9007199254740993)
    assert nan != nan
    local_time = instant.replace(tzinfo=None) + timedelta(hours=2)
    assert rest == [-2147483648, True, date(1, 1, 1), instant, local_time, None]


def test_a_table_somebody_locks(shown: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.serving.publish.PATIENCE", "200ms")
    with psycopg.connect("", **shown.postgres.parameters) as other:
        other.execute("lock table marts.days in share mode")
        with pytest.raises(PublishError, match="another session keeps a published table"):
            shown.publish(days("two"), DAYS, SITES)
    assert shown.publish(days("two"), DAYS, SITES).version == "two"


def test_without_the_lease_nothing_is_published(shown: Publisher) -> None:
    shown.leases.release(shown.lease)
    with pytest.raises(LeaseLostError):
        shown.publish(days("two"), DAYS, SITES)
    assert shown.staging() == []


def test_a_lease_lost_while_copying_publishes_nothing(
    shown: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = days("two", "delete from marts.days")
    copy = view.copy_to_postgres

    other = replace(OWNER, run_id="run 2")

    def slow_copy(*arguments: Any) -> dict[str, int]:
        counts = copy(*arguments)
        assert shown.leases.take(other, timedelta(hours=1), lambda _: True)
        return counts

    monkeypatch.setattr(view, "copy_to_postgres", slow_copy)
    with pytest.raises(LeaseLostError):
        shown.publish(view, DAYS, SITES)
    assert shown.rows("select count(*) from marts.days") == [(3,)]
    assert len(shown.staging()) == 1  # swept by the run that took the lease
    Publisher(shown.postgres, other).publish(days("three"), DAYS, SITES)
    assert shown.staging() == []


def test_without_postgres_there_is_one_sentence(shown: Publisher) -> None:
    gone = replace(shown.postgres, port=1)
    with pytest.raises(ServiceError, match=r"^Postgres on 127\.0\.0\.1:1 is not usable [^\n]*$") as refused:
        publish(days("two"), gone, [DAYS], shown.lease, Leases(gone), "run 1")
    assert gone.password not in str(refused.value)


def test_a_connection_that_ends_in_the_middle(shown: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.serving.publish.RECORD", "select pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(ServiceError, match=r"is not usable \(terminating connection"):
        shown.publish(days("two", "delete from marts.days"), DAYS, SITES)
    monkeypatch.undo()
    assert shown.rows("select count(*) from marts.days") == [(3,)]
    assert shown.publish(days("three"), DAYS, SITES).version == "three"
