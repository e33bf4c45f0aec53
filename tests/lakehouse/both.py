"""The same tests on both implementations, each with an empty lake."""

import pytest
import requests

from include.lakehouse.nessie.api import BRANCH, Nessie
from include.lakehouse.nessie.stage_files import StageFiles
from include.serving.postgres import ensure
from include.settings import Settings
from include.stack.connection import lake_connection

EMBEDDED, NESSIE = "embedded", "nessie"

on_both = pytest.mark.parametrize(
    "lakehouse", [EMBEDDED, pytest.param(NESSIE, marks=pytest.mark.stack)], indirect=True
)
on_nessie = pytest.mark.parametrize(
    "lakehouse", [pytest.param(NESSIE, marks=pytest.mark.stack)], indirect=True
)


def nessie_of(settings: Settings) -> Nessie:
    return Nessie(lake_connection(settings).nessie_uri)


def empty(settings: Settings) -> None:
    """Forget what earlier tests left on the stack: branches, tags, main, staged reads, what is published."""
    lake = lake_connection(settings)
    files = StageFiles(lake)
    if files.exists(lake.stage):
        files.rm(lake.stage, recursive=True)
    with ensure(settings).transaction() as connection:
        for schema in ("marts", "ops"):
            connection.execute(f"drop schema if exists {schema} cascade")
    nessie = nessie_of(settings)
    for ref in nessie.references():
        if ref.name != "main":
            nessie.delete(ref)
        else:
            nothing = requests.get(f"{nessie.uri}/api/v2/config", timeout=30).json()["noAncestorHash"]
            assert ref.kind == BRANCH
            nessie.assign("main", ref.hash, nothing)
