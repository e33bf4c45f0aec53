"""What every run does anew, done once for all of them by a program that forks for every run."""

import gc
import shutil
from importlib import import_module
from pathlib import Path

from include.run.transform import ensure_manifest
from include.settings import Settings

IMPORTED_LATE = (
    "daff",
    "dbt.adapters.duckdb",
    "dbt.cli.main",
    "dbt.task.build",
    "dlt.common.libs.pyarrow",
    "dlt.common.normalizers.naming.direct",
    "dlt.destinations.impl.destination.destination",
    "dlt.sources.helpers.requests",
    "include.cli.branch",
    "include.cli.lake",
    "include.cli.quarantine",
    "include.cli.report",
    "include.cli.run",
    "include.cli.site",
    "include.cli.stack",
    "include.lakehouse.dbt_connection",
    "include.lakehouse.embedded",
    "include.lakehouse.postgres_copy",
    "pandera.backends.polars.container",
    "pandera.strategies.base_strategies",
    "pyarrow.acero",
    "pyiceberg_core.transform",
    "sqlalchemy.dialects.sqlite",
    "sqlparse",
)


def import_late_ones() -> None:
    """Import them all, and spare the children's garbage collector from looking at them."""
    for name in IMPORTED_LATE:
        import_module(name)
    gc.freeze()


def make_manifest(settings: Settings, parsed: Path) -> None:
    """dbt's manifest for one more home; what dbt made when it parsed the project first lies in `parsed`."""
    if parsed.exists():
        shutil.copytree(parsed, settings.dbt_path, dirs_exist_ok=True)
    ensure_manifest(settings)
    if not parsed.exists():
        shutil.copytree(settings.dbt_path, parsed)
