"""A lake that an older program wrote: its raw tables gain the columns that their contracts gained since."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from include.ingestion.site_rows import write_sites
from include.lakehouse import Branch, Lakehouse
from include.nightscout.sites import Credentials, Site
from include.nightscout.zones import ZoneValidity
from include.schemas import RAW_TABLES
from tests.lakehouse.both import on_both
from tests.lakehouse.raw_rows import FIRST_SEEN, Row, frame, merge

GAINED = {"sites": "display_units", "quarantine": "document_at"}


@contextmanager
def older(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The contracts as they were before a table of `GAINED` had its column."""
    with monkeypatch.context() as patch:
        for name, column in GAINED.items():
            contract = RAW_TABLES[name]
            patch.setitem(
                RAW_TABLES, name, replace(contract, schema=contract.schema.remove_columns([column]))
            )
        yield


def site(site_id: str) -> Row:
    return {
        "site_id": site_id,
        "zone": "Europe/Berlin",
        "valid_from": date.min,
        "valid_from_at": datetime.min.replace(tzinfo=UTC),
        "target_set": "standard",
        "is_demo": False,
        "origin": f"https://{site_id}.example",
    }


def refused(payload_hash: str, **more: Any) -> Row:
    names = ("site_id", "document", "reasons", "read_id", "run_id")
    instants = ("window_start", "window_end", "first_seen_at")
    return (
        dict.fromkeys(names, "home")
        | dict.fromkeys(instants, FIRST_SEEN)
        | {"collection": "entries", "payload_hash": payload_hash}
        | more
    )


def rows(branch: Branch, name: str, column: str) -> list[tuple[Any, ...]]:
    found = branch.query(f"select * from raw.{name}").to_pylist()  # noqa: S608
    return sorted(
        (row[RAW_TABLES[name].key[-1 if name == "quarantine" else 0]], row[column]) for row in found
    )


@on_both
def test_an_older_lake_goes_on(lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    with older(monkeypatch):
        first = lakehouse.open_branch("v1", None)
        merge(first.table("sites"), frame([site("gone"), site("home")], "sites"), name="sites")
        merge(first.table("quarantine"), frame([refused("old")], "quarantine"), name="quarantine")
        first.refresh_views()
        lakehouse.promote("v1", first.head())
    assert not set(GAINED.values()) & set(lakehouse.at("v1").table("sites").schema().column_names)

    second = lakehouse.open_branch("v2", "v1")
    home = Site(
        "home",
        "https://home.example",
        (ZoneValidity("Europe/Berlin"),),
        Credentials(),
        display_units="mmol/L",
    )
    assert write_sites(second.table("sites"), [home])
    assert not write_sites(second.table("sites"), [home])
    new = refused("new", document_at=FIRST_SEEN)
    merge(second.table("quarantine"), frame([new], "quarantine"), name="quarantine")
    second.refresh_views()
    assert rows(second, "sites", "display_units") == [("gone", None), ("home", "mmol/L")]
    assert rows(second, "quarantine", "document_at") == [("new", FIRST_SEEN), ("old", None)]
    lakehouse.promote("v2", second.head())
    assert len(lakehouse.at("v1").query("select zone from raw.sites")) == 2


@on_both
def test_tables_nobody_writes_gain_their_columns_before_models_read_them(
    lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    with older(monkeypatch):
        first = lakehouse.open_branch("v1", None)
        first.refresh_views()
        lakehouse.promote("v1", first.head())
    second = lakehouse.open_branch("v2", "v1")
    second.refresh_views()
    for name, column in GAINED.items():
        assert column in second.query(f"select * from raw.{name}").column_names  # noqa: S608
    head = second.head()
    second.refresh_views()
    assert second.head() == head


def test_a_required_column_is_not_made_up(lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    contract = RAW_TABLES["sites"]
    with monkeypatch.context() as patch:
        patch.setitem(RAW_TABLES, "sites", replace(contract, schema=contract.schema.remove_columns(["zone"])))
        lakehouse.open_branch("v1", None).table("sites")
    table = lakehouse.branch("v1").table("sites")
    assert "zone" not in table.schema().column_names
