"""A site with documents in memory that filters as Nightscout does, one page at most."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.nightscout.misbehaving import Reply, Request, answer

OBJECT_ID = re.compile(r"[0-9a-f]{24}")
Listed = list[dict[str, Any]]


@dataclass
class RecordedSite:
    """Answers reads of its documents. `text_ids` are stored as text, all others as ObjectIds."""

    entries: Listed = field(default_factory=list)
    treatments: Listed = field(default_factory=list)
    profile: Listed = field(default_factory=list)
    devicestatus: Listed = field(default_factory=list)
    text_ids: set[str] = field(default_factory=set)

    def __call__(self, request: Request) -> Reply:
        if request.path == "/api/v1/profile.json":
            return answer(json.dumps(self.profile[: int(request.query["count"])]))
        name = re.fullmatch(r"/api/v1/(entries|treatments|devicestatus)\.json", request.path)
        assert name, f"a site answers {request.path} with tab-separated text"
        listed: Listed = getattr(self, name[1])
        query = dict(request.query)
        count = int(query.pop("count", "10"))
        assert query, "without a filter on the date a site answers the last 4 days"
        for key, wanted in query.items():
            if key == "find[_id]" and not OBJECT_ID.fullmatch(wanted):
                return answer('{"status": 500, "message": "Mongo Error"}', status=500)
            listed = [each for each in listed if self._matches(each, key, wanted)]
        field_name = "date" if name[1] == "entries" else "created_at"
        newest = sorted(listed, key=lambda each: str(each.get(field_name)), reverse=True)
        return answer(json.dumps(newest[:count]))

    def _matches(self, document: dict[str, Any], key: str, wanted: str) -> bool:
        if key.startswith("find[_id]"):
            is_text = document["_id"] in self.text_ids
            return document["_id"] == wanted and is_text == (key == "find[_id][$in][]")
        name, operator = re.fullmatch(r"find\[(date|created_at)\]\[\$(gte|lt)\]", key).groups()  # type: ignore[union-attr]
        value = document.get(name)
        bound: Any = int(wanted) if name == "date" else wanted
        if isinstance(value, str) != isinstance(bound, str) or not isinstance(value, int | float | str):
            return False
        return bool(value >= bound) if operator == "gte" else bool(value < bound)


def ids(texts: Iterable[str]) -> list[str]:
    return [json.loads(text)["_id"] for text in texts]
