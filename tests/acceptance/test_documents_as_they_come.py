"""Each oddity of real documents lands where it should: raw, quarantine, facts and marts of one lake."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from include.ingestion.documents import content_hash
from tests.acceptance.documents_as_they_come import (
    CASES,
    DUPLICATE,
    ENTRIES,
    LEFT_OUT,
    PROFILE,
    READING,
    RETIRED,
    TREATMENT,
    Case,
    Document,
    instant,
    milliseconds,
)
from tests.cli.homes import Home, forking_commands
from tests.nightscout.misbehaving import Reply, Request, answer, misbehaving_server

FIRST_DAY, LAST_DAY = "2025-03-01", "2025-03-30"


def collection_of(document: Document) -> str:
    if "store" in document:
        return "profile"
    return "treatments" if "eventType" in document else "entries"


DOCUMENTS = [(case.day, document) for case in CASES.values() for document in case.documents]


def selects(query: dict[str, str], day: int, document: Document) -> bool:
    """As Nightscout filters. What no filter selects is selected with noon of its day."""
    is_entry = collection_of(document) == "entries"
    name, kind = ("date", (int, float)) if is_entry else ("created_at", (str,))
    value = document.get(name)
    if not isinstance(value, kind):
        value = milliseconds(day, "12:00") if is_entry else instant(day, "12:00")
    convert: Callable[[Any], Any] = float if is_entry else str
    after, before = (query.get(f"find[{name}][${operator}]") for operator in ("gte", "lt"))
    if after is not None and convert(value) < convert(after):
        return False
    return before is None or convert(value) < convert(before)


def respond(request: Request) -> Reply:
    asked = re.fullmatch(r"/api/v1/(entries|treatments|profile)\.json", request.path)
    assert asked, request.path
    listed = [(day, document) for day, document in DOCUMENTS if collection_of(document) == asked[1]]
    if asked[1] != "profile":
        listed = [(day, document) for day, document in listed if selects(request.query, day, document)]
    return answer(json.dumps([document for _, document in listed][: int(request.query["count"])]))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """The lake after one run over all cases."""
    with forking_commands() as commands, misbehaving_server() as site:
        site.respond = respond
        settings = {"NIGHTSCOUT_URL": site.url, "NIGHTSCOUT_TIME_ZONE": "Etc/UTC"}
        home = Home(commands, tmp_path_factory.mktemp("documents") / "lakehouse", settings)
        try:
            loaded = home.load(FIRST_DAY, LAST_DAY)
            assert loaded.code == 0, loaded.err
            yield home
        finally:
            home.remove()


@pytest.fixture(scope="module")
def found(home: Home) -> dict[str, list[Document]]:
    """The tables that the cases look into."""
    tables = {
        "entries": "select _id, deleted_at, type, sgv from raw.glucose_entries",
        "treatments": "select _id, deleted_at from raw.treatments",
        "profile": "select _id, deleted_at from raw.profiles",
        "quarantine": "select payload_hash, reasons from raw.quarantine",
        "readings": "select *, cast(reading_timestamp as varchar) as reading_timestamp"
        " from silver.fct_glucose_readings",
        "facts": "select * from silver.fct_treatments",
        "quality": "select * from marts.mrt_data_quality",
        "daily": "select * from marts.mrt_treatments_daily",
        "meals": "select * from marts.mrt_meal_responses",
        "medications": "select * from marts.mrt_medication_effectiveness",
    }
    return {name: home.rows(query) for name, query in tables.items()}


def by(rows: list[Document], *names: str) -> dict[Any, Document]:
    keyed = {tuple(row[name] for name in names) if len(names) > 1 else row[names[0]]: row for row in rows}
    assert len(keyed) == len(rows)
    return keyed


def landed(found: dict[str, list[Document]], document: Document) -> str:
    """Where a document is: in quarantine, or in raw and, if it counts, in a fact."""
    reasons = by(found["quarantine"], "payload_hash").get(content_hash(document))
    collection = collection_of(document)
    raw = by(found[collection], "_id").get(document["_id"])
    assert (reasons is None) != (raw is None), "a document is in raw or in quarantine, and never in both"
    if reasons is not None:
        return f"quarantined: {reasons['reasons']}"
    assert raw is not None
    if raw["deleted_at"] is not None:
        return RETIRED
    if collection == "profile":
        return PROFILE
    if collection == "treatments":
        return TREATMENT if document["_id"] in by(found["facts"], "treatment_id") else DUPLICATE
    if document["_id"] in by(found["readings"], "entry_id"):
        return READING
    is_glucose = raw["type"] == "sgv" and 20 <= raw["sgv"] <= 600
    return DUPLICATE if is_glucose else LEFT_OUT


def assert_says(rows: dict[Any, Document], key: Any, wanted: Document) -> None:
    assert key in rows, f"{key} has no row"
    said = {name: rows[key][name] for name in wanted}
    assert said == {
        name: pytest.approx(value) if isinstance(value, float) else value for name, value in wanted.items()
    }


@pytest.mark.parametrize("name", CASES)
def test_where_it_lands(found: dict[str, list[Document]], name: str) -> None:
    case: Case = CASES[name]
    assert {document["_id"]: landed(found, document) for document in case.documents} == case.lands
    facts = by(found["readings"], "entry_id") | by(found["facts"], "treatment_id")
    for document_id, wanted in case.facts.items():
        assert_says(facts, document_id, wanted)
    day = f"2025-03-{case.day:02}"
    if case.quality:
        assert_says(by(found["quality"], "reading_date"), day, case.quality)
    if case.daily:
        assert_says(by(found["daily"], "treatment_date"), day, case.daily)
    for meal_id, wanted in case.meals.items():
        assert_says(by(found["meals"], "meal_id"), meal_id, wanted)
    for medication_id, wanted in case.medications.items():
        assert_says(by(found["medications"], "medication_id"), medication_id, wanted)


def test_what_has_no_usable_instant_counts_on_the_first_day_of_its_window(
    found: dict[str, list[Document]],
) -> None:
    first_day = by(found["quality"], "reading_date")[FIRST_DAY]
    assert (first_day["received_count"], first_day["quarantined_count"]) == (4, 3)


def test_nothing_is_lost_or_made_up(found: dict[str, list[Document]]) -> None:
    tables = ("entries", "treatments", "profile", "quarantine")
    assert len(DOCUMENTS) == sum(len(found[name]) for name in tables)
    assert len(found["quarantine"]) == sum(
        where.startswith("quarantined") for case in CASES.values() for where in case.lands.values()
    )
    assert len(found["daily"]) == 30  # every day, with and without treatments
    assert sum(len(case.documents) for case in ENTRIES.values()) > 30
