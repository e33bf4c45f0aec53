"""DuckDB's extensions, taken from their Python packages: nothing is downloaded or installed."""

import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from threading import get_ident

import duckdb

from include.errors import ServiceError

_EXTENSIONS = ("avro", "httpfs", "iceberg", "postgres_scanner")


def extension_directory(home: Path) -> Path:
    """A folder below `home` in which DuckDB finds its extensions; may be made by many processes at once.

    A link is made only for a file that DuckDB's makers signed; connections then load it unchecked, which
    saves each of them a quarter of a CPU second.
    Raises ServiceError when an extension's package is not installed or does not hold the signed file.
    """
    root = home / "extensions"
    folder = root / f"v{duckdb.__version__}" / _platform()
    folder.mkdir(parents=True, exist_ok=True)
    links = {folder / f"{name}.duckdb_extension": _packaged(name) for name in _EXTENSIONS}
    missing = {link: target for link, target in links.items() if not _is_linked(link, target)}
    if missing:
        _check_signatures(tuple(links.values()))
        for link, target in missing.items():
            _link(link, target)
    return root


def engine_configuration(directory: Path) -> dict[str, str | bool | int | float | list[str]]:
    """Configuration of every DuckDB connection of the project."""
    return {
        "extension_directory": str(directory),
        "allow_unsigned_extensions": "true",
        "autoinstall_known_extensions": "false",
    }


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


@cache
def _check_signatures(files: tuple[Path, ...]) -> None:
    with duckdb.connect() as database:  # which by default loads nothing that is not signed
        for file in files:
            try:
                database.load_extension(str(file))
            except duckdb.Error as error:
                raise ServiceError(f"DuckDB refuses {file}: run `make` again ({error})") from error


def _is_linked(link: Path, target: Path) -> bool:
    return link.is_symlink() and link.readlink() == target


def _link(link: Path, target: Path) -> None:
    draft = link.with_name(f".{link.name}.{os.getpid()}-{get_ident()}")
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    draft.replace(link)
