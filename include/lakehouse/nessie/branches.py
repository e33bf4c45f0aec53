"""Open branches: their records, whose turn the working branch is, and how one becomes main."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from include.errors import BranchError, ConflictError
from include.lakehouse.interface import LAKE_FORMAT, RAW
from include.lakehouse.nessie.api import BRANCH, ChangedError, MovedError, Nessie
from include.lakehouse.nessie.marker import Marker, read_marker
from include.lakehouse.nessie.versions import MAIN, OPEN, OPENING, PROMOTING, WORKING, Main, Versions

START_OVER = "clear the whole run to start it anew"


@dataclass(frozen=True)
class Place:
    """Where a branch is now: on the working branch, or where it stood when another one took that over."""

    reference: str
    hash: str
    marker: Marker

    @property
    def is_working(self) -> bool:
        """Whether it can be written."""
        return self.reference == WORKING


class Branches:
    """The open branches of one Nessie. Every method may be called again after a crash."""

    def __init__(self, nessie: Nessie, versions: Versions) -> None:
        self._nessie = nessie
        self._versions = versions

    def open(self, name: str, base: str | None, base_hash: str, run_id: str | None) -> None:
        """Give the working branch to `name`, from `base`; who had it is kept where it stands."""
        marker = Marker(name, base, base_hash, run_id, datetime.now(UTC))
        try:
            begun = self._begin(marker)
            self._park(name)
            self._point(OPEN + name, begun)
            self._point(WORKING, begun)
            self._drop(OPENING + name)
        except ChangedError as error:
            raise BranchError(f"somebody else opens a branch just now ({error.said}): try again") from None

    def place(self, name: str) -> Place | None:
        """Where the branch is; None when it is not open."""
        marker, at = read_marker(self._nessie, WORKING)
        record = self._nessie.reference(OPEN + name)
        if record is None:
            return None
        if marker is not None and at is not None and marker.branch == name:
            return Place(WORKING, at, marker)
        marker, _ = read_marker(self._nessie, f"@{record.hash}")
        return Place(record.name, record.hash, marker) if marker is not None else None

    def head(self, name: str) -> str:
        """The hash of the branch. Raises BranchError when it is not open."""
        place = self.place(name)
        if place is None:
            raise _gone(name)
        return place.hash

    def working(self, name: str) -> Place:
        """The branch, which can be written. Raises BranchError."""
        place = self.place(name)
        if place is None or self._versions.main().version == name:
            raise _gone(name)
        if not place.is_working:
            owner, _ = read_marker(self._nessie, WORKING)
            now = f"is that of {owner.branch} by now" if owner else "was removed"
            raise BranchError(f"{WORKING}, on which branch {name} was written, {now}: {START_OVER}")
        return place

    def drop(self, name: str) -> None:
        """Forget an open branch."""
        self._drop(OPEN + name)

    def promote(self, name: str, expected_head: str) -> None:
        """Make it main, by one commit and one compare-and-swap, then a version. See `interface.Lakehouse`."""
        self._versions.prepared()  # an earlier try may have moved main, and not come to the tag
        survey = self._versions.survey()
        if name not in survey.promoted:
            place = self._checked(name, expected_head)
            self._swap(name, self._squashed(name, place, survey.next_moment()), place.marker)
        elif not self._versions.is_part_of_main(name):
            raise BranchError(f"{name} was promoted and then rolled back: clear the whole run")
        for left in (PROMOTING + name, OPEN + name):
            with suppress(MovedError):  # another process works on it, and whoever comes last removes it
                self._drop(left)

    def roll_back(self, main: Main, to: str) -> None:
        """Let main name an older version. Raises ConflictError when somebody else moved it just now.

        BranchError when a commit of somebody else needs a tag whose name is taken.
        """
        self._versions.keep_strange(main, to)
        try:
            self._nessie.assign(MAIN, main.hash, to)
        except ChangedError as error:
            raise ConflictError(f"somebody else moved main just now ({error.said}): try again") from None

    def _checked(self, name: str, expected_head: str) -> Place:
        place = self.place(name)
        if place is None:
            raise BranchError(f"there is no branch {name}: {START_OVER}")
        main = self._versions.main()
        if main.hash != place.marker.base_hash:
            raise _conflict(name, place.marker, main.version)
        if place.hash != expected_head:
            raise BranchError(f"branch {name} changed after its audit: clear the whole run")
        return place

    def _squashed(self, name: str, place: Place, promoted_at: datetime) -> str:
        """One commit with all that the branch changed, on top of its base."""
        marker, scratch = place.marker, PROMOTING + name
        self._point(scratch, marker.base_hash)
        facts = {
            "version": name,
            "run_id": marker.run_id or "",
            "base": marker.base or "",
            "lake_format": str(LAKE_FORMAT),
            "opened_at": marker.opened_at.isoformat(),
            "promoted_at": promoted_at.isoformat(),
        }
        message = f"Promote {name}"
        try:
            return self._nessie.squash(scratch, marker.base_hash, place.reference, place.hash, message, facts)
        except ChangedError as error:
            raise BranchError(
                f"branch {name} cannot be promoted ({error.said}): clear the whole run"
            ) from None

    def _swap(self, name: str, squashed: str, marker: Marker) -> None:
        try:
            self._nessie.assign(MAIN, marker.base_hash, squashed)
        except MovedError:
            main = self._versions.prepared()
            if not self._versions.is_part_of_main(name):  # else it was our own swap, whose answer got lost
                raise _conflict(name, marker, main.version) from None
        else:
            self._versions.keep(name, squashed)

    def _begin(self, marker: Marker) -> str:
        """The first commit of a branch, which says whose it is."""
        scratch = OPENING + marker.branch
        self._point(scratch, marker.base_hash)
        raw, _ = self._nessie.content(f"@{marker.base_hash}", RAW)
        operations = [marker.operation(raw)]
        return self._nessie.commit(scratch, marker.base_hash, f"Open {marker.branch}", operations, {})

    def _park(self, name: str) -> None:
        """Let the record of the branch that is being written name all that it wrote."""
        marker, at = read_marker(self._nessie, WORKING)
        if marker is None or at is None or marker.branch == name:
            return
        if self._nessie.reference(OPEN + marker.branch) is not None:
            self._point(OPEN + marker.branch, at)

    def _point(self, branch: str, to: str) -> None:
        """Let a branch name this commit, wherever it was; made when absent."""
        ref = self._nessie.reference(branch)
        if ref is None:
            self._nessie.create(BRANCH, branch, to)
        else:
            self._nessie.assign(branch, ref.hash, to)

    def _drop(self, branch: str) -> None:
        ref = self._nessie.reference(branch)
        if ref is not None:
            self._nessie.delete(ref)


def _gone(name: str) -> BranchError:
    return BranchError(f"branch {name} was promoted or removed: clear the whole run")


def _conflict(name: str, marker: Marker, main: str | None) -> ConflictError:
    return ConflictError(
        f"main is {main}, but branch {name} was opened from {marker.base}: nothing was promoted, "
        "clear the whole run"
    )
