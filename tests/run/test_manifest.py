"""A run builds what its tasks were drawn from: models that changed since are told, not half used."""

from pathlib import Path

import pytest

from include.errors import SettingsError
from include.run import transform
from include.run.pipeline import Pipeline
from include.run.transform import check_manifest
from include.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A project of one model, whose manifest was made."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "mrt_one.sql").write_text("select 1 as x")
    monkeypatch.setattr(transform, "DBT_PROJECT", project)
    monkeypatch.setattr(
        transform, "run_dbt", lambda *_, **__: transform.manifest_path(settings).write_text("{}")
    )
    settings = Settings(_env_file=None, lakehouse_home=tmp_path / "home")
    transform.ensure_manifest(settings)
    return settings


def test_a_manifest_of_the_models_as_they_are_is_used(settings: Settings) -> None:
    check_manifest(settings)


@pytest.mark.parametrize("change", ["edited", "added", "removed"])
def test_a_run_does_not_start_on_models_that_changed(settings: Settings, change: str) -> None:
    model = transform.DBT_PROJECT / "mrt_one.sql"
    if change == "removed":
        model.unlink()
    else:
        (model if change == "edited" else model.with_name("mrt_two.sql")).write_text("select 2 as x")
    with pytest.raises(SettingsError, match=r"dbt's models changed .*`make shell`.*`make up`"):
        Pipeline(settings).open_branch({}, {})
    assert not (settings.lakehouse_home / "lake").exists()
    transform.ensure_manifest(settings)
    check_manifest(settings)


def test_the_manifest_of_the_other_profile_is_made_anew(settings: Settings) -> None:
    """A model that is a table on one may be a part of another's statement on the other."""
    other = settings.model_copy(update={"lakehouse_profile": "trino"})
    with pytest.raises(SettingsError, match=r"dbt's models changed"):
        check_manifest(other)
    transform.ensure_manifest(other)
    check_manifest(other)
    with pytest.raises(SettingsError, match=r"dbt's models changed"):
        check_manifest(settings)


def test_without_a_manifest_a_run_says_the_same(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="`make shell`"):
        check_manifest(Settings(_env_file=None, lakehouse_home=tmp_path / "home"))
