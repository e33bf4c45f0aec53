"""Contracts of the tables `raw.*`: what is kept of every document ever received, and the ledger about it."""

import pandera.polars as pa
import polars as pl

from include.schemas.columns import INSTANT, column, table


def _identity() -> dict[str, pa.Column]:
    return {
        "site_id": column(pl.String, "Site the document came from.", required=True, partition="identity"),
        "_id": column(pl.String, "Id of the document at its site.", required=True),
    }


def _bookkeeping(payload: str = "The whole document as received") -> dict[str, pa.Column]:
    return {
        "payload": column(pl.String, f"{payload}, JSON text.", required=True),
        "content_hash": column(
            pl.String,
            "SHA-256 of the document with sorted keys, without fields that only a cache adds.",
            required=True,
        ),
        "first_seen_at": column(
            INSTANT, "When the first answer that held this _id was fetched.", required=True
        ),
        "ingested_at": column(INSTANT, "When the answer that held this version was fetched.", required=True),
        "run_id": column(pl.String, "Run that wrote this version.", required=True),
        "deleted_at": column(INSTANT, "When the document was found gone or marked invalid; null while live."),
    }


GLUCOSE_ENTRIES = table(
    "glucose_entries",
    "Entries of every type (sgv, mbg, cal and whatever a site holds), last version of each, one row an _id.",
    {
        **_identity(),
        "type": column(pl.String, "Type of entry: sgv, mbg, cal; other words and none occur."),
        "sgv": column(pl.Float64, "Sensor glucose; below 20 it is a sensor's error code.", unit="mg/dL"),
        "mbg": column(pl.Float64, "Glucose of a finger-stick meter.", unit="mg/dL"),
        "date": column(
            pl.Float64,
            "The document's `date` where that is a JSON number; null otherwise.",
            unit="ms since 1970",
        ),
        "date_string": column(pl.String, "The document's `dateString`, unchanged."),
        "reading_at": column(
            INSTANT,
            "Instant of the entry: from date, else dateString and others.",
            required=True,
            partition="month",
        ),
        "direction": column(pl.String, "Trend arrow in words, unchanged (Flat, NOT COMPUTABLE, ...)."),
        "trend": column(pl.Int32, "Trend arrow as a number: 1 DoubleUp to 7 DoubleDown, 4 Flat."),
        "device": column(pl.String, "Free text of the uploader; changes with each sensor for some."),
        "noise": column(pl.Int32, "Noise level: 0 none, 1 clean, 2 light, 3 medium, 4 heavy."),
        "rssi": column(pl.Int32, "Signal strength as sent by the uploader; its unit differs by uploader."),
        "utc_offset": column(
            pl.Int32, "Offset as sent; often 0 and wrong, never used for local time.", unit="min"
        ),
        **_bookkeeping(),
    },
)

TREATMENTS = table(
    "treatments",
    "Treatments (insulin, carbs, basal, notes, ...), last version of each, one row an _id.",
    {
        **_identity(),
        "event_type": column(pl.String, "The document's eventType: free text."),
        "created_at": column(pl.String, "The document's `created_at`, unchanged."),
        "treated_at": column(
            INSTANT,
            "Instant of the treatment: from created_at, else others.",
            required=True,
            partition="month",
        ),
        "insulin": column(pl.Float64, "Insulin given.", unit="U"),
        "carbs": column(pl.Float64, "Carbohydrates eaten.", unit="g"),
        "glucose": column(pl.Float64, "Glucose noted with the treatment, in the unit that `units` names."),
        "units": column(pl.String, "Unit of `glucose` as sent: mg/dl, mmol, or null."),
        "duration_minutes": column(pl.Float64, "How long it lasts.", unit="min"),
        "absolute": column(pl.Float64, "Temporary basal rate.", unit="U/h"),
        "rate": column(pl.Float64, "Temporary basal rate, as some uploaders name it.", unit="U/h"),
        "percent": column(pl.Float64, "Change of the basal rate: -50 is half.", unit="%"),
        "basal_schedule": column(
            pl.String,
            "Basal that a profile switch puts in force, its percentage and time shift applied, JSON as in "
            "raw.profiles; null for other treatments.",
        ),
        "entered_by": column(pl.String, "Who or what entered it: free text."),
        **_bookkeeping(),
    },
)

PROFILES = table(
    "profiles",
    "Profiles (basal rates, targets, ratios), last version of each, one row an _id.",
    {
        **_identity(),
        "start_date": column(pl.String, "The document's `startDate`, unchanged."),
        "valid_from_at": column(
            INSTANT,
            "Instant from which the profile holds: from startDate, else others.",
            required=True,
            partition="month",
        ),
        "default_profile": column(pl.String, "Name of the profile that holds, as sent: `defaultProfile`."),
        "profile_name": column(
            pl.String, "Name of the stored profile that holds: the default, else the only one; null: none."
        ),
        "units": column(pl.String, "Unit of its targets and sensitivities as sent: mg/dl, mmol, ..."),
        "zone": column(pl.String, "Time zone of that profile as sent; a hint only, ETC/GMT+8 and the like."),
        "basal_schedule": column(
            pl.String,
            "Scheduled basal of that profile, JSON: an array of objects with `start_seconds` after midnight, "
            "ascending from 0, and `units_per_hour`, null where the document does not say.",
            required=True,
        ),
        "entered_by": column(pl.String, "Who or what entered it: free text."),
        **_bookkeeping("The document as received, without push tokens and addresses of people"),
    },
)

DEVICE_STATUS = table(
    "device_status",
    "What loop, pump and uploader reported about themselves, last version of each, one row an _id.",
    {
        **_identity(),
        "created_at": column(pl.String, "The document's `created_at`, unchanged."),
        "reported_at": column(
            INSTANT,
            "Instant of the report: from created_at, else others.",
            required=True,
            partition="month",
        ),
        "device": column(pl.String, "Free text of the uploader."),
        "loop_state": column(
            pl.String,
            "failed, enacted (a dose was set) or looping; null of an uploader that is no loop.",
        ),
        "failure_reason": column(pl.String, "Why the loop failed, as sent."),
        "iob_units": column(pl.Float64, "Insulin on board.", unit="U"),
        "cob_grams": column(pl.Float64, "Carbohydrates on board.", unit="g"),
        "pump_battery_pct": column(pl.Float64, "Battery of the pump.", unit="%"),
        "uploader_battery_pct": column(pl.Float64, "Battery of the telephone.", unit="%"),
        "reservoir_units": column(pl.Float64, "Insulin left in the pump.", unit="U"),
        **_bookkeeping("What is kept of the document, without predictions"),
    },
)

QUARANTINE = table(
    "quarantine",
    "Documents that could not be accepted, each once however often it is read.",
    {
        "site_id": column(pl.String, "Site the document came from.", required=True),
        "collection": column(pl.String, "Collection of the site, by Nightscout's name.", required=True),
        "payload_hash": column(
            pl.String, "SHA-256 that names the document, like content_hash.", required=True
        ),
        "document_id": column(pl.String, "The document's _id where it has a usable one."),
        "document": column(pl.String, "The whole document as received.", required=True),
        "reasons": column(pl.String, "Every reason, in words, joined by '; '.", required=True),
        "window_start": column(INSTANT, "Start of the window it was first read with.", required=True),
        "window_end": column(INSTANT, "End of that window, excluded.", required=True),
        "read_id": column(pl.String, "Staged read it was first seen in.", required=True),
        "run_id": column(pl.String, "Run that first saw it.", required=True),
        "first_seen_at": column(INSTANT, "When it was first fetched.", required=True, partition="month"),
        "resolved_at": column(INSTANT, "When a later version with this _id was accepted; null until then."),
        "document_at": column(
            INSTANT, "Instant of the document where it has a usable one: from 2000 to 24 h after its fetch."
        ),
    },
)


def _count(description: str) -> pa.Column:
    return column(pl.Int64, description, unit="documents")


INGEST_OUTCOMES = table(
    "ingest_outcomes",
    "The ledger: what became of each staged read. Only status merged and kind window makes a window whole.",
    {
        "read_id": column(pl.String, "The staged read.", required=True),
        "site_id": column(pl.String, "Site that was read.", required=True),
        "collection": column(pl.String, "Collection that was read, by Nightscout's name.", required=True),
        "kind": column(
            pl.String, "window (a whole window) or look_up (one document by its _id).", required=True
        ),
        "origin": column(pl.String, "Scheme, host and port of the site when it was read.", required=True),
        "window_start": column(INSTANT, "Start of the window.", required=True),
        "window_end": column(INSTANT, "End of the window, excluded.", required=True),
        "request": column(pl.String, "Path and query that were asked, without host or secret."),
        "run_id": column(pl.String, "Run that read it.", required=True),
        "lease_number": column(pl.Int64, "Lease under which the outcome was written.", required=True),
        "fetched_at": column(INSTANT, "When the request was sent.", required=True, partition="month"),
        "checksum": column(pl.String, "SHA-256 of the staged documents."),
        "document_count": _count("Documents in the answer = accepted + quarantined."),
        "accepted_count": _count(
            "Accepted = inserted + updated + unchanged + revived + retired + superseded within the batch."
        ),
        "quarantined_count": _count("Quarantined."),
        "inserted_count": _count("New in raw."),
        "updated_count": _count("Changed in raw."),
        "unchanged_count": _count("In raw already, equal."),
        "revived_count": _count("Tombstoned before, live again."),
        "retired_count": _count("Came with isValid false."),
        "retired_live_count": _count("Of those, live until now."),
        "superseded_count": _count("Replaced by a later version within the same batch."),
        "tombstoned_count": _count("Missing from the answer and found gone at the site."),
        "kept_missing_count": _count("Missing from the answer, but pruned by the site: kept."),
        "live_before": _count("Live documents of the site and collection before this read."),
        "live_after": _count(
            "Live documents after it = before + inserted + revived - retired live - tombstoned."
        ),
        "first_instant": column(INSTANT, "Earliest instant among the accepted."),
        "last_instant": column(INSTANT, "Latest instant among the accepted."),
        "warnings": column(pl.String, "JSON object: warning to number of documents."),
        "reasons": column(pl.String, "JSON object: reason of quarantine to number of documents."),
        "status": column(pl.String, "merged, failed, left_out or set_aside.", required=True),
        "message": column(pl.String, "Why it was not merged, for a person."),
    },
)

SITES = table(
    "sites",
    "The configured sites with their time zones, one row a validity.",
    {
        "site_id": column(pl.String, "Site.", required=True),
        "zone": column(pl.String, "IANA time zone.", required=True),
        "valid_from": column(
            pl.Date, "First local day of the zone; 0001-01-01 for since ever.", required=True
        ),
        "valid_from_at": column(INSTANT, "Instant at which that day starts in the zone.", required=True),
        "valid_to_at": column(INSTANT, "Instant at which the next zone takes over; null for the last."),
        "target_set": column(
            pl.String,
            "Targets the site is measured by: standard, older_or_high_risk, pregnancy.",
            required=True,
        ),
        "is_demo": column(pl.Boolean, "Whether this is the simulated site.", required=True),
        "origin": column(pl.String, "Scheme, host and port of the site.", required=True),
        "display_units": column(pl.String, "Unit in which people are shown glucose: mg/dL or mmol/L."),
    },
)
