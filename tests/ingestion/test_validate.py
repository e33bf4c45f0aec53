"""Every document is accepted or quarantined. "Trap n" is the n-th of section 6 of the notes on Nightscout."""

import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow
import pyarrow.parquet
import pytest
from fsspec.implementations.local import LocalFileSystem
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.errors import ContractError, StageError
from include.ingestion import reasons
from include.ingestion import validate as module
from include.ingestion.stage import Stage, StagedRead
from include.ingestion.validate import (
    Validation,
    accepted_rows,
    find_validation,
    over_quarantine_limit,
    quarantined_rows,
    validate,
)
from include.nightscout.client import Answer
from include.nightscout.windows import Collection, Window
from include.schemas import COLLECTION_TABLE, RAW_TABLES
from include.schemas.received import RECEIVED
from include.schemas.rules import ERROR, failures, rule

FETCHED_AT = datetime(2026, 6, 1, 12, tzinfo=UTC)  # as in conftest
NOON = 1780315200000  # FETCHED_AT in milliseconds
HOUR = 3_600_000


@pytest.fixture(autouse=True)
def without_dlt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stage has its own tests with dlt; here many small reads are staged, and only their files matter."""

    def write(table: pyarrow.Table, target: Path, _: Path) -> None:
        pyarrow.parquet.write_table(table, target)

    monkeypatch.setattr("include.ingestion.stage.load_parquet", write)


def entry(**fields: Any) -> dict[str, Any]:
    return {"_id": "a", "type": "sgv", "sgv": 120, "date": NOON - HOUR, "direction": "Flat"} | fields


def treatment(**fields: Any) -> dict[str, Any]:
    return {"_id": "a", "eventType": "Meal Bolus", "created_at": "2026-05-31T08:00:00.000Z"} | fields


def without(document: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != name}


def reason_of(stage: Stage, read: StagedRead) -> str:
    validation = validate(stage, read)
    assert (validation.accepted_count, validation.quarantined_count) == (0, 1)
    found: str = quarantined_rows(stage, read)["reasons"].item()
    return found


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (without(entry(), "_id"), "no _id"),
        (entry(_id=None), "no usable _id: None"),
        (entry(_id=""), "no usable _id: ''"),
        (entry(_id=12), "no usable _id: 12"),
        (without(entry(), "date"), "no usable date: the document has none"),
        (entry(date=None, dateString="x"), "no usable date: date=None, dateString='x'"),
        (entry(date="yesterday"), "no usable date: date='yesterday'"),
        (entry(date=1780311600), "dated 1970-01-21, before 2000"),
        (entry(date=946684799999), "dated 1999-12-31, before 2000"),
        (entry(date=NOON + 24 * HOUR + 1), "dated 2026-06-02, more than 24 h after it was fetched"),
        (entry(date=6027436800000), "dated 2161-01-01, more than 24 h after it was fetched"),
        (entry(sgv="abc"), "sgv is not a number: 'abc'"),
        (entry(sgv=None), "sgv is not a number: None"),
        (without(entry(), "sgv"), "no sgv"),
        (entry(sgv="x" * 500), "sgv is not a number: '" + "x" * 56 + "..."),
        ('{"_id":"a"', "not valid JSON"),
        ("[]", "not a JSON object but a list"),
        (json.dumps(entry(delta=float("nan"))), "contains what cannot be stored: NaN or infinity"),
        (
            json.dumps(entry(device="\ud800")),
            "contains what cannot be stored: half a character (a lone surrogate)",
        ),
        (
            {"type": "sgv", "sgv": "HIGH", "date": 0},
            "dated 1970-01-01, before 2000; no _id; sgv is not a number: 'HIGH'",
        ),
        (
            '{"type":"sgv","sgv":NaN}',
            "; ".join(
                [
                    "contains what cannot be stored: NaN or infinity",
                    "no _id",
                    "no usable date: the document has none",
                    "sgv is not a number: nan",
                ]
            ),
        ),
    ],
)
def test_quarantined_entries_say_every_reason(
    stage: Stage, stage_documents: Any, document: Any, reason: str
) -> None:
    assert reason_of(stage, stage_documents([document])) == reason


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (without(treatment(), "created_at"), "no usable date: the document has none"),
        (
            treatment(created_at="2161-01-01T00:00:00Z"),
            "dated 2161-01-01, more than 24 h after it was fetched",
        ),
        (treatment(created_at="1999-12-31T23:59:59.999Z"), "dated 1999-12-31, before 2000"),
        (without(treatment(), "_id"), "no _id"),
    ],
)
def test_quarantined_treatments(stage: Stage, stage_documents: Any, document: Any, reason: str) -> None:
    assert reason_of(stage, stage_documents([document], "treatments")) == reason


ACCEPTED_ENTRIES = {
    "float date": (entry(date=NOON - HOUR + 0.5488), {}),
    "date as text": (entry(date=str(NOON - HOUR)), {}),
    "only dateString": (without(entry(dateString="2026-05-31T23:00:00-07:00"), "date"), {}),
    "1 s between the two": (entry(dateString="2026-06-01T11:00:01Z"), {}),
    "a day between the two": (entry(dateString="2026-05-31T11:00:00Z"), {}),
    "more than a day": (entry(dateString="2026-05-31T10:59:59Z"), {"date_and_date_string_disagree": 1}),
    "years": (entry(dateString="2019-05-31T11:00:00Z"), {"date_and_date_string_disagree": 1}),
    "sgv as text": (entry(sgv="171"), {}),
    "error code": (entry(sgv=10), {"sgv_below_20": 1}),
    "just below": (entry(sgv=19.99), {"sgv_below_20": 1}),
    "lowest": (entry(sgv=20), {}),
    "a true low": (entry(sgv=38), {}),
    "clipped low": (entry(sgv=39), {}),
    "clipped high": (entry(sgv=401), {}),
    "highest": (entry(sgv=600), {}),
    "just above": (entry(sgv=600.01), {"sgv_above_600": 1}),
    "meter": ({"_id": "a", "type": "mbg", "mbg": 104, "date": NOON}, {}),
    "meter, no number": ({"_id": "a", "type": "mbg", "mbg": "x", "date": NOON}, {"number_unreadable": 1}),
    "calibration": ({"_id": "a", "type": "cal", "slope": 895.8, "date": NOON}, {}),
    "no type": (without(entry(), "type"), {"unknown_type": 1}),
    "type etc": (entry(type="etc", sgv=None), {"unknown_type": 1}),
    "no type, no sgv": ({"_id": "a", "date": NOON}, {"unknown_type": 1}),
    "error code of another type": (entry(type="mbg", sgv=5), {}),
    "first of 2000": (entry(date=946684800000), {}),
    "soon": (entry(date=NOON + 15 * 60_000), {}),
    "a little ahead": (entry(date=NOON + 15 * 60_000 + 1), {"dated_after_fetch": 1}),
    "a day ahead": (entry(date=NOON + 24 * HOUR), {"dated_after_fetch": 1}),
    "not computable": (entry(direction="NOT COMPUTABLE"), {}),
    "no direction": (entry(direction=None, device=None, trend=None), {}),
    "soft deleted": (entry(isValid=False), {}),
    "two at once": (
        entry(sgv=5, dateString="2019-05-31T11:00:00Z"),
        {"date_and_date_string_disagree": 1, "sgv_below_20": 1},
    ),
}


@pytest.mark.parametrize("name", ACCEPTED_ENTRIES)
def test_traps_9_10_15_18_accepted_entries(stage: Stage, stage_documents: Any, name: str) -> None:
    document, warnings = ACCEPTED_ENTRIES[name]
    validation = validate(stage, stage_documents([document]))
    assert (validation.accepted_count, validation.reasons) == (1, {})
    assert validation.warnings == warnings


ACCEPTED_TREATMENTS = {
    "free text": (treatment(eventType="Whatever I like"), {}),
    "no event type": (without(treatment(), "eventType"), {}),
    "a day ahead": (treatment(created_at="2026-06-02T12:00:00Z"), {}),
    "insulin": (treatment(insulin=100, carbs=0), {}),
    "much insulin": (treatment(insulin=100.5), {"insulin_implausible": 1}),
    "negative insulin": (treatment(insulin=-1), {"insulin_implausible": 1}),
    "many carbs": (treatment(carbs=1001), {"carbs_implausible": 1}),
    "mmol": (treatment(glucose=5.6, units="mmol"), {}),
    "mmol/L": (treatment(glucose="22,2", units="mmol/L"), {"number_unreadable": 1}),
    "mmol in mg/dl": (treatment(glucose=5.6, units="mg/dl"), {"glucose_implausible": 1}),
    "mg/dl in mmol": (treatment(glucose=101, units="mmol"), {"glucose_implausible": 1}),
    "mg/dl": (treatment(glucose=101, units="mg/dl"), {}),
    "no unit": (treatment(glucose=101), {}),
    "backwards": (treatment(duration=-5), {"duration_negative": 1}),
    "blank numbers": (treatment(insulin="", carbs="", duration=""), {}),
    "words": (treatment(insulin="two", carbs=20), {"number_unreadable": 1}),
}


@pytest.mark.parametrize("name", ACCEPTED_TREATMENTS)
def test_trap_24_accepted_treatments(stage: Stage, stage_documents: Any, name: str) -> None:
    document, warnings = ACCEPTED_TREATMENTS[name]
    validation = validate(stage, stage_documents([document], "treatments"))
    assert (validation.accepted_count, validation.reasons) == (1, {})
    assert validation.warnings == warnings


@pytest.mark.parametrize("kind", ["entries", "treatments"])
@pytest.mark.parametrize(
    "person", ["patient_a", "patient_b", "patient_d", "patient_j", "sensor_d", "trio_dynisf"]
)
def test_real_exports_are_accepted_whole(
    stage: Stage, stage_documents: Any, test_data: Path, person: str, kind: str
) -> None:
    documents = json.loads((test_data / "ns_real" / f"{person}_{kind}.json").read_text(encoding="utf-8"))
    read = stage_documents(documents, kind)
    validation = validate(stage, read)
    assert validation.accepted_count == validation.document_count == len(documents)
    assert (validation.reasons, validation.warnings) == ({}, {})
    rows = accepted_rows(stage, read)
    assert [json.loads(text) for text in rows["payload"]] == documents
    assert rows["_id"].to_list() == [document["_id"] for document in documents]
    if kind == "entries":
        assert rows["sgv"].to_list() == [document.get("sgv") for document in documents]
        stated = [datetime.fromisoformat(document["dateString"]) for document in documents]
        gaps = [abs(at - one) for at, one in zip(rows["reading_at"], stated, strict=True)]
        assert max(gaps) <= timedelta(seconds=1)
    else:
        assert rows["insulin"].to_list() == [document["insulin"] for document in documents]
        assert rows["treated_at"].to_list() == [datetime.fromisoformat(d["created_at"]) for d in documents]


@pytest.mark.parametrize("collection", ["entries", "treatments"])
def test_accepted_columns_are_those_of_raw(stage: Stage, stage_documents: Any, collection: str) -> None:
    document = entry() if collection == "entries" else treatment()
    read = stage_documents([document | {"brandNew": [1]}], collection)
    validate(stage, read)
    rows = accepted_rows(stage, read)
    raw = RAW_TABLES[COLLECTION_TABLE[collection]].schema
    filled_by_merge = {"first_seen_at", "ingested_at", "run_id", "deleted_at"}
    of_raw = [name for name in raw.columns if name not in filled_by_merge]
    assert rows.columns == ["row_number", *of_raw, "is_valid"]
    assert {name: rows.schema[name] for name in of_raw} == {
        name: raw.columns[name].dtype.type for name in of_raw
    }
    assert rows["site_id"].to_list() == ["home"]
    assert json.loads(rows["payload"].item())["brandNew"] == [1]


def test_quarantined_columns(stage: Stage, stage_documents: Any) -> None:
    read = stage_documents([entry(), entry(sgv="abc"), "nonsense"])
    validate(stage, read)
    rows = quarantined_rows(stage, read).to_dicts()
    assert [len(row.pop("payload_hash")) for row in rows] == [64, 64]
    about = {
        "site_id": "home",
        "collection": "entries",
        "window": "20260501T000000000Z-20260601T000000000Z",
        "read_id": read.read_id,
    }
    assert rows == [
        {
            "row_number": 1,
            "document_id": "a",
            "document": json.dumps(entry(sgv="abc")),
            "reasons": "sgv is not a number: 'abc'",
            "document_at": datetime.fromtimestamp(entry()["date"] / 1000, UTC),
            **about,
        },
        {
            "row_number": 2,
            "document_id": None,
            "document": "nonsense",
            "reasons": "not valid JSON",
            "document_at": None,
            **about,
        },
    ]


def test_quarantined_documents_have_an_instant_only_where_it_is_usable(
    stage: Stage, stage_documents: Any
) -> None:
    day = 86_400_000
    fetched = round(FETCHED_AT.timestamp() * 1000)
    dates: dict[str, Any] = {
        "usable": NOON,
        "none": None,
        "too old": 946_684_799_999,
        "old": 946_684_800_000,
        "late": fetched + day,
        "too late": fetched + day + 1,
    }
    read = stage_documents(
        [entry(_id=name, sgv="abc", date=date, dateString=None) for name, date in dates.items()]
    )
    validate(stage, read)
    found = dict(quarantined_rows(stage, read).select("document_id", "document_at").iter_rows())
    assert found == {
        "usable": datetime.fromtimestamp(NOON / 1000, UTC),
        "none": None,
        "too old": None,
        "old": datetime(2000, 1, 1, tzinfo=UTC),
        "late": FETCHED_AT + timedelta(days=1),
        "too late": None,
    }


def test_one_bad_document_never_blocks_the_others(stage: Stage, stage_documents: Any) -> None:
    documents = [entry(_id=str(n), date=NOON - n * 300_000) for n in range(288)]
    documents[100] = entry(_id="100", sgv="abc")
    read = stage_documents(documents)
    validation = validate(stage, read)
    assert (validation.accepted_count, validation.quarantined_count) == (287, 1)
    assert validation.reasons == {"sgv_not_a_number": 1}
    assert accepted_rows(stage, read)["row_number"].to_list() == [n for n in range(288) if n != 100]
    assert quarantined_rows(stage, read)["row_number"].to_list() == [100]


def test_duplicates_within_an_answer_stay_in_order(stage: Stage, stage_documents: Any) -> None:
    read = stage_documents([entry(sgv=100), entry(_id="b"), entry(sgv=110), entry(sgv=100)])
    assert validate(stage, read).accepted_count == 4
    assert accepted_rows(stage, read).select("row_number", "_id", "sgv").rows() == [
        (0, "a", 100.0),
        (1, "b", 120.0),
        (2, "a", 110.0),
        (3, "a", 100.0),
    ]


def test_reasons_and_warnings_are_counted_by_rule(stage: Stage, stage_documents: Any) -> None:
    read = stage_documents(
        [
            entry(sgv="x", _id=None),
            entry(sgv="y"),
            entry(sgv=5),
            entry(sgv=6),
            entry(type="etc"),
            entry(type="etc", _id=""),
        ]
    )
    validation = validate(stage, read)
    assert (validation.document_count, validation.accepted_count, validation.quarantined_count) == (6, 3, 3)
    assert validation.reasons == {"no_usable_id": 2, "sgv_not_a_number": 2}
    assert validation.warnings == {"sgv_below_20": 2, "unknown_type": 1}  # not those of quarantined documents


def test_an_empty_window(stage: Stage, stage_documents: Any) -> None:
    for collection in ("entries", "treatments"):
        read = stage_documents([], collection)
        validation = validate(stage, read)
        assert (validation.document_count, validation.reasons, validation.warnings) == (0, {}, {})
        assert len(accepted_rows(stage, read)) == len(quarantined_rows(stage, read)) == 0
        assert over_quarantine_limit(validation, 20) is None


# --- written once, last, and found again ---


def test_validated_once(stage: Stage, stage_documents: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    read = stage_documents([entry(), entry(sgv="abc")])
    assert find_validation(stage, read) is None
    first = validate(stage, read)
    monkeypatch.setattr(module, "documents_frame", None)
    assert validate(stage, read) == find_validation(stage, read) == first


def test_reading_before_validating(stage: Stage, stage_documents: Any) -> None:
    read = stage_documents([entry()])
    for rows in (accepted_rows, quarantined_rows):
        with pytest.raises(StageError, match="was not validated"):
            rows(stage, read)


@pytest.mark.parametrize("name", ["accepted.parquet", "quarantined.parquet", "validation.json"])
def test_a_damaged_file_is_seen_and_made_again(stage: Stage, stage_documents: Any, name: str) -> None:
    read = stage_documents([entry(), entry(sgv="abc")])
    first = validate(stage, read)
    stage.put(read, name, b"{")
    with pytest.raises(StageError, match=r"damaged|not validated"):
        (quarantined_rows if name.startswith("quarantined") else accepted_rows)(stage, read)
    assert validate(stage, read) == first
    assert accepted_rows(stage, read)["_id"].to_list() == ["a"]
    assert quarantined_rows(stage, read)["document_id"].to_list() == ["a"]


@pytest.mark.parametrize("killed_at", ["accepted.parquet", "quarantined.parquet", "validation.json"])
def test_a_validation_exists_only_with_its_files(
    stage: Stage, stage_documents: Any, monkeypatch: pytest.MonkeyPatch, killed_at: str
) -> None:
    read = stage_documents([entry(), entry(sgv="abc")])
    put = Stage.put

    def dies(self: Stage, of: StagedRead, name: str, content: bytes) -> None:
        if name == killed_at:
            raise KeyboardInterrupt
        put(self, of, name, content)

    with monkeypatch.context() as faulty:
        faulty.setattr(Stage, "put", dies)
        with pytest.raises(KeyboardInterrupt):
            validate(stage, read)
    assert find_validation(stage, read) is None
    assert validate(stage, read).accepted_count == 1


def test_other_documents_or_rules_are_judged_anew(
    stage: Stage, stage_documents: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = stage_documents([entry()])
    first = validate(stage, read)
    text = (stage.get(read, "validation.json") or b"").replace(first.documents_checksum.encode(), b"other")
    stage.put(read, "validation.json", text)
    assert find_validation(stage, read) is None
    assert validate(stage, read) == first
    monkeypatch.setattr(module, "RULES_VERSION", first.rules_version + 1)
    assert find_validation(stage, read) is None


def test_damaged_documents_are_not_judged(stage: Stage, stage_documents: Any) -> None:
    read = stage_documents([entry()])
    stage.put(read, "documents.parquet", b"PAR1")
    with pytest.raises(StageError, match="damaged"):
        validate(stage, read)


# --- contracts ---


def test_rows_that_do_not_add_up(stage: Stage, stage_documents: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    read = stage_documents([entry(), entry()])
    monkeypatch.setattr(module, "_split", lambda *_: (pl.DataFrame({"row_number": [0]}), pl.DataFrame()))
    with pytest.raises(ContractError, match="1 accepted and 0 quarantined of 2 documents do not add up"):
        validate(stage, read)


def received(**columns: Any) -> pl.DataFrame:
    frame = module.documents_frame("entries", [json.dumps(entry())])
    whole = frame.with_columns(
        site_id=pl.lit("home"), fetched_at=pl.lit(FETCHED_AT).dt.cast_time_unit("us"), **columns
    )
    return whole.select(list(RECEIVED["entries"].columns))


def test_a_frame_of_another_shape_is_a_broken_contract() -> None:
    schema = RECEIVED["entries"]
    assert len(failures(schema, received())) == 0
    with pytest.raises(ContractError, match="sgv"):
        failures(schema, received().drop("sgv"))
    with pytest.raises(ContractError, match="surprise"):
        failures(schema, received().with_columns(surprise=1))
    with pytest.raises(ContractError, match="sgv"):
        failures(schema, received(sgv=pl.lit("120")))
    with pytest.raises(ContractError, match="is_valid"):
        failures(schema, received(is_valid=pl.lit(None, pl.Boolean)))


def test_a_rule_that_crashes_is_a_broken_contract() -> None:
    crashing = RECEIVED["entries"].add_columns({})
    crashing.columns["sgv"].checks = [rule("crash", pl.col("no such column") > 0)]
    with pytest.raises(ContractError, match="crash"):
        failures(crashing, received())


def test_every_error_has_words() -> None:
    checks = [
        check.error
        for schema in RECEIVED.values()
        for column in schema.columns.values()
        for check in column.checks
    ]
    errors = {text.partition(":")[2] for text in checks if text and text.startswith(f"{ERROR}:")}
    assert errors == set(reasons._WORDS)
    with pytest.raises(ContractError, match="no words for the rules invented"):
        reasons.reasons_in_words("entries", "{}", ["invented"])


# --- the limit ---


def quarantined(count: int, of: int, **by_rule: int) -> Validation:
    return Validation(of, of - count, count, by_rule, {}, "", "", "")


def test_the_limit_needs_more_than_the_share_and_more_than_twelve() -> None:
    assert over_quarantine_limit(quarantined(12, 12), 20) is None
    assert over_quarantine_limit(quarantined(13, 65), 20) is None
    assert over_quarantine_limit(quarantined(13, 64), 20) is not None
    assert over_quarantine_limit(quarantined(13, 13), 100) is None
    assert over_quarantine_limit(quarantined(13, 1_000_000), 0) is not None


def test_the_limit_names_the_reasons() -> None:
    message = over_quarantine_limit(quarantined(60, 100, no_usable_id=10, sgv_not_a_number=55), 20)
    assert message is not None
    assert "60 of 100 documents (60.0 %)" in message
    assert "MAX_QUARANTINE_PCT=20" in message
    assert "55 sgv not a number, 10 no usable id" in message


# --- anything at all ---

FIELDS = """
_id type sgv mbg date dateString sysTime created_at direction trend device noise rssi utcOffset isValid
mills eventType insulin carbs glucose units duration durationInMilliseconds absolute rate percent enteredBy
timestamp startDate defaultProfile store basal loop openaps pump uploader
"""
NAMES = st.sampled_from(FIELDS.split()) | st.text(max_size=4)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.integers(NOON - 10 * HOUR, NOON + 30 * HOUR)
    | st.floats()
    | st.text(st.characters(), max_size=6)
    | st.sampled_from(
        ["sgv", "mbg", "171", "abc", "2026-05-31T08:00:00Z", "9999-12-31T23:00:00-10:00", "mmol"]
    ),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
TEXTS = st.dictionaries(NAMES, VALUES, max_size=8).map(json.dumps) | st.sampled_from(
    ["", "{", "[]", "null", "1", '{"_id":"a","_id":"b"}', json.dumps(entry()), json.dumps(treatment())]
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(TEXTS, max_size=12), collection=st.sampled_from(list(Collection)))
def test_any_document_ends_in_exactly_one_place(
    tmp_path_factory: Any, texts: list[str], collection: Collection
) -> None:
    root = tmp_path_factory.mktemp("any")
    stage = Stage(LocalFileSystem(), f"{root}/stage")
    window = Window("home", collection, FETCHED_AT - timedelta(days=1), FETCHED_AT)
    read = stage.write(
        window, Answer("/", tuple(texts), FETCHED_AT), kind="window", origin="o", run_id="r", branch="b"
    )
    validation = validate(stage, read)
    accepted, bad = accepted_rows(stage, read), quarantined_rows(stage, read)
    assert (len(accepted), len(bad)) == (validation.accepted_count, validation.quarantined_count)
    kept = [*accepted.select("row_number", "payload").rows(), *bad.select("row_number", "document").rows()]
    assert sorted(kept) == list(enumerate(texts))
    assert all(bad["reasons"])
    instant = RAW_TABLES[COLLECTION_TABLE[collection]].instant
    assert instant
    earliest = datetime(1970 if collection.is_read_whole else 2000, 1, 1, tzinfo=UTC)
    for row in accepted.to_dicts():
        assert row["_id"]
        assert earliest <= row[instant] <= FETCHED_AT + timedelta(hours=24)
        assert not (row.get("type") == "sgv" and row["sgv"] is None)
    validated = RAW_TABLES[COLLECTION_TABLE[collection]].schema
    assert all(accepted[name].null_count() == 0 for name in ("_id", instant, "payload", "content_hash"))
    assert {*accepted.columns} - {"row_number", "is_valid"} < {*validated.columns}


def test_many_documents_keep_their_places(stage: Stage, stage_documents: Any) -> None:
    """More rows than polars handles in one piece, bad ones anywhere."""
    chance = random.Random(1)
    documents = [
        entry(_id=str(n), date=NOON - n * 60_000, sgv="abc" if chance.random() < 0.3 else 120)
        for n in range(45_000)
    ]
    read = stage_documents(documents)
    validate(stage, read)
    expected = Counter(document["sgv"] for document in documents)
    accepted, bad = accepted_rows(stage, read), quarantined_rows(stage, read)
    assert (len(accepted), len(bad)) == (expected[120], expected["abc"])
    assert accepted["row_number"].is_sorted()
    assert bad["row_number"].is_sorted()
    assert all(str(n) == i for n, i in accepted.select("row_number", "_id").rows())
    assert all(str(n) == i for n, i in bad.select("row_number", "document_id").rows())
