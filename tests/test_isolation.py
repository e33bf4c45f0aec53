"""Tests, and the programs that they start, know nothing of what the user of this machine configured."""

import os
import subprocess
import sys
from pathlib import Path

from include.nightscout.sites import configured_sites
from include.settings import PROJECT, Settings

SHOW = "from include.settings import load_settings; print(load_settings().model_dump_json())"


def shown(**environment: str) -> str:
    """The settings of another process."""
    command = [sys.executable, "-c", SHOW]
    return subprocess.run(
        command, env=os.environ | environment, cwd=PROJECT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()


def test_settings_are_the_defaults() -> None:
    set_by_fixtures = {"lakehouse_home", "catchup_days"}  # of the tests that parse the Dag
    here = Settings()
    defaults = Settings.model_construct(sites_file=PROJECT / "tests" / "no-sites.yaml")
    assert here.model_dump(exclude=set_by_fixtures) == defaults.model_dump(exclude=set_by_fixtures)
    assert [site.site_id for site in configured_sites(here)] == ["demo"]
    assert shown() == here.model_dump_json()


def test_a_settings_file_is_read_where_the_environment_names_one(tmp_path: Path) -> None:
    (tmp_path / "settings").write_text("NIGHTSCOUT_URL=https://theirs.example\nLOOKBACK_DAYS=9\n")
    theirs = Settings.model_validate_json(shown(SETTINGS_FILE=str(tmp_path / "settings")))
    assert (theirs.nightscout_url, theirs.lookback_days) == ("https://theirs.example", 9)
