"""What is read of the published tables, and what is said when it is not there."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import pytest

from include.errors import InputError, ReportError
from include.report.marts import Row, SiteMarts, published_sites, read_site
from include.serving.postgres import Postgres
from tests.report import person
from tests.report.published import fill, publish

OTHER = person.marts(site=person.SITE | {"site_id": "other"})


def test_a_site_is_read_as_it_is_published(tables: Postgres) -> None:
    home = person.marts()
    publish(tables, OTHER, home)
    read = read_site(tables, "home", 14)
    assert (read.version, read.published_at) == (home.version, home.published_at)
    for name, expected in asdict(home).items():
        found = getattr(read, name)
        if isinstance(expected, list):
            assert [
                {key: row[key] for key in of} for row, of in zip(found, expected, strict=True)
            ] == expected
        elif isinstance(expected, dict):
            assert {key: found[key] for key in expected} == expected


def test_only_what_lies_in_the_period_is_read(tables: Postgres) -> None:
    outside = person.LAST_DAY + timedelta(days=1)
    home = person.marts(
        7,
        overview=person.overview(9),
        treatments=person.treatments(9),
        quality=person.quality(9),
        slots=person.slots(9),
        events=[*person.events(2), person.events(1)[0] | {"event_date": outside}],
    )
    publish(tables, home)
    read = read_site(tables, "home", 7)
    assert [len(rows) for rows in (read.overview, read.treatments, read.quality)] == [7, 7, 7]
    assert len(read.slots) == 7 * 288
    assert len(read.events) == 2


def test_the_day_of_a_reading_is_the_site_s_whatever_the_wall_says(tables: Postgres) -> None:
    *slots, last = person.slots(7)
    late = last | {"reading_timestamp_local": last["reading_timestamp_local"] + timedelta(hours=5)}
    publish(tables, person.marts(7, slots=[*slots, late]))
    assert len(read_site(tables, "home", 7).slots) == 7 * 288


def test_a_zone_holds_from_its_instant_on(tables: Postgres) -> None:
    moves = [datetime(2024, 10, day, 4, tzinfo=UTC) for day in (2, 5)] + [person.NOW + timedelta(days=2)]
    publish(tables, person.marts(site=zones(moves)[0]))
    with tables.transaction() as connection:
        fill(connection, "dim_sites", zones(moves)[1:])
    read = read_site(tables, "home", 14)
    assert [row["zone"] for row in (*read.zones_before, read.site)] == ["Europe/Rome", "America/New_York"]
    read = read_site(tables, "home", 7)
    assert [row["zone"] for row in (*read.zones_before, read.site)] == ["America/New_York"]


def zones(moves: list[datetime]) -> list[Row]:
    """The rows of a site that starts in London and at each move goes on to the next zone."""
    names = ("Europe/London", "Europe/Rome", "America/New_York", "Asia/Tokyo")
    starts = [person.SITE["valid_from_at"], *moves]
    ends = [*moves, None]
    return [
        person.SITE
        | {"zone": zone, "is_current": end is None, "valid_from": start.date(), "valid_from_at": start}
        | {"valid_to": end and end.date() - timedelta(days=1), "valid_to_at": end}
        for zone, start, end in zip(names, starts, ends, strict=True)
    ]


def test_a_site_without_readings_is_read_too(tables: Postgres) -> None:
    nothing = SiteMarts(site=person.SITE, version="v1", published_at=person.NOW)
    publish(tables, nothing)
    read = read_site(tables, "home", 14)
    assert (read.period, read.before, read.current, read.slots) == (None, None, None, [])
    assert read.hours_period is None


def test_before_the_first_publication_that_is_said(postgres: Postgres, tables: Postgres) -> None:
    assert published_sites(tables) == (None, [])
    with pytest.raises(InputError, match="make run"):
        read_site(tables, "home", 14)
    with postgres.transaction() as connection:
        connection.execute("drop schema ops cascade")
    assert published_sites(postgres) == (None, [])


def test_an_unknown_site_is_told_the_known_ones(tables: Postgres) -> None:
    publish(tables, OTHER, person.marts())
    assert published_sites(tables) == (person.marts().version, ["home", "other"])
    with pytest.raises(InputError, match="no site 'nobody' is published; published are: home, other"):
        read_site(tables, "nobody", 14)


@pytest.mark.parametrize("days", [0, -7, 8, 10_000])
def test_a_period_that_there_is_not_is_told_the_six(tables: Postgres, days: int) -> None:
    with pytest.raises(InputError, match="7, 14, 30, 90, 180, 365"):
        read_site(tables, "home", days)


@pytest.mark.parametrize(
    "broken",
    ["drop table marts.mrt_glucose_agp", "alter table marts.mrt_glucose_agp drop column period_days"],
)
def test_tables_of_another_program_are_named(tables: Postgres, broken: str) -> None:
    publish(tables, person.marts())
    with tables.transaction() as connection:
        connection.execute(broken)
    with pytest.raises(ReportError, match=r"not those of this program .*(mrt_glucose_agp|period_days)"):
        read_site(tables, "home", 14)
