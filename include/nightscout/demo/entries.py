"""The entries of a local day as the uploaders left them, with everything that goes wrong on real sites."""

from collections.abc import Iterator
from datetime import date

from include.nightscout.demo.chance import between, falls_on, share
from include.nightscout.demo.days import MINUTE, at_clock, timestamp_text
from include.nightscout.demo.glucose import glucose_curve
from include.nightscout.demo.sensor import Measurement, measurements, sessions_around
from include.nightscout.demo.versions import (
    HOUR_MS,
    NEVER,
    SECOND_MS,
    Document,
    ObjectId,
    Version,
    document_id,
)

FOLLOWER = "share2"
NOTEBOOK = "notebook import"
LATE_BY_MS = 30 * HOUR_MS

SECOND_UPLOADER_EVERY = 5
LATE_UPLOAD_EVERY = 9
EDIT_EVERY = 7
DELETION_EVERY = 10
SOFT_DELETION_EVERY = 25
SENTINEL_EVERY = 9
CALIBRATION_EVERY = 12
FINGER_EVERY = 3


def entry_versions(day: date) -> tuple[Version, ...]:
    """Every version of every entry measured on a local day, in no particular order."""
    readings = list(_readings(day))
    twins = list(_twins(day, readings))
    faults = (_edited, _deleted, _soft_deleted, _sentinel)
    for fault in faults:
        readings = list(fault(day, readings))
    return (*readings, *twins, *_finger_readings(day), *_calibrations(day))


def _readings(day: date) -> Iterator[Version]:
    """What the sensor's own app uploads: at once, or 30 hours late for a block of hours on some days."""
    index = day.toordinal()
    late_from = late_until = 0.0
    if falls_on("late upload", day, LATE_UPLOAD_EVERY):
        late_from = at_clock(day, between("late upload hour", index, 11.5, 19)) * SECOND_MS
        late_until = late_from + between("late upload length", index, 1.5, 4) * HOUR_MS
    for reading in measurements(day):
        is_late = late_from <= reading.milliseconds < late_until
        arrived = reading.milliseconds + (LATE_BY_MS if is_late else 0)
        yield Version(reading.milliseconds, arrived, NEVER, _reading_document(reading, arrived))


def _reading_document(reading: Measurement, arrived: float) -> Document:
    """A G7 entry: `date` keeps fractions of a millisecond, `dateString` is cut to the second."""
    trend, direction = reading.trend
    text = timestamp_text(reading.milliseconds // SECOND_MS * SECOND_MS)
    document: Document = {
        "_id": ObjectId(document_id(f"reading {reading.slot}", arrived)),
        "type": "sgv",
        "sgv": reading.glucose_mg_dl,
        "date": reading.milliseconds,
        "dateString": text,
        "trend": trend,
        "direction": direction,
        "device": reading.session.device,
        "isCalibration": False,
        "utcOffset": 0,
        "sysTime": text,
    }
    if reading.rate is not None:
        document["trendRate"] = reading.rate
    return document


def _twins(day: date, readings: list[Version]) -> Iterator[Version]:
    """On some days a second uploader sends every reading again, seconds later, often without a direction."""
    if not falls_on("second uploader", day, SECOND_UPLOADER_EVERY):
        return
    for reading in readings:
        slot = int(reading.instant) // (5 * MINUTE * SECOND_MS)
        instant = int(reading.instant) + round(between("follower delay", slot, 1, 3) * SECOND_MS)
        arrived = instant + (LATE_BY_MS if reading.shown_from > reading.instant else 0)
        text = timestamp_text(instant)
        has_direction = share("follower direction", slot) > 0.3
        yield Version(
            instant,
            arrived,
            NEVER,
            {
                "_id": ObjectId(document_id(f"{FOLLOWER} {slot}", arrived)),
                "sgv": reading.document["sgv"],
                "date": instant,
                "dateString": text,
                "trend": reading.document["trend"] if has_direction else None,
                "direction": reading.document["direction"] if has_direction else None,
                "device": FOLLOWER,
                "type": "sgv",
                "utcOffset": 0,
                "sysTime": text,
            },
        )


def _in_clock_hours(day: date, readings: list[Version], first: float, last: float) -> list[Version]:
    """Readings between two clock hours. Each fault keeps to its own hours, so that none hides another."""
    start, end = at_clock(day, first) * SECOND_MS, at_clock(day, last) * SECOND_MS
    return [reading for reading in readings if start <= reading.instant < end]


def _one(name: str, day: date, candidates: list[Version]) -> Version | None:
    """One of the candidates, None when there are none (a gap took them)."""
    if not candidates:
        return None
    return candidates[int(share(name, day.toordinal()) * len(candidates))]


def _edited(day: date, readings: list[Version]) -> Iterator[Version]:
    """Now and then a value is corrected after a calibration, once, 6 to 24 hours later."""
    chosen = None
    if falls_on("edited reading", day, EDIT_EVERY):
        chosen = _one("edited reading", day, _in_clock_hours(day, readings, 9, 11))
    for reading in readings:
        if reading is not chosen:
            yield reading
            continue
        index = day.toordinal()
        delay = between("edited reading delay", index, 6, 24) * HOUR_MS
        step = 6 + int(share("edited reading step", index) * 12)
        yield from reading.edited_at(reading.shown_from + delay, sgv=reading.document["sgv"] + step)


def _deleted(day: date, readings: list[Version]) -> Iterator[Version]:
    """Now and then somebody removes up to three readings in a row, 2 to 40 hours later, without a trace."""
    doomed: list[Version] = []
    if falls_on("deleted reading", day, DELETION_EVERY):
        candidates = _in_clock_hours(day, readings, 7, 9)
        doomed = candidates[: 1 + int(share("deleted readings", day.toordinal()) * 3)]
    delay = between("deleted reading delay", day.toordinal(), 2, 40) * HOUR_MS
    for reading in readings:
        yield reading.deleted_at(reading.shown_from + delay) if reading in doomed else reading


def _soft_deleted(day: date, readings: list[Version]) -> Iterator[Version]:
    """Rarely a reading is marked as no longer valid: API v1 goes on answering with it."""
    chosen = None
    if falls_on("soft deletion", day, SOFT_DELETION_EVERY):
        chosen = _one("soft deletion", day, _in_clock_hours(day, readings, 5, 6))
    for reading in readings:
        if reading is chosen:
            yield from reading.edited_at(reading.shown_from + 9 * HOUR_MS, isValid=False)
        else:
            yield reading


def _sentinel(day: date, readings: list[Version]) -> Iterator[Version]:
    """Now and then the sensor sends an error code (5 not calibrated, 10 power deviation) as glucose."""
    chosen = None
    if falls_on("sentinel", day, SENTINEL_EVERY):
        chosen = _one("sentinel", day, _in_clock_hours(day, readings, 18, 20.4))
    for reading in readings:
        if reading is not chosen:
            yield reading
            continue
        code = 5 if day.toordinal() // SENTINEL_EVERY % 2 else 10
        document = {**reading.document, "sgv": code, "trend": 8, "direction": "NOT COMPUTABLE"}
        document.pop("trendRate", None)
        yield Version(reading.instant, reading.shown_from, reading.shown_until, document)


def _finger_readings(day: date) -> Iterator[Version]:
    """Blood glucose typed in from a notebook, with an `_id` that the importing program chose: it is text."""
    if falls_on("finger", day, FINGER_EVERY):
        instant = int(at_clock(day, between("finger hour", day.toordinal(), 7, 22)) * SECOND_MS)
        glucose_mg_dl = round(glucose_curve(day)(instant / SECOND_MS))
        yield _plain(instant, "mbg", {"mbg": glucose_mg_dl, "device": NOTEBOOK}, is_text=True)


def _calibrations(day: date) -> Iterator[Version]:
    """Calibration lines of a sensor: entries without any glucose."""
    if falls_on("calibration", day, CALIBRATION_EVERY):
        index = day.toordinal()
        instant = int(at_clock(day, between("calibration hour", index, 8, 21)) * SECOND_MS)
        slope = round(between("calibration slope", index, 800, 900), 2)
        line = {"slope": slope, "intercept": 30000, "scale": 1, "device": sessions_around(day)[0].device}
        yield _plain(instant, "cal", line)


def _plain(instant: int, kind: str, fields: Document, is_text: bool = False) -> Version:
    """An entry that arrives at once and never changes."""
    identifier = document_id(kind, instant)
    text = timestamp_text(instant)
    document = {
        "_id": identifier if is_text else ObjectId(identifier),
        "type": kind,
        "date": instant,
        "dateString": text,
        "utcOffset": 0,
        "sysTime": text,
        **fields,
    }
    return Version(instant, instant, NEVER, document)
