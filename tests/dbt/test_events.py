"""Events on real CGM traces against an oracle: the rule itself, and its events after the slot rule."""

from pathlib import Path

import duckdb
import pyarrow as pa

from tests.dbt.glucose_lake import Dbt, cgm_readings, instant, oracle
from tests.dbt.test_traces import TOUCHED

KINDS = {
    ("hypo", "lv1"): "low",
    ("hypo", "lv2"): "very_low",
    ("hyper", "lv1"): "high",
    ("hyper", "lv2"): "very_high",
}


def test_events_of_all_readings_equal_the_oracle(dbt: Dbt, lake_copy: Path, test_data: Path) -> None:
    """The rule itself, on readings that did not pass the slot rule."""
    every = pa.Table.from_pylist(
        [
            {
                "site_id": each.site_id,
                "entry_id": str(position),
                "taken_at": each.at,
                "glucose_mg_dl": each.glucose_mg_dl,
            }
            for position, each in enumerate(cgm_readings(test_data))
        ]
    )
    with duckdb.connect(lake_copy) as copy:
        copy.execute("set TimeZone = 'UTC'")
        copy.register("every", every)
        copy.execute(
            "create or replace table silver.fct_glucose_readings as select *, taken_at as reading_timestamp,"
            " taken_at at time zone 'UTC' as reading_timestamp_local, cast(taken_at as date) as reading_date,"
            " date_sub('second', lag(taken_at) over (partition by site_id order by taken_at), taken_at) / 60"
            " as minutes_since_last_reading from every"
        )
        for model in ("int_glucose_runs", "fct_glucose_events"):
            copy.execute(f"create or replace table gold.{model} as {dbt.compiled(model)}")
        found = events_of(copy)
    expected = events_of_the_oracle(test_data)
    assert len(expected) == 143
    assert found == expected


def test_events_equal_the_oracle_where_no_slot_was_shared(
    connection: duckdb.DuckDBPyConnection, test_data: Path
) -> None:
    found, expected = events_of(connection), events_of_the_oracle(test_data)
    different = found ^ expected
    assert len(found) == len(expected) == 143
    assert {(site_id, started_at.date()) for site_id, _, started_at, *_ in different} == TOUCHED
    assert len(different) == 10


def events_of(connection: duckdb.DuckDBPyConnection) -> set[tuple[object, ...]]:
    found = connection.sql(
        "select site_id, kind, started_at, ended_at, round(duration_minutes, 4), extreme_glucose_mg_dl,"
        " reading_count from gold.fct_glucose_events where site_id like 'subject%'"
    ).fetchall()
    assert len(set(found)) == len(found)
    return set(found)


def events_of_the_oracle(test_data: Path) -> set[tuple[object, ...]]:
    return {
        (
            row["id"].lower().replace(" ", "_"),
            KINDS[row["type"], row["level"]],
            instant(row["start"]),
            instant(row["end"]),
            float(row["minutes"]),
            float(row["nadir_or_peak"]),
            int(row["n"]),
        )
        for row in oracle(test_data, "episodes_nointerp")
    }
