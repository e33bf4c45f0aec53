"""The person's profiles: a new document with every year's check-up, each corrected once a month later."""

from datetime import date, datetime

from include.nightscout.demo.chance import between
from include.nightscout.demo.days import DEMO_ZONE, FIRST_DAY, at_clock, local_day, timestamp_text
from include.nightscout.demo.treatments import BASAL_UNITS_PER_HOUR
from include.nightscout.demo.versions import HOUR_MS, SECOND_MS, Document, ObjectId, document_id
from include.nightscout.windows import milliseconds

CORRECTED_AFTER_MS = 30 * 24 * HOUR_MS
PUSH_TOKEN = "7f" * 32  # of a telephone that nobody has; real profiles hold one, and it must not be kept


def profiles(now: datetime) -> list[Document]:
    """What the site holds at `now` (aware), newest first; the caller owns it."""
    last = local_day(milliseconds(now)).year
    days = [date(year, 1, 8) for year in range(last, FIRST_DAY.year, -1)]
    found = [_profile(day, milliseconds(now)) for day in (*days, FIRST_DAY)]
    return [document for document in found if document["mills"] <= milliseconds(now)]


def _profile(day: date, now: float) -> Document:
    since = int(at_clock(day, 0 if day == FIRST_DAY else 10.5) * SECOND_MS)
    is_corrected = now >= since + CORRECTED_AFTER_MS
    store = {
        "dia": 6,
        "timezone": DEMO_ZONE,
        "units": "mg/dl",
        "basal": [_setting(hour, units) for hour, units in BASAL_UNITS_PER_HOUR],
        "carbratio": [_setting(0, round(between("carb ratio", day.year, 9, 11), 1))],
        "sens": [_setting(0, 45)],
        "target_low": [_setting(0, 100)],
        "target_high": [_setting(0, 110 if is_corrected else 115)],
    }
    return {
        "_id": ObjectId(document_id("profile", since)),
        "defaultProfile": "Default",
        "startDate": timestamp_text(since),
        "mills": since,
        "units": "mg/dl",
        "store": {"Default": store},
        "loopSettings": {"deviceToken": PUSH_TOKEN, "dosingEnabled": True},
        "enteredBy": "Loop",
        "created_at": timestamp_text(since),
    }


def _setting(hour: int, value: float) -> Document:
    return {"time": f"{hour:02d}:00", "value": value, "timeAsSeconds": hour * 3600}
