"""Contracts of raw, facts, daily metrics and marts. Iceberg schemas derive from them."""

from include.schemas.audit import AUDITED_MODELS, Finding, check_frame
from include.schemas.iceberg import RawTable, arrow_schema, iceberg_schema, partition_spec
from include.schemas.raw import (
    DEVICE_STATUS,
    GLUCOSE_ENTRIES,
    INGEST_OUTCOMES,
    PROFILES,
    QUARANTINE,
    SITES,
    TREATMENTS,
)
from include.schemas.whole_tables import TABLE_RULES

# `payload` is not compared: equal `content_hash` means the same document, however a cache dressed it up.
_DOCUMENT_BOOKKEEPING = ("payload", "first_seen_at", "ingested_at", "run_id")

RAW_TABLES: dict[str, RawTable] = {
    table.name: table
    for table in (
        RawTable("glucose_entries", GLUCOSE_ENTRIES, ("site_id", "_id"), "reading_at", _DOCUMENT_BOOKKEEPING),
        RawTable("treatments", TREATMENTS, ("site_id", "_id"), "treated_at", _DOCUMENT_BOOKKEEPING),
        RawTable("profiles", PROFILES, ("site_id", "_id"), "valid_from_at", _DOCUMENT_BOOKKEEPING),
        RawTable("device_status", DEVICE_STATUS, ("site_id", "_id"), "reported_at", _DOCUMENT_BOOKKEEPING),
        RawTable(
            "quarantine",
            QUARANTINE,
            ("site_id", "collection", "payload_hash"),
            "first_seen_at",
            ("document", "window_start", "window_end", "read_id", "run_id", "first_seen_at", "document_at"),
        ),
        RawTable("ingest_outcomes", INGEST_OUTCOMES, ("read_id",), "fetched_at", ()),
        RawTable("sites", SITES, ("site_id", "valid_from"), None, ()),
    )
}

COLLECTION_TABLE: dict[str, str] = {
    "entries": "glucose_entries",
    "treatments": "treatments",
    "profile": "profiles",
    "devicestatus": "device_status",
}

__all__ = [
    "AUDITED_MODELS",
    "COLLECTION_TABLE",
    "RAW_TABLES",
    "TABLE_RULES",
    "Finding",
    "RawTable",
    "arrow_schema",
    "check_frame",
    "iceberg_schema",
    "partition_spec",
]
