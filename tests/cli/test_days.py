"""Which days `lakehouse run` loads when nobody says."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from include.cli.run import days_between, latest_today
from include.errors import InputError
from include.settings import Settings

MORNING_IN_AUCKLAND = datetime(2024, 10, 14, 20, 30, tzinfo=UTC)  # 09:30 of the 15th there
EVENING_IN_HONOLULU = datetime(2024, 10, 15, 3, 0, tzinfo=UTC)  # 17:00 of the 14th there


def settings_of(folder: Path, **values: str) -> Settings:
    return Settings(_env_file=None, sites_file=folder / "sites.yaml", **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("zone", "now", "today"),
    [
        ("Pacific/Auckland", MORNING_IN_AUCKLAND, date(2024, 10, 15)),
        ("Pacific/Honolulu", EVENING_IN_HONOLULU, date(2024, 10, 14)),
        ("Etc/UTC", MORNING_IN_AUCKLAND, date(2024, 10, 14)),
    ],
)
def test_today_is_that_of_the_site(tmp_path: Path, zone: str, now: datetime, today: date) -> None:
    settings = settings_of(tmp_path, nightscout_url="https://x.example", nightscout_time_zone=zone)
    assert latest_today(settings, now) == today


def test_today_is_the_latest_of_several_sites(tmp_path: Path) -> None:
    sites = ["- {id: a, connection: a, zone: Pacific/Honolulu}", "- {id: b, connection: b, zone: Asia/Tokyo}"]
    (tmp_path / "sites.yaml").write_text("\n".join(sites))
    assert latest_today(settings_of(tmp_path), MORNING_IN_AUCKLAND) == date(2024, 10, 15)


def test_the_last_90_days_end_today() -> None:
    today = date(2024, 10, 15)
    assert days_between(None, None, today) == (date(2024, 7, 18), today)
    assert days_between("2024-10-15", None, today) == (today, today)
    with pytest.raises(InputError, match="2024-10-16 lies in the future"):
        days_between("2024-10-16", None, today)
