"""Why a part of the report is grey: what is missing, in the words that stand there."""

from math import floor

from include.glucose import SUFFICIENT_PCT
from include.report.marts import Row
from include.report.wording import percent

GMI_DAYS = 14
FEW_READINGS = 30  # below it a standard deviation says little


def shortfall(period: Row) -> str | None:
    """Why a row of `mrt_glucose_periods` does not hold enough data to judge by; None when it does."""
    if period["is_sufficient"]:
        return None
    held, all_days = period["day_count"], period["period_days"]
    if not held:
        return f"no day of these {all_days} holds a reading"
    verb = "holds" if held == 1 else "hold"
    return (
        f"{held} of {all_days} days {verb} data, {_rounded_down(period['coverage_pct'])} of the expected "
        f"readings; {SUFFICIENT_PCT} % are needed"
    )


def gmi_reason(period: Row) -> str | None:
    """Why there is no GMI; None when there is one."""
    if period["period_days"] < GMI_DAYS:
        return f"GMI needs a period of {GMI_DAYS} days"
    return shortfall(period)


def deviation_reason(period: Row) -> str | None:
    """Why the standard deviation, and the coefficient of variation, say little; None when they do."""
    if period["reading_count"] < FEW_READINGS:
        return f"fewer than {FEW_READINGS} readings"
    return shortfall(period)


def _rounded_down(share_pct: float) -> str:
    """In whole percent, so that 69.7 % does not read as the 70 % that are needed."""
    return percent(share_pct if share_pct < 1 else floor(share_pct))
