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
SCHEMAS = dict.fromkeys(AUDITED_MODELS, "gold")
OF_SMALL_FRAMES = (
    "fct_glucose_readings: share of lows above 30 pct in 1 row, for example home",
    "fct_daily_glucose_metrics: time below range pct above 30 in 2 rows, for example home 2024-10-15",
    "mrt_glucose_overview: time below range pct above 30 in 3 rows, for example home 2024-10-15",
)
"""A third of the readings is low, two of them in each piece."""

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
            for name, sound in SOUND.items():
                connection.register("frame", framed(name, models.get(name, sound())).to_arrow())
                connection.execute(f"create table gold.{name} as from frame")
        return branch

    return build


def test_a_warning_is_told_once_whatever_number_of_pieces_it_is_seen_in(built: Built) -> None:
    assert audit_branch(built(), [], SCHEMAS).warnings == OF_SMALL_FRAMES


def test_the_mean_of_a_site_is_that_of_all_its_readings(built: Built) -> None:
    """Pieces of lows and of highs, together as they should be; and a site that is not."""
    readings = SOUND["fct_glucose_readings"]()
    other = [row | {"site_id": "clinic", "glucose_mg_dl": 300.0} for row in readings]
    for row in other:
        row |= {"glucose_category": "hyperglycemia_severe", "is_in_range": 0}
        row |= {
            "glucose_change_mg_dl": None,
            "rate_mg_dl_per_minute": None,
            "minutes_since_last_reading": None,
        }
    warnings = audit_branch(built(fct_glucose_readings=[*readings, *other]), [], SCHEMAS).warnings
    assert set(warnings) == {
        *OF_SMALL_FRAMES,
        "fct_glucose_readings: mean outside 80 to 250 in 1 row, for example clinic",
    }


@pytest.mark.parametrize("missing", range(1, 11))
def test_a_missing_day_is_found_between_pieces_too(built: Built, missing: int) -> None:
    first = SOUND["mrt_glucose_overview"]()[0]
    days = [first["reading_date"] + timedelta(days=number) for number in range(12) if number != missing]
    rows = [first | {"reading_date": day, "day_name": f"{day:%A}"} for day in days]
    with pytest.raises(AuditError, match="day missing in 1 row, for example home"):
        audit_branch(built(mrt_glucose_overview=rows), [], SCHEMAS)
