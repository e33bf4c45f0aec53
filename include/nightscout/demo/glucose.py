"""The person's glucose as a curve: what a perfect meter would show at any instant."""

from collections.abc import Callable
from datetime import date

from include.nightscout.demo.chance import smooth
from include.nightscout.demo.days import HOUR, MINUTE, ONE_DAY
from include.nightscout.demo.person import pulls, waves

FASTING_MG_DL = 121
GUARDED_BELOW_MG_DL = 90
GUARD = 0.75


def glucose_curve(day: date) -> Callable[[float], float]:
    """The curve around a local day: epoch seconds to mg/dL.

    Valid from six hours before the day to its end. Curves of neighbouring days agree where both are
    valid, because a wave fades within 20 hours: glucose has no seam at midnight. The body guards
    against lows: what would fall far below GUARDED_BELOW_MG_DL falls by GUARD of that.
    """
    both = (day - ONE_DAY, day)
    moving = [wave for each in both for wave in waves(each)]
    drawing = [pull for each in both for pull in pulls(each)]

    def glucose_mg_dl(instant: float) -> float:
        value = FASTING_MG_DL + sum(wave.at(instant) for wave in moving)
        value += 34 * smooth("days", instant, 40 * HOUR) + 26 * smooth("hours", instant, 5 * HOUR)
        value += 7 * smooth("minutes", instant, 70 * MINUTE)
        if value < GUARDED_BELOW_MG_DL:
            value -= (1 - GUARD) * (value - GUARDED_BELOW_MG_DL)
        for pull in drawing:
            value += pull.strength(instant) * (pull.target - value)
        return value

    return glucose_mg_dl
