"""What a lake forgets: old snapshots, old versions, stale branches, files that nothing reaches."""

import time
from collections.abc import Collection, Iterable
from datetime import date, datetime, timedelta
from pathlib import Path

from pyiceberg.table import StaticTable, Table

from include.lakehouse.catalog import table_locations
from include.lakehouse.interface import BY_HAND
from include.lakehouse.versions import Record

KEPT_VERSIONS = 7
KEPT_DAYS = 7

_SCHEME = "file://"


def expire_snapshots(table: Table, keep: int) -> None:
    """Forget all but the last `keep` snapshots; a commit costs as much as there are."""
    heads = {reference.snapshot_id for reference in table.refs().values()}
    ordered = sorted(table.metadata.snapshots, key=lambda snapshot: snapshot.sequence_number or 0)
    older = [snapshot.snapshot_id for snapshot in ordered[:-keep] if snapshot.snapshot_id not in heads]
    if older:
        table.maintenance.expire_snapshots().by_ids(older).commit()


def kept_names(
    records: Collection[Record],
    main: str | None,
    in_use: Collection[str],
    branch_age: timedelta,
    now: datetime,
    keep_all_since: datetime | None = None,
) -> set[str]:
    """Names of the versions and branches that a sweep leaves alone, by `interface.Lakehouse.sweep`.

    `keep_all_since` is for a lake in which a version is no more than a name: all since then are kept, and the
    last one of every day before.
    """
    branches = [
        record
        for record in records
        if record.promoted_at is None
        and (record.run_id == BY_HAND or record.name in in_use or now - record.opened_at < branch_age)
    ]
    promoted = sorted(
        ((record.promoted_at, record.name) for record in records if record.promoted_at is not None),
        reverse=True,
    )
    first_day = now.date() - timedelta(days=KEPT_DAYS - 1)
    first_kept_day = first_day if keep_all_since is None else date.min
    last_of_day = {at.date(): name for at, name in reversed(promoted) if at.date() >= first_kept_day}
    kept = {name for _, name in promoted[:KEPT_VERSIONS]} | set(last_of_day.values())
    kept |= {name for at, name in promoted if keep_all_since is not None and at >= keep_all_since}
    kept |= {record.name for record in branches} | {record.base for record in branches if record.base}
    return kept | ({main} if main else set())


def remove_unreachable(warehouse: Path, catalogs: Iterable[Path], grace: timedelta) -> int:
    """Delete the files that no table of these catalogs can reach and that are older than `grace`."""
    newest = time.time() - grace.total_seconds()
    candidates = {path for path in warehouse.rglob("*") if path.is_file() and path.stat().st_mtime < newest}
    if candidates:
        candidates -= _reachable(catalogs)
    for path in candidates:
        path.unlink(missing_ok=True)
    return len(candidates)


def _reachable(catalogs: Iterable[Path]) -> set[Path]:
    locations = {location for catalog in catalogs for location in table_locations(catalog).values()}
    found: set[str] = set(locations)
    for location in locations:
        table = StaticTable.from_metadata(location)
        found |= {entry.metadata_file for entry in table.metadata.metadata_log}
        for snapshot in table.metadata.snapshots:
            if snapshot.manifest_list in found:
                continue
            found.add(snapshot.manifest_list)
            for manifest in snapshot.manifests(table.io):
                if manifest.manifest_path not in found:
                    found.add(manifest.manifest_path)
                    found |= {e.data_file.file_path for e in manifest.fetch_manifest_entry(table.io)}
    return {Path(uri.removeprefix(_SCHEME)) for uri in found}
