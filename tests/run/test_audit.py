"""The audit of a branch looks at pieces of its tables, and judges them as a whole."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from include.errors import AuditError
from include.lakehouse import Branch, open_lakehouse
from include.lakehouse.extensions import engine_configuration
from include.run import audit
from include.run.audit import audit_branch
from include.schemas import AUDITED_MODELS
from include.settings import Settings
from tests.schemas.test_audit import SOUND, framed

Row = dict[str, Any]
ROWS_AT_ONCE = 5
SCHEMAS = dict.fromkeys(AUDITED_MODELS, "gold") | {"int_local_days": "silver"}
OF_SMALL_FRAMES = (
    "fct_daily_glucose_metrics: time below range pct above 30 in 2 rows, for example home 2024-10-15",
    "mrt_glucose_overview: time below range pct above 30 in 3 rows, for example home 2024-10-15",
)
"""A third of the readings is low, two of them in each piece."""

DAYS = """
create schema silver;
create table silver.int_local_days as
select 'home' as site_id, cast(days.day as date) as reading_date
from range(date '2024-10-01', date '2024-11-30', interval 1 day) as days (day)
where days.day <> date '2024-10-23'
"""
"""All but one: whoever moves east over the date line leaves out a day."""

Built = Callable[..., Branch]


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Built:
    """Makes a branch with sound tables but those that are given."""
    monkeypatch.setattr(audit, "ROWS_AT_ONCE", ROWS_AT_ONCE)
    settings = Settings(_env_file=None, lakehouse_home=tmp_path / "home")

    def build(**models: list[Row]) -> Branch:
        branch = open_lakehouse(settings).open_branch("branch", None)
        branch.refresh_views()
        environment = branch.dbt_environment()
        configuration = engine_configuration(Path(environment["LAKEHOUSE_DUCKDB_EXTENSIONS"]))
        file = branch.dbt_folder() / environment["LAKEHOUSE_DUCKDB_PATH"]
        with duckdb.connect(file, config=configuration) as connection:
            connection.execute("set TimeZone = 'UTC'")
            connection.execute("create schema gold")
            connection.execute(DAYS)
            for name, sound in SOUND.items():
                connection.register("frame", framed(name, models.get(name, sound())).to_arrow())
                connection.execute(f"create table gold.{name} as from frame")
        return branch

    return build


def test_a_warning_is_told_once_whatever_number_of_pieces_it_is_seen_in(built: Built) -> None:
    assert audit_branch(built(), [], SCHEMAS).warnings == list(OF_SMALL_FRAMES)


def test_what_is_wrong_is_told_by_check_and_forbids_to_promote(built: Built) -> None:
    """A value out of range, a column that is missing, and what the ledger says."""
    rows = SOUND["fct_glucose_readings"]()
    rows[0]["glucose_mg_dl"] = 601.0
    branch = built(fct_glucose_readings=rows)
    with duckdb.connect(branch.dbt_folder() / "lake.duckdb") as connection:
        connection.execute("alter table gold.mrt_glucose_overview drop column day_status")
        connection.execute("create table gold.by_hand as select 1 as one")
    audit = audit_branch(branch, ["one document is lost"], SCHEMAS)
    found = {result.check.name: (result.outcome, result.about) for result in audit.results()}
    assert found["ledger"] == ("failed", "one document is lost")
    assert found["own_tables"] == ("failed", "gold.by_hand")
    assert "glucose mg dl outside 20 to 600 in 1 row" in found["contracts"][1]
    assert "day_status" in found["contracts"][1]
    assert found["contract_warnings"][0] == "failed"
    with pytest.raises(AuditError, match="branch branch was not promoted") as caught:
        audit.demand_soundness()
    for said in ("ledger: one document is lost", "table gold.by_hand is not one of ours", "day_status"):
        assert said in str(caught.value)


def test_a_sound_branch_passes(built: Built) -> None:
    audit = audit_branch(built(), [], SCHEMAS)
    audit.demand_soundness()
    outcomes = {result.check.name: (result.outcome, result.measured) for result in audit.results()}
    assert outcomes == {
        "ledger": ("passed", 0),
        "own_tables": ("passed", 0),
        "contracts": ("passed", 0),
        "contract_warnings": ("failed", len(OF_SMALL_FRAMES)),
    }


def test_a_day_without_an_hour_is_not_missing(built: Built) -> None:
    first = SOUND["mrt_glucose_overview"]()[0]
    days = [first["reading_date"] + timedelta(days=number) for number in range(12) if number != 8]
    rows = [first | {"reading_date": day, "day_name": f"{day:%A}"} for day in days]
    assert f"{days[0]} {days[8]}" == "2024-10-15 2024-10-24"
    audit_branch(built(mrt_glucose_overview=rows), [], SCHEMAS).demand_soundness()


@pytest.mark.parametrize("missing", [number for number in range(1, 11) if number != 8])
def test_a_missing_day_is_found_between_pieces_too(built: Built, missing: int) -> None:
    first = SOUND["mrt_glucose_overview"]()[0]
    days = [first["reading_date"] + timedelta(days=number) for number in range(12) if number != missing]
    rows = [first | {"reading_date": day, "day_name": f"{day:%A}"} for day in days]
    with pytest.raises(AuditError, match="day missing in 1 row, for example home"):
        audit_branch(built(mrt_glucose_overview=rows), [], SCHEMAS).demand_soundness()


@pytest.mark.parametrize(
    ("name", "left_out", "says"),
    [
        ("mrt_glucose_nights", 1, "mrt_glucose_nights: night missing in 1 row, for example home"),
        ("mrt_glucose_periods", 3, "mrt_glucose_periods: period missing in 1 row, for example home"),
    ],
)
def test_a_missing_night_or_period_is_found(built: Built, name: str, left_out: int, says: str) -> None:
    rows = SOUND[name]()
    del rows[left_out]
    with pytest.raises(AuditError, match=says):
        audit_branch(built(**{name: rows}), [], SCHEMAS).demand_soundness()
