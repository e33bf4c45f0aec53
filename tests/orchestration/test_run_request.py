"""What a run was asked for, however it was started; the contexts are those that Airflow gives."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from include.errors import InputError
from include.orchestration.run_request import run_request

FORM = {"start": None, "end": None, "promote": True, "max_quarantine_pct": None, "max_missing_pct": None}
NOW = datetime(2026, 11, 21, 3, 23, tzinfo=UTC)
DAY = datetime(2024, 10, 15, tzinfo=UTC)


def context(
    run_type: str = "manual",
    *,
    key: str | None = None,
    logical_date: datetime | None = None,
    form: dict[str, Any] | None = None,
) -> dict[str, Any]:
    run = SimpleNamespace(run_type=run_type, partition_key=key, logical_date=logical_date, run_after=NOW)
    return {"params": FORM | (form or {}), "dag_run": run}


def days(request: dict[str, Any]) -> tuple[str | None, str | None, str | None]:
    return request["first_day"], request["last_day"], request["key"]


def test_a_tick_of_the_scheduler_reads_its_partition_and_is_known_as_scheduled() -> None:
    request = run_request(context("scheduled", key="2024-10-15"))
    assert days(request) == (None, None, "2024-10-15")
    assert request["is_scheduled"] is True


@pytest.mark.parametrize(
    ("started_by", "given"),
    [
        ("airflow backfill create", context("backfill", key="2024-10-15")),
        ("the UI or the API with a partition key", context(key="2024-10-15")),
        ("airflow dags test with a date, or the API with a logical date", context(logical_date=DAY)),
    ],
)
def test_the_same_day_however_it_is_started(started_by: str, given: dict[str, Any]) -> None:
    request = run_request(given)
    assert days(request) == (None, None, "2024-10-15"), started_by
    assert request["is_scheduled"] is False


def test_a_logical_date_is_read_in_utc() -> None:
    given = context(logical_date=datetime.fromisoformat("2024-10-16T01:00:00+02:00"))
    assert days(run_request(given)) == (None, None, "2024-10-15")


def test_a_run_without_any_date_reads_the_open_day() -> None:
    assert days(run_request(context())) == (None, None, None)


def test_a_range_of_the_form_goes_before_the_logical_date() -> None:
    given = context(logical_date=DAY, form={"start": "2024-01-01", "end": "2024-03-31"})
    assert days(run_request(given)) == ("2024-01-01", "2024-03-31", None)


def test_a_range_of_one_day_needs_no_end() -> None:
    assert days(run_request(context(form={"start": "2024-01-01"}))) == ("2024-01-01", "2024-01-01", None)


def test_limits_and_promote_are_handed_on() -> None:
    given = {"promote": False, "max_quarantine_pct": 50, "max_missing_pct": 0}
    request = run_request(context(form=given))
    assert {name: request[name] for name in given} == given


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (context("backfill", key="2024-10-15", form={"start": "2024-01-01"}), r"owns one day \(2024-10-15\)"),
        (context(key="2024-10-15", form={"end": "2024-01-01"}), "owns one day"),
        (context(form={"end": "2024-01-31"}), "no first day: fill in start"),
        (context(form={"start": "October"}), "start is not a date: 'October'. Write it like 2024-10-31"),
        (context(form={"start": "2024-02-30"}), "start is not a date"),
        (context(form={"start": "2024-01-01", "end": "20240131"}), "end is not a date: '20240131'"),
        (context(form={"start": "2024-01-01", "end": 20240131}), "end is not a date: 20240131"),
        (context(key="2024-1-5"), "partition key is not a date: '2024-1-5'"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_sentence(given: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        run_request(given)
