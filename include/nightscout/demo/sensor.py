"""The person's CGM sensor: when it measures, what it shows, and when it is silent."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from include.nightscout.demo.chance import between, falls_on, share, smooth, spread
from include.nightscout.demo.days import FIRST_DAY, HOUR, MINUTE, ONE_DAY, at_clock, day_end, day_start
from include.nightscout.demo.glucose import glucose_curve
from include.nightscout.demo.versions import plain_number

SLOT = 5 * MINUTE
SESSION_DAYS = 10
WARM_UP = 2 * HOUR
SHOWN_WHEN_LOW_MG_DL = 39
SHOWN_WHEN_HIGH_MG_DL = 401
SERIAL_LETTERS = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"

GAPS = (  # name, once in so many days, clock hours from and to, minutes from and to
    ("phone left behind", 4, 6.5, 13.0, 20, 110),
    ("phone's battery empty", 27, 18.0, 20.0, 500, 840),
)
MISSED_READING = 0.006

DIRECTIONS = (  # falling or rising at least this fast (mg/dL a minute), Nightscout's trend number, its name
    (3.0, 1, "DoubleUp"),
    (2.0, 2, "SingleUp"),
    (1.0, 3, "FortyFiveUp"),
    (-1.0, 4, "Flat"),
    (-2.0, 5, "FortyFiveDown"),
    (-3.0, 6, "SingleDown"),
)


@dataclass(frozen=True, slots=True)
class Session:
    """One sensor on the skin, from the moment it is started until the next one is."""

    number: int
    started_at: float
    serial: str

    @property
    def device(self) -> str:
        """How the uploader names it; the serial changes with each sensor."""
        return f"Dexcom G7 DXCM{self.serial}"

    @property
    def factor(self) -> float:
        """How this sensor reads against a perfect one."""
        return between("sensor factor", self.number, 0.97, 1.03)

    @property
    def phase(self) -> float:
        """Seconds into each slot of five minutes at which this sensor measures."""
        return between("sensor phase", self.number, 15, 270)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One reading as the sensor makes it; `rate` (mg/dL a minute) is None just after a silence."""

    slot: int
    milliseconds: float
    glucose_mg_dl: int
    rate: float | None
    session: Session

    @property
    def trend(self) -> tuple[int, str]:
        """Nightscout's trend number and direction for the rate of the last 15 minutes."""
        if self.rate is None:
            return 8, "NOT COMPUTABLE"
        rate = self.rate
        return next(
            ((number, name) for least, number, name in DIRECTIONS if rate >= least), (7, "DoubleDown")
        )


@lru_cache(maxsize=64)
def session(number: int) -> Session:
    """The sensor started in the given ten days since FIRST_DAY, in the person's waking hours."""
    first = FIRST_DAY + timedelta(days=SESSION_DAYS * number)
    started_at = at_clock(first, between("sensor start", number, 9, 20))
    return Session(number, started_at, _serial(number))


def _serial(number: int) -> str:
    """Two characters that no sensor near this one carries."""
    first, second = divmod((number * 37 + 411) % len(SERIAL_LETTERS) ** 2, len(SERIAL_LETTERS))
    return SERIAL_LETTERS[first] + SERIAL_LETTERS[second]


def sessions_around(day: date) -> tuple[Session, Session]:
    """The sensor worn when a local day starts, and the next one."""
    number = (day - FIRST_DAY).days // SESSION_DAYS
    current = session(number)
    if current.started_at > day_start(day):
        return session(number - 1), current
    return current, session(number + 1)


def silences(day: date) -> Iterator[tuple[float, float]]:
    """From when to when, in epoch seconds, no reading of a local day (or of its evening before) arrives."""
    for worn in sessions_around(day):
        yield worn.started_at - SLOT, worn.started_at + WARM_UP  # the old one comes off before
    for each in (day - ONE_DAY, day):
        index = each.toordinal()
        for name, every, earliest, latest, shortest, longest in GAPS:
            if falls_on(name, each, every):
                start = at_clock(each, between(f"{name} hour", index, earliest, latest))
                yield start, start + between(f"{name} length", index, shortest, longest) * MINUTE


def measurements(day: date) -> list[Measurement]:
    """Every reading the sensor makes on a local day, oldest first."""
    curve = glucose_curve(day)
    before, after = sessions_around(day)
    quiet = list(silences(day))
    shown: dict[int, int] = {}
    found = []
    first, end = day_start(day) // SLOT, day_end(day) // SLOT
    for slot in range(first - 3, end):
        worn = before if slot * SLOT + before.phase < after.started_at else after
        instant = slot * SLOT + worn.phase + spread("jitter", slot)
        if share("missed reading", slot) < MISSED_READING or any(a <= instant < b for a, b in quiet):
            continue
        value = curve(instant) * worn.factor + 3 * smooth("sensor noise", instant, 14 * MINUTE)
        shown[slot] = round(value + 0.6 * spread("sensor noise", slot))
        if slot >= first:
            milliseconds = round(instant * 1000, 4)
            clipped = _clip(shown[slot])
            found.append(Measurement(slot, milliseconds, clipped, _rate(shown, slot), worn))
    return found


def _clip(glucose_mg_dl: int) -> int:
    """What the display shows: 39 stands for everything below 40, 401 for everything above 400."""
    return min(max(glucose_mg_dl, SHOWN_WHEN_LOW_MG_DL), SHOWN_WHEN_HIGH_MG_DL)


def _rate(shown: dict[int, int], slot: int) -> float | None:
    """Change over the last 15 minutes in mg/dL a minute; None unless the reading 15 minutes ago exists."""
    earlier = shown.get(slot - 3)
    return None if earlier is None else plain_number((shown[slot] - earlier) / 15, 1)
