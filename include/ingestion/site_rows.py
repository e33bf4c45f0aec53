"""`raw.sites`: the configured sites with their time zones, and those that were configured once."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.table import Table

from include.nightscout.sites import Site
from include.nightscout.zones import day_start
from include.schemas import RAW_TABLES, arrow_schema

SINCE_EVER = date.min
_SINCE_EVER_AT = datetime.min.replace(tzinfo=UTC)


def site_rows(sites: Sequence[Site]) -> pa.Table:
    """One row a site and zone validity. A zone takes over when its first local day starts in it."""
    rows = [row for site in sites for row in _validities(site)]
    return pa.Table.from_pylist(rows, schema=arrow_schema(RAW_TABLES["sites"]))


def write_sites(table: Table, sites: Sequence[Site]) -> bool:
    """Let the table show the configured sites as they are now; rows of other sites stay.

    Whether anything was written: a table that shows them already is left alone.
    """
    schema = arrow_schema(RAW_TABLES["sites"])
    stored = table.scan().to_arrow().cast(schema) if table.current_snapshot() else schema.empty_table()
    configured = pa.array([site.site_id for site in sites], pa.string())
    others = stored.filter(pc.invert(pc.is_in(stored["site_id"], configured)))
    wanted = _sorted(pa.concat_tables([others, site_rows(sites)]))
    if wanted.equals(_sorted(stored)):
        return False
    if len(stored):
        table.overwrite(wanted)
    else:
        table.append(wanted)
    return True


def _validities(site: Site) -> list[dict[str, Any]]:
    starts = [
        _SINCE_EVER_AT if v.valid_from is None else day_start(site.zones, v.valid_from) for v in site.zones
    ]
    return [
        {
            "site_id": site.site_id,
            "zone": validity.zone,
            "valid_from": validity.valid_from or SINCE_EVER,
            "valid_from_at": start,
            "valid_to_at": end,
            "target_set": site.target_set,
            "is_demo": site.is_demo,
            "origin": site.origin,
            "display_units": site.display_units,
        }
        for validity, start, end in zip(site.zones, starts, [*starts[1:], None], strict=True)
    ]


def _sorted(rows: pa.Table) -> pa.Table:
    return rows.sort_by([("site_id", "ascending"), ("valid_from", "ascending")]).combine_chunks()
