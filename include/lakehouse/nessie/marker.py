"""Who a state of the lake belongs to: kept with the namespace `raw`, so that one look at a branch tells it.

`open_branch` writes it as the first commit of a branch, promoting carries it to main.
"""

from dataclasses import dataclass
from datetime import datetime

from include.lakehouse.interface import LAKE_FORMAT, RAW
from include.lakehouse.nessie.api import NAMESPACE, Json, Nessie

_BRANCH = "lakehouse.branch"


@dataclass(frozen=True)
class Marker:
    """`base`: the version it was opened from, None on an empty lake; `base_hash`: main as it was then."""

    branch: str
    base: str | None
    base_hash: str
    run_id: str | None
    opened_at: datetime
    format: int = LAKE_FORMAT

    def operation(self, raw: Json | None) -> Json:
        """What a commit has to do to write it; `raw` is the namespace as it is."""
        facts = {
            _BRANCH: self.branch,
            "lakehouse.base": self.base or "",
            "lakehouse.base_hash": self.base_hash,
            "lakehouse.run_id": self.run_id or "",
            "lakehouse.opened_at": self.opened_at.isoformat(),
            "lakehouse.format": str(self.format),
        }
        namespace = raw or {"type": NAMESPACE, "elements": [RAW]}
        properties = {**namespace.get("properties", {}), **facts}
        return {"type": "PUT", "key": {"elements": [RAW]}, "content": namespace | {"properties": properties}}


def read_marker(nessie: Nessie, ref: str) -> tuple[Marker | None, str | None]:
    """The marker at a reference, with the hash at which it was read; None when there is none."""
    namespace, at = nessie.content(ref, RAW)
    facts = (namespace or {}).get("properties", {})
    if _BRANCH not in facts:
        return None, at
    marker = Marker(
        branch=facts[_BRANCH],
        base=facts["lakehouse.base"] or None,
        base_hash=facts["lakehouse.base_hash"],
        run_id=facts["lakehouse.run_id"] or None,
        opened_at=datetime.fromisoformat(facts["lakehouse.opened_at"]),
        format=int(facts["lakehouse.format"]),
    )
    return marker, at
