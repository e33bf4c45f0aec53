"""Every document of a staged read is judged, one by one: accepted or quarantined, never dropped."""

import hashlib
import json
from dataclasses import asdict, dataclass
from io import BytesIO

import polars as pl

from include.errors import ContractError, StageError
from include.ingestion.documents import documents_frame
from include.ingestion.reasons import reasons_in_words
from include.ingestion.stage import Stage, StagedRead
from include.schemas import COLLECTION_TABLE, RAW_TABLES
from include.schemas.received import ACCEPTED_COLUMNS, INSTANT_RULES, RECEIVED
from include.schemas.rules import ERROR, WARNING, failures

ACCEPTED = "accepted.parquet"
QUARANTINED = "quarantined.parquet"
VALIDATION = "validation.json"
RULES_VERSION = 2  # part of a validation: another version judges anew

_FEWEST_QUARANTINED = 12  # this many never leave a site out, whatever their share


@dataclass(frozen=True)
class Validation:
    """What became of the documents of one read, in numbers. `reasons` counts quarantined documents by broken
    rule (one document may break several), `warnings` accepted ones. The checksums name the files."""

    document_count: int
    accepted_count: int
    quarantined_count: int
    reasons: dict[str, int]
    warnings: dict[str, int]
    documents_checksum: str
    accepted_checksum: str
    quarantined_checksum: str
    rules_version: int = RULES_VERSION


def validate(stage: Stage, read: StagedRead) -> Validation:
    """Judge the documents of a read and lay `accepted.parquet`, `quarantined.parquet` and, last,
    `validation.json` beside them. Done before for the same documents: that answer stands.

    Accepted rows keep their order and duplicates (merge takes the last). Raises StageError when the staged
    documents are damaged, ContractError when rows do not add up or the frame breaks its contract.
    """
    done = find_validation(stage, read)
    if done is not None and _is_whole(stage, read, done):
        return done
    collection = read.window.collection
    documents: list[str] = pl.Series(stage.documents(read)["document"]).to_list()
    frame = documents_frame(collection, documents).with_columns(
        pl.lit(read.window.site_id).alias("site_id"),
        pl.lit(read.fetched_at).dt.cast_time_unit("us").alias("fetched_at"),
    )
    broken = failures(RECEIVED[collection], frame.select(list(RECEIVED[collection].columns)))
    accepted, quarantined = _split(read, frame, broken)
    if len(accepted) + len(quarantined) != read.document_count:
        raise ContractError(
            f"{read.read_id}: {len(accepted)} accepted and {len(quarantined)} quarantined of"
            f" {read.document_count} documents do not add up"
        )
    warned = broken.filter(
        pl.col("severity") == WARNING, pl.col("row").is_in(accepted["row_number"].implode())
    )
    files = {ACCEPTED: _parquet(accepted), QUARANTINED: _parquet(quarantined)}
    validation = Validation(
        document_count=read.document_count,
        accepted_count=len(accepted),
        quarantined_count=len(quarantined),
        reasons=_counts(broken.filter(pl.col("severity") == ERROR)),
        warnings=_counts(warned),
        documents_checksum=read.checksum,
        accepted_checksum=_checksum(files[ACCEPTED]),
        quarantined_checksum=_checksum(files[QUARANTINED]),
    )
    for name, content in files.items():
        stage.put(read, name, content)
    stage.put(read, VALIDATION, json.dumps(asdict(validation), indent=1, sort_keys=True).encode())
    return validation


def find_validation(stage: Stage, read: StagedRead) -> Validation | None:
    """The validation of exactly these documents by the present rules, if it was written."""
    content = stage.get(read, VALIDATION)
    try:
        found = Validation(**json.loads(content)) if content else None
    except (ValueError, TypeError):
        return None
    if found is None or (found.documents_checksum, found.rules_version) != (read.checksum, RULES_VERSION):
        return None
    return found


def accepted_rows(stage: Stage, read: StagedRead) -> pl.DataFrame:
    """The accepted documents in the order of the answer: `row_number`, the columns of the raw table that a
    document fills, `is_valid`. Raises StageError when the read was not validated or the file is damaged."""
    return _rows(stage, read, ACCEPTED)


def quarantined_rows(stage: Stage, read: StagedRead) -> pl.DataFrame:
    """The quarantined documents: `row_number, site_id, collection, document_id, payload_hash, document,
    reasons, window, read_id, document_at` (null unless usable). Raises StageError when the read was not
    validated or the file is damaged."""
    return _rows(stage, read, QUARANTINED)


def over_quarantine_limit(validation: Validation, max_pct: float) -> str | None:
    """A sentence when more than `max_pct` percent and more than 12 of the documents are quarantined."""
    quarantined, documents = validation.quarantined_count, validation.document_count
    if quarantined <= _FEWEST_QUARANTINED or quarantined * 100 <= max_pct * documents:
        return None
    named = sorted(validation.reasons.items(), key=lambda reason: (-reason[1], reason[0]))
    reasons = ", ".join(f"{count} {code.replace('_', ' ')}" for code, count in named)
    return (
        f"{quarantined} of {documents} documents ({quarantined * 100 / documents:.1f} %) are quarantined,"
        f" more than MAX_QUARANTINE_PCT={max_pct:g} allows: {reasons}; look at them with"
        " `lakehouse quarantine list`, raise the limit for one run to accept the rest"
    )


def _split(read: StagedRead, frame: pl.DataFrame, broken: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    collection = read.window.collection
    errors = (
        broken.filter(pl.col("severity") == ERROR)
        .group_by(pl.col("row").alias("row_number"), maintain_order=True)
        .agg(pl.col("rule").alias("rules"))
    )
    accepted = frame.join(errors, on="row_number", how="anti", maintain_order="left")
    bad = frame.join(errors, on="row_number", how="inner", maintain_order="left")
    words = [
        reasons_in_words(collection, text, rules)
        for text, rules in zip(bad["payload"].to_list(), bad["rules"].to_list(), strict=True)
    ]
    instant = RAW_TABLES[COLLECTION_TABLE[collection]].instant
    is_usable = ~pl.col("rules").list.eval(pl.element().is_in(INSTANT_RULES)).list.any()
    quarantined = bad.select(
        "row_number",
        "site_id",
        pl.lit(str(collection)).alias("collection"),
        pl.col("_id").alias("document_id"),
        pl.col("content_hash").alias("payload_hash"),
        pl.col("payload").alias("document"),
        pl.Series("reasons", words, dtype=pl.String),
        pl.lit(read.window.key).alias("window"),
        pl.lit(read.read_id).alias("read_id"),
        pl.when(is_usable).then(pl.col(str(instant))).alias("document_at"),
    )
    return accepted.select(ACCEPTED_COLUMNS[collection]), quarantined


def _counts(broken: pl.DataFrame) -> dict[str, int]:
    return dict(sorted(broken.group_by("rule").len().iter_rows()))


def _parquet(frame: pl.DataFrame) -> bytes:
    buffer = BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _is_whole(stage: Stage, read: StagedRead, validation: Validation) -> bool:
    wanted = {ACCEPTED: validation.accepted_checksum, QUARANTINED: validation.quarantined_checksum}
    return all(_checksum(stage.get(read, name) or b"") == checksum for name, checksum in wanted.items())


def _rows(stage: Stage, read: StagedRead, name: str) -> pl.DataFrame:
    validation, content = find_validation(stage, read), stage.get(read, name)
    if validation is None or content is None:
        raise StageError(f"{read.read_id} was not validated: clear the task `validate` of this run")
    wanted = validation.accepted_checksum if name == ACCEPTED else validation.quarantined_checksum
    if _checksum(content) != wanted:
        raise StageError(f"{name} of {read.read_id} is damaged: clear the task `validate` of this run")
    return pl.read_parquet(BytesIO(content))
