"""What the tests of the Airflow side share."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.orchestration.airflow_home import airflow_database, dag_bag, lakehouse_home, manifest

__all__ = ["airflow_database", "dag_bag", "lakehouse_home", "manifest"]


@pytest.fixture(scope="session")
def home_of_few_models(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose manifest has the models `stg_sites` and `dim_sites` with their tests.

    One for all tests that run a Dag in this process: Airflow keeps every version of a Dag that it is shown,
    and wants a run to have one.
    """
    home = tmp_path_factory.mktemp("home")
    whole = json.loads(manifest.read_bytes())
    models = {name for name, node in whole["nodes"].items() if node["name"] in ("stg_sites", "dim_sites")}

    def kept(name: str, node: dict[str, Any]) -> bool:
        read = {parent for parent in node["depends_on"].get("nodes", []) if parent.startswith("model.")}
        return name in models or (node["resource_type"] == "test" and bool(read) and read <= models)

    whole["nodes"] = {name: node for name, node in whole["nodes"].items() if kept(name, node)}
    (home / "dbt").mkdir()
    (home / "dbt" / "manifest.json").write_text(json.dumps(whole))
    return home


@pytest.fixture(scope="module")
def few_models(home_of_few_models: Path, airflow_database: None) -> Iterator[Path]:
    """The folder of that manifest, while LAKEHOUSE_HOME names its home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAKEHOUSE_HOME", str(home_of_few_models))
        yield home_of_few_models / "dbt"
