"""dbt in this process: its manifest, and a build on a branch."""

import gc
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

from include.disk import full_disk, says_full, usable_disk
from include.errors import SettingsError, TransformError
from include.settings import PROJECT, Settings

DBT_PROJECT = PROJECT / "include" / "dbt"
RESULTS = "run_results.json"
_PARSED = "partial_parse.msgpack"


def dbt_paths(settings: Settings) -> dict[str, str]:
    """Environment of every dbt call: what dbt writes belongs to the lakehouse's home, not to the project."""
    return {
        "DBT_PROJECT_DIR": str(DBT_PROJECT),
        "DBT_PROFILES_DIR": str(DBT_PROJECT),
        "DBT_TARGET": settings.lakehouse_profile,
        "DBT_TARGET_PATH": str(settings.dbt_path),
        "DBT_LOG_PATH": str(settings.dbt_path / "logs"),
        "DBT_LOG_LEVEL_FILE": "none",  # what matters is in the log of the task; dbt never closes its own
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
    }


def run_dbt(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    folder: Path = DBT_PROJECT,
    *,
    results: Path | None = None,
) -> None:
    """Run one dbt command in this process, in `folder`; write into `results` what became of each node.

    Raises TransformError naming what failed and the file with all that dbt said, ServiceError when the disk
    is full.
    """
    # Seconds of imports that most commands never need, nor whoever parses the Dag.
    from dbt.cli.main import dbtRunner

    from include.lakehouse.dbt_connection import close_dbt_connection

    gc.freeze()  # dbt's modules stay; searching them for garbage would cost a fifth of a build
    said: list[str] = []

    def listen(event: Any) -> None:
        if event.info.level != "debug":
            said.append(event.info.msg)

    with _environment(environment), chdir(folder):
        try:
            outcome = dbtRunner(callbacks=[listen]).invoke(list(arguments))
        finally:
            close_dbt_connection()
    if results is not None and outcome.result is not None:
        draft = results.with_suffix(".draft")
        with usable_disk(results.parent):
            outcome.result.write(str(draft))  # type: ignore[union-attr]
            draft.replace(results)
    if outcome.success:
        return
    reason = _reason(outcome)
    if says_full(reason):
        its_own = isinstance(outcome.exception, OSError)  # a manifest, say; else it is the engine's file
        raise full_disk(Path(environment["DBT_TARGET_PATH"]) if its_own else folder)
    log = Path(environment["DBT_LOG_PATH"], "dbt.log")
    with usable_disk(log.parent):
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("\n".join(said))
    raise TransformError(f"dbt {arguments[0]}: {reason}. What dbt said is in {log}")


def _reason(outcome: Any) -> str:
    """Why a command failed, in one line. Only commands that run something have results by node."""
    results = getattr(outcome.result, "results", [])
    failed = [
        f"{result.node.name}: {result.message}"
        for result in results
        if result.status in ("error", "fail", "runtime error")
    ]
    reason = str(outcome.exception or "") or "; ".join(failed) or "it failed and gave no reason"
    return " ".join(reason.split()).removesuffix(".")


def manifest_path(settings: Settings) -> Path:
    """Where dbt's manifest lies; tasks and published tables are read from it."""
    return settings.dbt_path / "manifest.json"


def target_of(command: str, settings: Settings) -> dict[str, str]:
    """The environment for a dbt command that is to write into a folder of its own: see `prepare_target`."""
    return dbt_paths(settings) | {"DBT_TARGET_PATH": str(settings.dbt_path / command)}


def prepare_target(target: Path) -> None:
    """Make the folder for what one dbt command writes; results of an earlier one are removed.

    It lies in the folder of the manifest that Dags are drawn from, and is not that folder: dbt writes its
    manifest anew, in place, so that half of it is read by whoever parses the Dag at that moment, or, once dbt
    was killed, by everybody. What dbt knows from parsing comes along. Raises ServiceError: a full disk.
    """
    with usable_disk(target):
        target.mkdir(parents=True, exist_ok=True)
        (target / RESULTS).unlink(missing_ok=True)
        known, mine = target.parent / _PARSED, target / _PARSED
        if known.exists() and not (mine.exists() and mine.stat().st_mtime >= known.stat().st_mtime):
            shutil.copy2(known, mine)


def model_schemas(settings: Settings) -> dict[str, str]:
    """The schema of every table and view that dbt builds, by its name."""
    nodes = json.loads(manifest_path(settings).read_bytes())["nodes"].values()
    return {
        node["alias"]: node["schema"]
        for node in nodes
        if node["resource_type"] == "model" and node["config"]["materialized"] != "ephemeral"
    }


def ensure_manifest(settings: Settings) -> Path:
    """Parse the dbt project when its manifest is missing, older than its files, or of the other profile.

    dbt says nothing on the terminal. Raises TransformError, naming the log, and ServiceError.
    """
    path, stamp = manifest_path(settings), _stamp_path(settings)
    with usable_disk(settings.dbt_path):
        if not manifest_is_fresh(settings):
            settings.dbt_path.mkdir(parents=True, exist_ok=True)
            stamp.unlink(missing_ok=True)
            fingerprint = _fingerprint(settings)
            run_dbt(["parse", "--quiet", "--log-level", "none"], dbt_paths(settings))
            stamp.write_text(fingerprint)
    return path


def manifest_is_fresh(settings: Settings) -> bool:
    """Whether the manifest was made from the dbt files as they are now, for this profile."""
    stamp = _stamp_path(settings)
    made = manifest_path(settings).exists() and stamp.exists()
    return made and stamp.read_text() == _fingerprint(settings)


def check_manifest(settings: Settings) -> None:
    """Raise SettingsError when dbt's models are not those that tasks and published tables were read from.

    It is not made anew here: the tasks of the run that asks are drawn already.
    """
    if not manifest_is_fresh(settings):
        raise SettingsError(
            "dbt's models changed since the tasks of this run were drawn from them: leave `make shell` and "
            "enter it again, or stop `make up` and start it again, then start the run anew."
        )


def _stamp_path(settings: Settings) -> Path:
    return settings.dbt_path / "manifest.sha256"


def _fingerprint(settings: Settings) -> str:
    digest = hashlib.sha256(settings.lakehouse_profile.encode() + b"\0")
    for path in sorted(DBT_PROJECT.rglob("*")):
        if path.suffix in {".sql", ".yml", ".yaml", ".md"} and path.is_file():
            digest.update(str(path.relative_to(DBT_PROJECT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
