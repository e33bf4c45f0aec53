"""What a merge did, in six numbers."""

from collections.abc import Mapping
from typing import Any

COUNTS = {  # of documents, over all sites and collections; from the counts of a merge
    "received": ("received",),
    "accepted": ("accepted",),
    "quarantined": ("quarantined",),
    "inserted": ("inserted",),
    "updated": ("updated",),
    "deleted": ("tombstoned", "retired"),
}


def document_counts(merged: Mapping[str, Any]) -> dict[str, int]:
    """The six counts of a merge's report."""
    rows = [row for collections in merged["counts"].values() for row in collections.values()]
    return {name: sum(row[part] for row in rows for part in parts) for name, parts in COUNTS.items()}
