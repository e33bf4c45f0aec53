"""The lakehouse on Nessie: a branch is a Nessie branch, a version is a tag, promoting moves main at once."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from include.errors import BranchError, InputError, ServiceError
from include.lakehouse.engine import rows_of
from include.lakehouse.interface import BRANCH_AGE, FILE_GRACE, BranchInfo, Swept, Version
from include.lakehouse.names import checked_name, lake_is_empty, name_is_taken
from include.lakehouse.nessie.api import BRANCH, MovedError, Nessie
from include.lakehouse.nessie.branches import START_OVER, Branches
from include.lakehouse.nessie.loopback import spare_loopback
from include.lakehouse.nessie.reader import Reader
from include.lakehouse.nessie.reference import NessieBranch, NessieReference, Services
from include.lakehouse.nessie.stage_files import StageFiles
from include.lakehouse.nessie.trino import MAIN_CATALOG, Trino
from include.lakehouse.nessie.versions import MAIN, WORKING, Versions
from include.lakehouse.upkeep import KEPT_DAYS, kept_names
from include.lakehouse.versions import history
from include.stack.connection import LakeConnection

TRIES = 3  # to ask main between two promotes


class NessieLakehouse:
    """See `interface.Lakehouse`. Every method raises ServiceError when a service does not answer."""

    def __init__(self, connection: LakeConnection, trino: Trino, home: Path, dbt_folder: Path) -> None:
        spare_loopback()
        self._connection = connection
        self._trino = trino
        self._home = home
        self._dbt_folder = dbt_folder
        self._nessie = Nessie(connection.nessie_uri)
        self._versions = Versions(self._nessie)
        self._branches = Branches(self._nessie, self._versions)

    def stage_folder(self) -> tuple[StageFiles, str]:
        """See `interface.Lakehouse.stage_folder`."""
        return StageFiles(self._connection), self._connection.stage

    def main_version(self) -> str | None:
        """See `interface.Lakehouse.main_version`."""
        return self._versions.main().version

    def history(self) -> list[Version]:
        """See `interface.Lakehouse.history`."""
        survey = self._versions.survey()
        ancestors = self._versions.ancestors(list(survey.promoted.values()))
        superseded = {name for name, ref in survey.promoted.items() if ref.hash not in ancestors}
        return history(survey.records, survey.main.version, superseded)

    def branches(self) -> list[BranchInfo]:
        """See `interface.Lakehouse.branches`."""
        return [record.as_branch() for record in self._versions.survey().records]

    def open_branch(self, name: str, base: str | None, *, run_id: str | None = None) -> NessieBranch:
        """See `interface.Lakehouse.open_branch`. One branch is written at a time; queries on it are ended."""
        checked_name(name)
        self._versions.prepared()
        if self._versions.is_promoted(name):
            raise BranchError(f"branch {name} was promoted already: {START_OVER}")
        base_hash = self._versions.hash_of(base)
        self._trino.kill_left_over()
        self._branches.open(name, base, base_hash, run_id)
        return NessieBranch(self._services, name, base, base_hash)

    def branch(self, name: str) -> NessieBranch:
        """See `interface.Lakehouse.branch`. Raises BranchError too when another branch is being written."""
        if self._versions.is_promoted(name):
            raise BranchError(f"branch {name} was promoted already: {START_OVER}")
        if self._branches.place(name) is None:
            raise BranchError(f"there is no branch {name}: {START_OVER}")
        marker = self._branches.working(name).marker
        return NessieBranch(self._services, name, marker.base, marker.base_hash)

    def create_branch(self, name: str) -> None:
        """See `interface.Lakehouse.create_branch`: a branch of Nessie, which any client may write."""
        main = self._versions.main()
        if main.version is None:
            raise lake_is_empty()
        is_taken = name == WORKING or self._nessie.reference(checked_name(name)) is not None
        if is_taken or self._branches.place(name) is not None:
            raise name_is_taken(name)
        try:
            self._nessie.create(BRANCH, name, main.hash)
        except MovedError:  # since we looked
            raise name_is_taken(name) from None

    def drop_branch(self, name: str) -> None:
        """See `interface.Lakehouse.drop_branch`."""
        survey = self._versions.survey()
        if name in survey.by_hand:
            self._nessie.delete(survey.by_hand[name])
            return
        if name in survey.promoted:
            raise InputError(f"{name} is a version of the lake, not an open branch; sweeps remove versions")
        if name not in survey.open:
            raise InputError(f"there is no branch {name}; open ones: {', '.join(survey.open) or 'none'}")
        self._branches.drop(name)

    def promote(self, name: str, expected_head: str) -> None:
        """See `interface.Lakehouse.promote`."""
        self._branches.promote(name, expected_head)

    def rollback(self, version: str) -> None:
        """See `interface.Lakehouse.rollback`. What somebody else committed on main is kept by a tag."""
        self._versions.prepared()
        survey = self._versions.survey()
        if version not in survey.promoted:
            kept = [record.name for record in survey.records if record.promoted_at is not None]
            raise InputError(f"there is no version {version}; kept are: {', '.join(kept) or 'none'}")
        self._branches.roll_back(survey.main, survey.promoted[version].hash)

    def at(self, ref: str = "main") -> NessieReference:
        """See `interface.Lakehouse.at`; any other branch or tag of Nessie may be read too."""
        main = self._versions.main()
        if ref in ("main", main.version):
            if main.version is None:
                raise lake_is_empty()
            return NessieReference(self._services, main.version, lambda: main.hash)
        found = self._nessie.reference(checked_name(ref))
        if found is not None and found.kind != BRANCH:
            return NessieReference(self._services, ref, lambda: found.hash)
        if self._branches.place(ref) is not None:
            return NessieReference(self._services, ref, partial(self._branches.head, ref))
        if found is not None:
            return NessieReference(self._services, ref, lambda: found.hash)
        known = ", ".join(branch.name for branch in self.branches()) or "none"
        raise InputError(f"there is no version or branch {ref}; known besides main: {known}")

    def ask(self, sql: str, ref: str = MAIN) -> tuple[list[str], list[tuple[Any, ...]]]:
        """See `interface.Lakehouse.ask`: Trino reads main, and knows no versions."""
        if ref != MAIN:
            return rows_of(self.at(ref).query(sql))
        for _ in range(TRIES):
            before = self._versions.main()
            if before.version is None:
                raise lake_is_empty()
            answer = self._trino.ask(sql, MAIN_CATALOG)
            if self._versions.main() == before:  # else its tables may be of two versions
                return answer
        raise ServiceError("main moved each time that it was asked: try again")

    def sweep(
        self,
        in_use: Collection[str] = (),
        *,
        branch_age: timedelta = BRANCH_AGE,
        file_grace: timedelta = FILE_GRACE,  # noqa: ARG002 (see below)
    ) -> Swept:
        """See `interface.Lakehouse.sweep`. Files are left to Nessie's own collector."""
        self._versions.prepared()
        survey = self._versions.survey()
        now = datetime.now(UTC)
        week_ago = now - timedelta(days=KEPT_DAYS)
        kept = kept_names(survey.records, survey.main.version, in_use, branch_age, now, week_ago)
        kept |= survey.strange  # their tag may be all that names them, and nobody can make them again
        versions = {name: ref for name, ref in survey.promoted.items() if name not in kept}
        branches = {name: ref for name, ref in survey.open.items() if name not in kept}
        litter = [ref for name, ref in survey.litter if name not in in_use]
        for ref in [*versions.values(), *branches.values(), *litter]:
            try:
                self._nessie.delete(ref)
            except MovedError:  # somebody uses it after all
                continue
        return Swept(versions=tuple(versions), branches=tuple(branches), file_count=0)

    @cached_property
    def _services(self) -> Services:
        return Services(
            self._connection,
            self._nessie,
            self._versions,
            self._branches,
            self._trino,
            Reader(self._home, self._connection),
            self._dbt_folder,
        )
