"""What the person's loop reports about itself every five minutes: two of three times it sets a dose."""

from collections.abc import Iterator
from datetime import date

from include.nightscout.demo.chance import between, share
from include.nightscout.demo.days import HOUR, MINUTE, ONE_DAY, day_end, day_start, timestamp_text
from include.nightscout.demo.person import corrections, meals
from include.nightscout.demo.versions import NEVER, SECOND_MS, Document, ObjectId, Version, document_id

STEP = 5 * MINUTE
INSULIN_LASTS = 6 * HOUR
CARBS_LAST = 3 * HOUR
RESERVOIR_UNITS, RESERVOIR_DAYS = 180, 3
FAILED_ONCE_IN = 200

Amounts = list[tuple[float, float]]  # (taken at, in epoch seconds; units or grams)


def device_status_versions(day: date) -> Iterator[Version]:
    """Every report of a local day; none is ever changed or deleted."""
    doses = [*_doses(day - ONE_DAY), *_doses(day)]
    carbs = [*_carbs(day - ONE_DAY), *_carbs(day)]
    for step in range(-(-day_start(day) // STEP), -(-day_end(day) // STEP)):
        seconds = step * STEP + between("device status delay", step, 1, 40)
        instant = int(seconds * SECOND_MS)
        document = {
            "_id": ObjectId(document_id("device status", instant)),
            "device": "loop://iPhone",
            "created_at": timestamp_text(instant),
            "loop": _loop(
                step, instant, _left(doses, seconds, INSULIN_LASTS), _left(carbs, seconds, CARBS_LAST)
            ),
            "pump": _pump(step),
            "uploader": {"name": "iPhone", "battery": 100 - step % 240 // 3},
            "utcOffset": 0,
        }
        yield Version(instant, instant, NEVER, document)


def _loop(step: int, instant: int, units: float, grams: float) -> Document:
    at = timestamp_text(instant)
    loop: Document = {
        "name": "Loop",
        "timestamp": at,
        "iob": {"timestamp": at, "iob": round(units, 4)},
        "cob": {"timestamp": at, "cob": round(grams, 2)},
        "predicted": {"startDate": at, "values": [120, 121, 123]},
    }
    if int(share("loop failed", step) * FAILED_ONCE_IN) == 0:
        loop["failureReason"] = "pumpDataTooOld"
    elif share("loop enacted", step) < 2 / 3:
        loop["enacted"] = {"timestamp": at, "rate": 0.8, "duration": 30, "received": True}
    return loop


def _pump(step: int) -> Document:
    days = step * STEP / (24 * HOUR) % RESERVOIR_DAYS
    left = RESERVOIR_UNITS * (1 - 0.7 * days / RESERVOIR_DAYS)
    return {"battery": {"percent": round(100 - 20 * days)}, "reservoir": round(left, 2), "suspended": False}


def _left(taken: Amounts, seconds: float, lasts: float) -> float:
    """What has not acted yet, falling evenly."""
    ages = ((seconds - at, amount) for at, amount in taken)
    return sum(amount * (1 - age / lasts) for age, amount in ages if 0 <= age < lasts)


def _doses(day: date) -> Iterator[tuple[float, float]]:
    yield from ((meal.bolus_at, meal.insulin_units) for meal in meals(day))
    yield from ((one.taken_at, one.insulin_units) for one in corrections(day))


def _carbs(day: date) -> Iterator[tuple[float, float]]:
    yield from ((meal.eaten_at, meal.carbs_grams) for meal in meals(day))
    yield from ((one.taken_at, one.carbs_grams) for one in corrections(day))
