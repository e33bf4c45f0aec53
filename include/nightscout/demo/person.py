"""The simulated person: what happens to them on a local day, before anything measures it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from math import exp

from include.nightscout.demo.chance import between, falls_on, share, spread
from include.nightscout.demo.days import MINUTE, at_clock

CARBS_PER_UNIT_GRAMS = 10
CORRECTION_MG_DL_PER_UNIT = 45

SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Wave:
    """A rise (or fall) of glucose that grows, peaks and fades away. Seconds and mg/dL."""

    start: float
    peak_after: float
    height: float

    def at(self, instant: float) -> float:
        """Its part in the glucose at an instant; exactly 0 before it starts and once it has faded."""
        phase = (instant - self.start) / self.peak_after
        if not 0 < phase < 6:
            return 0.0
        return self.height * phase * phase * exp(2 - 2 * phase)


@dataclass(frozen=True, slots=True)
class Pull:
    """A stretch that draws glucose towards a value, and reaches it in the middle. Seconds and mg/dL."""

    middle: float
    reach: float
    target: float

    def strength(self, instant: float) -> float:
        """0 outside, 1 in the middle, flat there and steep at the sides."""
        distance = (instant - self.middle) / self.reach
        if not -1 < distance < 1:
            return 0.0
        return float((1 - distance**4) ** 2)


@dataclass(frozen=True, slots=True)
class Meal:
    """Something eaten and the bolus for it; `surplus` is what the bolus missed, in mg/dL."""

    name: str
    eaten_at: float
    carbs_grams: int
    bolus_at: float
    insulin_units: float
    surplus: float


@dataclass(frozen=True, slots=True)
class Correction:
    """Insulin taken against a high (units), or carbs eaten against a low (grams)."""

    taken_at: float
    insulin_units: float = 0
    carbs_grams: int = 0


MEALS = (("breakfast", 7.25, 9.0, 34, 56), ("lunch", 12.75, 13.25, 45, 82), ("dinner", 18.9, 19.2, 50, 92))


@lru_cache(maxsize=256)
def meals(day: date) -> tuple[Meal, ...]:
    """Breakfast, lunch and dinner of a local day; later at weekends."""
    return tuple(_meal(day, *meal) for meal in MEALS)


def _meal(day: date, name: str, workday: float, weekend: float, lightest: float, heaviest: float) -> Meal:
    index = day.toordinal()
    usual = weekend if day.weekday() >= SATURDAY else workday
    eaten_at = at_clock(day, usual) + spread(f"{name} time", index) * 13 * MINUTE
    carbs = round(between(f"{name} carbs", index, lightest, heaviest))
    return Meal(
        name=name,
        eaten_at=eaten_at,
        carbs_grams=carbs,
        bolus_at=eaten_at + between(f"{name} lead", index, -14, 6) * MINUTE,
        insulin_units=round(carbs / CARBS_PER_UNIT_GRAMS * 20) / 20,
        surplus=spread(f"{name} surplus", index) * 44,
    )


def corrections(day: date) -> tuple[Correction, ...]:
    """What the person does about meals whose bolus missed by much: insulin when high, carbs when low."""
    index = day.toordinal()
    found = []
    for meal in meals(day):
        taken_at = meal.eaten_at + between(f"{meal.name} correction", index, 140, 185) * MINUTE
        if meal.surplus > 38:
            units = round(meal.surplus / CORRECTION_MG_DL_PER_UNIT * 20) / 20
            found.append(Correction(taken_at, insulin_units=units))
        elif meal.surplus < -52:
            found.append(
                Correction(taken_at, carbs_grams=12 + round(share(f"{meal.name} rescue", index) * 8))
            )
    return tuple(found)


def waves(day: date) -> Iterator[Wave]:
    """How the meals and corrections of a local day move glucose; the last fades 20 hours after its start."""
    index = day.toordinal()
    for meal in meals(day):
        absorbed = meal.carbs_grams * between(f"{meal.name} rise", index, 1.0, 1.9)
        peak_after = between(f"{meal.name} peak", index, 50, 80) * MINUTE
        yield Wave(meal.eaten_at, peak_after, absorbed)
        yield Wave(meal.eaten_at, between(f"{meal.name} tail", index, 140, 200) * MINUTE, meal.surplus)
    for correction in corrections(day):
        if correction.insulin_units:
            lowered = correction.insulin_units * CORRECTION_MG_DL_PER_UNIT * 0.8
            yield Wave(correction.taken_at, 110 * MINUTE, -lowered)
        else:
            yield Wave(correction.taken_at, 35 * MINUTE, correction.carbs_grams * 2.2)
    yield Wave(at_clock(day, 3.5), 200 * MINUTE, between("dawn", index, 18, 52))


PULLS = (  # name, once in so many days, clock hours, reach in minutes, target in mg/dL (each from and to)
    ("compression low", 6, 1.0, 5.0, 16, 30, 47, 66),
    ("low before lunch", 4, 10.8, 12.2, 28, 45, 56, 68),
    ("low in the afternoon", 5, 16.5, 17.8, 25, 42, 55, 69),
    ("very low", 6, 22.4, 23.1, 24, 40, 44, 53),
    ("high after dinner", 6, 20.5, 21.5, 80, 150, 262, 320),
    ("missed bolus", 9, 14.2, 15.5, 70, 130, 265, 340),
    ("below the sensor's range", 30, 3.0, 4.0, 24, 30, 30, 35),
    ("above the sensor's range", 25, 14.5, 15.2, 100, 140, 415, 440),
)


def pulls(day: date) -> Iterator[Pull]:
    """Lows and highs of a local day that no meal explains; each ends within the day or just after it."""
    index = day.toordinal()
    for name, every, earliest, latest, shortest, longest, lowest, highest in PULLS:
        if falls_on(name, day, every):
            yield Pull(
                middle=at_clock(day, between(f"{name} hour", index, earliest, latest)),
                reach=between(f"{name} reach", index, shortest, longest) * MINUTE,
                target=between(f"{name} target", index, lowest, highest),
            )
