"""A window: one site, one collection and the half-open stretch of time that one read covers."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Self

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


class Collection(StrEnum):
    """The collections of a site that are read; the values are Nightscout's own names."""

    ENTRIES = "entries"
    TREATMENTS = "treatments"
    PROFILES = "profile"
    DEVICE_STATUS = "devicestatus"

    @property
    def is_read_whole(self) -> bool:
        """Whether every read asks for all documents: a site filters profiles by nothing, and has few."""
        return self is Collection.PROFILES

    @property
    def filter_field(self) -> str:
        """The field of a document by which a site filters, or else sorts, this collection."""
        return _FILTER_FIELDS[self]

    @property
    def filter_column(self) -> str:
        """The column of the raw table that keeps this field as it was sent."""
        return _FILTER_COLUMNS.get(self, self.filter_field)

    def filter_bound(self, instant: datetime) -> int | str:
        """An instant in the one form that a site compares as meant: a number for entries, else text.

        ISO text or seconds select every entry there.
        """
        return milliseconds(instant) if self is Collection.ENTRIES else iso_milliseconds(instant)


_FILTER_FIELDS = {
    Collection.ENTRIES: "date",
    Collection.TREATMENTS: "created_at",
    Collection.PROFILES: "startDate",
    Collection.DEVICE_STATUS: "created_at",
}
_FILTER_COLUMNS = {Collection.PROFILES: "start_date"}

DAY_COLLECTIONS = (Collection.ENTRIES, Collection.TREATMENTS)
"""Those that make a day whole and say how far a site's data reaches. What cannot be read of another one
leaves that collection out, not its site."""


def utc_now() -> datetime:
    """The present instant, aware, in UTC."""
    return datetime.now(UTC)


def milliseconds(instant: datetime) -> int:
    """Epoch milliseconds of an aware instant, rounded down; exact, without passing through a float."""
    return (instant - EPOCH) // MILLISECOND


def iso_milliseconds(instant: datetime) -> str:
    """`YYYY-MM-DDTHH:MM:SS.mmmZ` of an aware instant: the form in which Nightscout stores `created_at`."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, order=True)
class Window:
    """Half-open `[start, end)` of one site and collection.

    Bounds are aware; they are kept in UTC and cut to whole milliseconds, the finest a site's filter can
    tell apart, so that a window never claims to have read more than it asked for. A window that is
    empty, or a bound without a time zone, is a ValueError.
    """

    site_id: str
    collection: Collection
    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            bound: datetime = getattr(self, name)
            if bound.utcoffset() is None:
                raise ValueError(f"the {name} of a window must carry a time zone: {bound.isoformat()}")
            object.__setattr__(self, name, EPOCH + milliseconds(bound) * MILLISECOND)
        if self.start >= self.end:
            raise ValueError(f"a window must end after it starts: {self.start} to {self.end}")

    @property
    def key(self) -> str:
        """`20241015T070000000Z-20241016T070000000Z`: sorts by time and is safe as a file name."""
        return "-".join(
            iso_milliseconds(bound).translate({ord(mark): None for mark in "-:."})
            for bound in (self.start, self.end)
        )

    def contains(self, other: "Window") -> bool:
        """Whether `other` is of the same site and collection and lies wholly inside this window."""
        return (
            self.site_id == other.site_id
            and self.collection == other.collection
            and self.start <= other.start
            and other.end <= self.end
        )

    def as_dict(self) -> dict[str, str]:
        """JSON-safe; `from_dict` gives the same window back."""
        return {
            "site_id": self.site_id,
            "collection": self.collection.value,
            "start": iso_milliseconds(self.start),
            "end": iso_milliseconds(self.end),
        }

    @classmethod
    def from_dict(cls, window: dict[str, str]) -> Self:
        """The window that `as_dict` described."""
        return cls(
            window["site_id"],
            Collection(window["collection"]),
            datetime.fromisoformat(window["start"]),
            datetime.fromisoformat(window["end"]),
        )
