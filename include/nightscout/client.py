"""Reads one Nightscout site through API v1."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Answer:
    """What a site answered to one question.

    `request` is path and query, without host and secret; `documents` are the JSON texts of the documents;
    `fetched_at` is the instant (UTC) just before the first request was sent.
    """

    request: str
    documents: tuple[str, ...]
    fetched_at: datetime
