"""Versions and branches as Nessie's references tell them.

main                 what readers see; the commit it names has a property `version`
NAME (tag)           a version: the commit by which branch NAME was promoted
commit-DIGITS (tag)  a version: a commit that somebody else made on main, from which main was rolled back
wip_nightscout       the one branch on which Trino can write; whose it is says its marker
lakehouse.open.NAME  the record of an open branch: its first commit, or where it stood when another took over
lakehouse.opening.NAME, lakehouse.promote.NAME   being made; garbage for whoever comes next
lakehouse.empty (tag)                            main before its first version
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import chain, islice

from include.errors import BranchError, LakeFormatError
from include.lakehouse.interface import BY_HAND, LAKE_FORMAT, MODEL_SCHEMAS, RAW
from include.lakehouse.nessie.api import BRANCH, NAMESPACE, TAG, Commit, GoneError, MovedError, Nessie, Ref
from include.lakehouse.nessie.marker import Marker, read_marker
from include.lakehouse.versions import Record

MAIN = "main"
WORKING = "wip_nightscout"
# Nobody else picks such names, and no version or branch of ours can have one: those hold no dot.
OPEN = "lakehouse.open."
OPENING = "lakehouse.opening."
PROMOTING = "lakehouse.promote."
OURS = (OPEN, OPENING, PROMOTING)
EMPTY = "lakehouse.empty"

STRANGE = "commit-"  # a commit that somebody else made on main, as a version
_STRANGE_DIGITS = 16
_SEARCHED = 200  # how far back on main a commit of somebody else is looked for


@dataclass(frozen=True)
class Main:
    """Where main is. `version` is None before the first promote."""

    hash: str
    version: str | None
    commit: Commit | None


class Versions:
    """What the references of one Nessie say. Raises ServiceError, and LakeFormatError for a newer lake."""

    def __init__(self, nessie: Nessie) -> None:
        self._nessie = nessie

    def main(self) -> Main:
        """Where main is now."""
        ref = self._nessie.reference(MAIN)
        if ref is None:
            raise self._nessie.unusable("it has no branch main")
        return self.main_of(ref)

    def main_of(self, ref: Ref) -> Main:
        """What the branch main is, as it was seen. Raises LakeFormatError."""
        written, version = ref.properties.get("lake_format"), ref.properties.get("version")
        if version is None and ref.commit is not None:
            marker, _ = read_marker(self._nessie, f"@{ref.hash}")
            if marker is not None:
                written, version = str(marker.format), _strange(ref.hash)
        if written is not None and int(written) > LAKE_FORMAT:
            raise LakeFormatError(
                f"the lake on {self._nessie.uri} has format {written}, this program knows up to "
                f"{LAKE_FORMAT}: update the program"
            )
        return Main(ref.hash, version, ref.commit)

    def prepared(self) -> Main:
        """Main, with its namespaces made and its last version tagged, as a killed promote may have left it.

        Raises BranchError as `keep` does.
        """
        main = self.main()
        if main.version is None:
            return self._with_namespaces(main)
        commits = chain([main.commit], self._nessie.log(f"@{main.hash}"))  # others may have committed on top
        last = next((commit for commit in commits if commit and "version" in commit.properties), None)
        if last is not None:
            self.keep(last.properties["version"], last.hash)
        return main

    def keep(self, version: str, at: str) -> None:
        """Tag a version. Raises BranchError when somebody else's reference has its name."""
        try:
            self._nessie.create(TAG, version, at)
        except MovedError:
            raise BranchError(
                f"{version} is a version of main, but another reference of Nessie has that name, which its "
                "tag needs: rename or remove that reference, then try again"
            ) from None

    def keep_strange(self, main: Main, to: str) -> None:
        """Tag the last commit of somebody else that is part of main and not of `to`, to which main goes back.

        Nothing else names it then. What else they committed lies below it. Raises BranchError as `keep` does.
        """
        stays = {commit.hash for commit in self._nessie.log(f"@{to}")}
        for commit in self._nessie.log(f"@{main.hash}"):
            if commit.hash in stays:
                return
            if "version" not in commit.properties:
                self.keep(_strange(commit.hash), commit.hash)
                return

    def hash_of(self, version: str | None) -> str:
        """The commit of a version; None stands for the empty lake. Raises BranchError when it is not kept."""
        main = self.main()
        if version == main.version:
            return main.hash
        ref = self._nessie.reference(version or EMPTY)
        if ref is not None and ref.kind == TAG:
            return ref.hash
        if version is not None and version.startswith(STRANGE):
            digits = version.removeprefix(STRANGE)
            for commit in islice(self._nessie.log(MAIN), _SEARCHED):
                if commit.hash.startswith(digits):
                    return commit.hash
        raise BranchError(f"version {version} is not kept any more: clear the whole run")

    def tag(self, name: str) -> Ref | None:
        """The tag of a version."""
        ref = self._nessie.reference(name)
        return ref if ref is not None and _is_version(ref) else None

    def is_promoted(self, name: str) -> bool:
        """Whether a branch of this name became a version, that is kept."""
        return self.main().version == name or self.tag(name) is not None

    def is_part_of_main(self, name: str) -> bool:
        """Whether main is this version or descends from it."""
        tag = self.tag(name)
        return self.main().version == name or (tag is not None and tag.hash in self.ancestors([tag]))

    def ancestors(self, refs: list[Ref]) -> set[str]:
        """The hashes on main's log, at least as far back as the oldest of these references."""
        oldest = min((ref.commit.committed_at for ref in refs if ref.commit), default=datetime.now(UTC))
        found: set[str] = set()
        for commit in self._nessie.log(MAIN):
            found.add(commit.hash)
            if commit.committed_at < oldest:
                break
        return found

    def survey(self) -> "Survey":
        """All references at one moment."""
        return Survey(self, self._nessie, self._nessie.references())

    def _with_namespaces(self, main: Main) -> Main:
        """Without a first commit nothing could be merged; namespaces made by two branches would clash."""
        try:
            present = self._nessie.contents(f"@{main.hash}") if main.commit else {}
        except GoneError:
            raise self._nessie.unusable("main moved meanwhile") from None
        missing = [name for name in (RAW, *MODEL_SCHEMAS) if (name,) not in present]
        if missing:
            operations = [
                {
                    "type": "PUT",
                    "key": {"elements": [name]},
                    "content": {"type": NAMESPACE, "elements": [name], "properties": {}},
                }
                for name in missing
            ]
            properties = {"lake_format": str(LAKE_FORMAT)}
            try:
                self._nessie.commit(MAIN, main.hash, "Make the namespaces", operations, properties)
            except MovedError:  # another process was faster
                return self.prepared()
            main = self.main()
        if self._nessie.reference(EMPTY) is None:
            with suppress(MovedError):  # another process was faster
                self._nessie.create(TAG, EMPTY, main.hash)
        return main


class Survey:
    """All references at one moment, as the versions and branches that they are."""

    def __init__(self, versions: Versions, nessie: Nessie, refs: list[Ref]) -> None:
        self._nessie = nessie
        self._refs = {(ref.kind, ref.name): ref for ref in refs}
        self.main = versions.main_of(self._refs[BRANCH, MAIN])

    @cached_property
    def promoted(self) -> dict[str, Ref]:
        """Every version that is kept, by name; main's too when it was not tagged yet."""
        found = {ref.name: ref for ref in self._refs.values() if _is_version(ref)}
        if self.main.version is not None:
            found.setdefault(self.main.version, self._refs[BRANCH, MAIN])
        return found

    @cached_property
    def strange(self) -> set[str]:
        """Names of the versions that somebody else committed."""
        return {name for name, ref in self.promoted.items() if name == _strange(ref.hash)}

    @cached_property
    def open(self) -> dict[str, Ref]:
        """The record of every open branch, by the branch's name."""
        names = self._named(OPEN)
        return {name: ref for name, ref in names.items() if name not in self.promoted}

    @cached_property
    def by_hand(self) -> dict[str, Ref]:
        """Branches that other hands made, by name."""
        return {
            name: ref
            for (kind, name), ref in self._refs.items()
            if kind == BRANCH and name not in (MAIN, WORKING) and not name.startswith(OURS)
        }

    @property
    def litter(self) -> list[tuple[str, Ref]]:
        """What killed processes left half made, with the branch that it was for; also records of versions."""
        records = [(name, ref) for name, ref in self._named(OPEN).items() if name in self.promoted]
        return [*records, *self._named(OPENING).items(), *self._named(PROMOTING).items()]

    @cached_property
    def records(self) -> list[Record]:
        """Every version and branch, last opened first."""
        found = [_version(name, ref) for name, ref in self.promoted.items()]
        for name, ref in self.open.items():
            marker, _ = read_marker(self._nessie, f"@{ref.hash}")
            if marker is not None:
                found.append(_branch(name, marker))
        found += [_by_hand(name, ref) for name, ref in self.by_hand.items()]
        return sorted(found, key=lambda record: (record.opened_at, record.name), reverse=True)

    def next_moment(self) -> datetime:
        """Now, or just after the last promote where a clock was set back: their order must not change."""
        last = [record.promoted_at for record in self.records if record.promoted_at is not None]
        return max([datetime.now(UTC), *(at + timedelta(microseconds=1) for at in last)])

    def _named(self, prefix: str) -> dict[str, Ref]:
        return {
            name.removeprefix(prefix): ref
            for (kind, name), ref in self._refs.items()
            if kind == BRANCH and name.startswith(prefix)
        }


def _strange(at: str) -> str:
    return STRANGE + at[:_STRANGE_DIGITS]


def _is_version(ref: Ref) -> bool:
    """Whether it is the tag of a version; whose name others gave to a tag of theirs is none."""
    return ref.kind == TAG and ref.name in (ref.properties.get("version"), _strange(ref.hash))


def _version(name: str, ref: Ref) -> Record:
    facts = ref.properties
    committed_at = ref.commit.committed_at if ref.commit else datetime.now(UTC)
    promoted_at = facts.get("promoted_at")
    opened_at = facts.get("opened_at")
    return Record(
        name=name,
        lineage=(facts["base"],) if facts.get("base") else (),
        run_id=facts.get("run_id") or None,
        opened_at=datetime.fromisoformat(opened_at) if opened_at else committed_at,
        promoted_at=datetime.fromisoformat(promoted_at) if promoted_at else committed_at,
        format=int(facts.get("lake_format", LAKE_FORMAT)),
    )


def _by_hand(name: str, ref: Ref) -> Record:
    """Its base is the version that it still is, if it is one; what was done there is not ours to know."""
    version = ref.properties.get("version")
    opened_at = ref.commit.committed_at if ref.commit else datetime.now(UTC)
    return Record(name, (version,) if version else (), BY_HAND, opened_at)


def _branch(name: str, marker: Marker) -> Record:
    lineage = (marker.base,) if marker.base else ()
    return Record(name, lineage, marker.run_id, marker.opened_at, format=marker.format)
