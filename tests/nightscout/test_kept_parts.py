"""Push tokens and addresses of people end with the answer that held them."""

import json
from pathlib import Path
from typing import Any

import pytest

from include.nightscout.bodies import Document, document_of
from include.nightscout.kept_parts import kept_part
from include.nightscout.windows import Collection

TOKEN = "7f00aa" * 10


def kept(document: dict[str, Any], collection: Collection = Collection.PROFILES) -> dict[str, Any]:
    found = kept_part(collection, document_of(document))
    assert json.loads(found.text) == found.content
    return found.content


def test_tokens_and_addresses_are_dropped_wherever_they_are() -> None:
    document = {
        "_id": "a",
        "deviceToken": TOKEN,
        "bundleIdentifier": "org.example.Loop",
        "teamID": "ABCDEFGHIJ",
        "isAPNSProduction": True,
        "enteredBy": "Anna <anna@example.org>",
        "loopSettings": {"deviceToken": TOKEN, "maximumBolus": 8, "nested": [{"pushToken": TOKEN, "x": 1}]},
        "store": {"token of spring": {"basal": [], "email": "anna@example.org"}},
    }
    assert kept(document) == {
        "_id": "a",
        "enteredBy": "Anna <(address)>",
        "loopSettings": {"maximumBolus": 8, "nested": [{"x": 1}]},
        "store": {"token of spring": {"basal": []}},
    }


@pytest.mark.parametrize("person", ["patient_a", "patient_b", "patient_d", "patient_j", "trio_dynisf"])
def test_real_profiles_lose_nothing_else(test_data: Path, person: str) -> None:
    dropped = {"deviceToken", "bundleIdentifier", "teamID", "isAPNSProduction"}

    def without(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: without(inner) for name, inner in value.items() if name not in dropped}
        return [without(inner) for inner in value] if isinstance(value, list) else value

    for document in json.loads((test_data / "ns_real" / f"{person}_profile.json").read_text()):
        assert kept(document) == without(document)


def test_what_cannot_be_looked_through_is_not_kept() -> None:
    deep: dict[str, Any] = {"deviceToken": TOKEN}
    for _ in range(600):
        deep = {"in": [deep]}
    content = {"_id": "a", "startDate": "2024-01-01", "deep": deep}
    found = kept_part(Collection.PROFILES, Document(content, ""))
    assert found.content["_id"] == "a"
    assert "startDate" not in found.content
    assert TOKEN not in found.text


@pytest.mark.parametrize("collection", [Collection.ENTRIES, Collection.TREATMENTS])
def test_entries_and_treatments_are_kept_as_they_are(collection: Collection) -> None:
    document = document_of({"_id": "a", "notes": "anna@example.org", "token": 1})
    assert kept_part(collection, document) is document
