"""Documents to one Parquet file, by dlt. dlt is imported on first use: it costs up to three seconds."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.errors import StageError

if TYPE_CHECKING:
    import pyarrow

# dlt reads these at its import. Without the first it imports Airflow to look for secrets: five seconds.
DLT_ENVIRONMENT = {
    "PROVIDERS__ENABLE_AIRFLOW_SECRETS": "false",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RESTORE_FROM_DESTINATION": "false",
}
_RESOURCE = "documents"


def load_parquet(table: "pyarrow.Table", target: Path, pipelines_dir: Path) -> None:
    """Write `table` to `target`, which must not exist, as exactly one Parquet file.

    `pipelines_dir` must be fresh: dlt would finish what a killed load left there, and ignore this table.
    Raises the OSError of a volume that cannot be written, StageError when dlt gave anything but one file.
    """
    os.environ.update(DLT_ENVIRONMENT)
    import dlt
    from dlt.common.destination.exceptions import DestinationTerminalException

    failures: list[OSError] = []

    def keep(path: Any, _: Any) -> None:
        try:
            with Path(path).open("rb") as source, target.open("xb") as copy:
                shutil.copyfileobj(source, copy)
        except OSError as error:
            failures.append(error)
            raise DestinationTerminalException(str(error)) from error

    destination = dlt.destination(
        keep,
        name="stage",
        batch_size=0,
        loader_file_format="parquet",
        skip_dlt_columns_and_tables=True,
        naming_convention="direct",
    )()
    try:
        pipeline = dlt.pipeline(
            _RESOURCE, pipelines_dir=str(pipelines_dir), destination=destination, dataset_name="stage"
        )
        pipeline.run(
            dlt.resource([table], name=_RESOURCE), loader_file_format="parquet"
        ).raise_on_failed_jobs()
    except Exception as error:
        raise _reason(failures or _causes(error), error, target) from error
    if not target.exists():
        raise StageError(f"dlt wrote no file for {target.name}")


def _reason(failures: list[OSError], error: Exception, target: Path) -> OSError | StageError:
    """What is behind dlt's own exception: a volume that cannot be written, or something else."""
    for failure in failures:
        if isinstance(failure, FileExistsError):
            return StageError(f"{target.name} exists already, or dlt split it into several files")
        return failure
    return StageError(f"dlt could not write {target.name}: {type(error).__name__}: {error}")


def _causes(error: BaseException | None) -> list[OSError]:
    found: list[OSError] = []
    while error is not None:
        if isinstance(error, OSError):
            found.append(error)
        error = error.__cause__ or error.__context__
    return found
