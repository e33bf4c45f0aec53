"""The Iceberg side of the contracts: pinned, so that no change of a table goes unnoticed."""

from datetime import UTC, date, datetime
from pathlib import Path

import pandera.polars as pa
import polars as pl
import pyarrow
import pytest
from pyiceberg.catalog.sql import SqlCatalog

from include.errors import ContractError
from include.schemas import (
    COLLECTION_TABLE,
    RAW_TABLES,
    RawTable,
    arrow_schema,
    iceberg_schema,
    partition_spec,
)

AT = "timestamptz"
DOCUMENT_FIELDS = [
    ("payload", "string", True),
    ("content_hash", "string", True),
    ("first_seen_at", AT, True),
    ("ingested_at", AT, True),
    ("run_id", "string", True),
    ("deleted_at", AT, False),
]
FIELDS = {
    "glucose_entries": [
        ("site_id", "string", True),
        ("_id", "string", True),
        ("type", "string", False),
        ("sgv", "double", False),
        ("mbg", "double", False),
        ("date", "double", False),
        ("date_string", "string", False),
        ("reading_at", AT, True),
        ("direction", "string", False),
        ("trend", "int", False),
        ("device", "string", False),
        ("noise", "int", False),
        ("rssi", "int", False),
        ("utc_offset", "int", False),
        *DOCUMENT_FIELDS,
    ],
    "treatments": [
        ("site_id", "string", True),
        ("_id", "string", True),
        ("event_type", "string", False),
        ("created_at", "string", False),
        ("treated_at", AT, True),
        *((name, "double", False) for name in ("insulin", "carbs", "glucose")),
        ("units", "string", False),
        *((name, "double", False) for name in ("duration_minutes", "absolute", "rate", "percent")),
        ("basal_schedule", "string", False),
        ("entered_by", "string", False),
        *DOCUMENT_FIELDS,
    ],
    "profiles": [
        ("site_id", "string", True),
        ("_id", "string", True),
        ("start_date", "string", False),
        ("valid_from_at", AT, True),
        *((name, "string", False) for name in ("default_profile", "profile_name", "units", "zone")),
        ("basal_schedule", "string", True),
        ("entered_by", "string", False),
        *DOCUMENT_FIELDS,
    ],
    "device_status": [
        ("site_id", "string", True),
        ("_id", "string", True),
        ("created_at", "string", False),
        ("reported_at", AT, True),
        *((name, "string", False) for name in ("device", "loop_state", "failure_reason")),
        *((name, "double", False) for name in ("iob_units", "cob_grams")),
        *((f"{name}_battery_pct", "double", False) for name in ("pump", "uploader")),
        ("reservoir_units", "double", False),
        *DOCUMENT_FIELDS,
    ],
    "quarantine": [
        *((name, "string", True) for name in ("site_id", "collection", "payload_hash")),
        ("document_id", "string", False),
        *((name, "string", True) for name in ("document", "reasons")),
        *((name, AT, True) for name in ("window_start", "window_end")),
        *((name, "string", True) for name in ("read_id", "run_id")),
        ("first_seen_at", AT, True),
        ("resolved_at", AT, False),
        ("document_at", AT, False),
    ],
    "ingest_outcomes": [
        *((name, "string", True) for name in ("read_id", "site_id", "collection", "kind", "origin")),
        *((name, AT, True) for name in ("window_start", "window_end")),
        ("request", "string", False),
        ("run_id", "string", True),
        ("lease_number", "long", True),
        ("fetched_at", AT, True),
        ("checksum", "string", False),
        *(
            (f"{name}_count", "long", False)
            for name in [
                "document",
                "accepted",
                "quarantined",
                "inserted",
                "updated",
                "unchanged",
                "revived",
                "retired",
                "retired_live",
                "superseded",
                "tombstoned",
                "kept_missing",
            ]
        ),
        ("live_before", "long", False),
        ("live_after", "long", False),
        ("first_instant", AT, False),
        ("last_instant", AT, False),
        ("warnings", "string", False),
        ("reasons", "string", False),
        ("status", "string", True),
        ("message", "string", False),
    ],
    "sites": [
        ("site_id", "string", True),
        ("zone", "string", True),
        ("valid_from", "date", True),
        ("valid_from_at", AT, True),
        ("valid_to_at", AT, False),
        ("target_set", "string", True),
        ("is_demo", "boolean", True),
        ("origin", "string", True),
        ("display_units", "string", False),
    ],
}
PARTITIONS = {
    "glucose_entries": [("site_id", "identity"), ("reading_at", "month")],
    "treatments": [("site_id", "identity"), ("treated_at", "month")],
    "profiles": [("site_id", "identity"), ("valid_from_at", "month")],
    "device_status": [("site_id", "identity"), ("reported_at", "month")],
    "quarantine": [("first_seen_at", "month")],
    "ingest_outcomes": [("fetched_at", "month")],
    "sites": [],
}


def test_every_table_of_raw_is_pinned() -> None:
    assert set(RAW_TABLES) == set(FIELDS) == set(PARTITIONS)
    assert COLLECTION_TABLE == {
        "entries": "glucose_entries",
        "treatments": "treatments",
        "profile": "profiles",
        "devicestatus": "device_status",
    }


@pytest.mark.parametrize("name", FIELDS)
def test_iceberg_schema(name: str) -> None:
    schema = iceberg_schema(RAW_TABLES[name])
    assert [(field.name, str(field.field_type), field.required) for field in schema.fields] == FIELDS[name]
    assert [field.field_id for field in schema.fields] == list(range(1, len(FIELDS[name]) + 1))
    assert all(field.doc for field in schema.fields)
    assert schema.identifier_field_names() == set(RAW_TABLES[name].key)


@pytest.mark.parametrize("name", PARTITIONS)
def test_partition_spec(name: str) -> None:
    table = RAW_TABLES[name]
    schema = iceberg_schema(table)
    spec = partition_spec(table)
    assert [(schema.find_column_name(f.source_id), str(f.transform)) for f in spec.fields] == PARTITIONS[name]
    months = [column for column, transform in PARTITIONS[name] if transform == "month"]
    assert table.instant == (months[0] if months else None)


@pytest.mark.parametrize("name", FIELDS)
def test_names_of_keys_and_bookkeeping_exist(name: str) -> None:
    table = RAW_TABLES[name]
    assert {*table.key, *table.bookkeeping} <= set(table.schema.columns)
    assert not set(table.key) & set(table.bookkeeping)


def test_an_unknown_type_is_refused() -> None:
    schema = pa.DataFrameSchema({"glucose": pa.Column(pl.Decimal(10, 2), description="as text")})
    with pytest.raises(ContractError, match=r"raw\.odd\.glucose.*Decimal"):
        iceberg_schema(RawTable("odd", schema, ("glucose",), None, ()))


def test_naive_instants_are_refused() -> None:
    schema = pa.DataFrameSchema({"at": pa.Column(pl.Datetime("us"), description="no zone")})
    with pytest.raises(ContractError, match=r"raw\.odd\.at"):
        iceberg_schema(RawTable("odd", schema, ("at",), None, ()))


def test_a_polars_frame_can_be_written_and_read_back(tmp_path: Path) -> None:
    table = RAW_TABLES["sites"]
    catalog = SqlCatalog(
        "lake", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}/warehouse"
    )
    try:
        catalog.create_namespace("raw")
        created = catalog.create_table(
            "raw.sites", iceberg_schema(table), partition_spec=partition_spec(table)
        )
        row = {
            "site_id": "home",
            "zone": "Europe/Berlin",
            "valid_from": date(1, 1, 1),
            "valid_from_at": datetime(1, 1, 1, tzinfo=UTC),
            "valid_to_at": None,
            "target_set": "standard",
            "is_demo": False,
            "origin": "https://ns.example",
            "display_units": "mg/dL",
        }
        frame = table.schema.validate(
            pl.DataFrame([row], schema={k: c.dtype.type for k, c in table.schema.columns.items()})
        )
        schema = arrow_schema(table)
        created.append(frame.to_arrow().select(schema.names).cast(schema))
        assert created.scan().to_arrow().to_pylist() == [row]
        assert created.schema() == iceberg_schema(table)
    finally:
        catalog.engine.dispose()


def test_a_null_in_a_required_column_cannot_be_cast() -> None:
    schema = arrow_schema(RAW_TABLES["sites"])
    frame = pyarrow.table({name: pyarrow.nulls(1, schema.field(name).type) for name in schema.names})
    with pytest.raises((ValueError, pyarrow.ArrowInvalid)):
        frame.cast(schema)
