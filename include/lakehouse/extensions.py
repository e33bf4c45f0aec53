"""DuckDB's extensions, taken from their Python packages: nothing is downloaded or installed."""

import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import duckdb

from include.errors import ServiceError

_EXTENSIONS = ("avro", "iceberg", "postgres_scanner")


def extension_directory(home: Path) -> Path:
    """A folder below `home` in which DuckDB finds its extensions; may be made by many processes at once.

    Raises ServiceError when an extension's package is not installed.
    """
    root = home / "extensions"
    folder = root / f"v{duckdb.__version__}" / _platform()
    folder.mkdir(parents=True, exist_ok=True)
    for name in _EXTENSIONS:
        _link(folder / f"{name}.duckdb_extension", _packaged(name))
    return root


def engine_configuration(directory: Path) -> dict[str, str | bool | int | float | list[str]]:
    """Configuration of every DuckDB connection of the project."""
    return {"extension_directory": str(directory), "autoinstall_known_extensions": "false"}


@cache
def _platform() -> str:
    with duckdb.connect() as database:
        ((platform,),) = database.execute("select platform from pragma_platform()").fetchall()
    return str(platform)


def _packaged(name: str) -> Path:
    spec = find_spec(f"duckdb_extension_{name}")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for path in Path(folder).glob(f"extensions/*/{name}.duckdb_extension"):
            return path
    raise ServiceError(
        f"DuckDB's extension {name} is not installed: run `make` again, or install "
        f"duckdb-extension-{name.replace('_', '-')}=={duckdb.__version__}"
    )


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() and link.readlink() == target:
        return
    draft = link.with_name(f".{link.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    draft.replace(link)
