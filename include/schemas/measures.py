"""Columns of audited models, each with the rules that belong to its kind of measure."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import pandera.polars as pa
import polars as pl

from include.glucose import SUFFICIENT_PCT
from include.schemas.columns import column
from include.schemas.received import HIGHEST_GLUCOSE_MG_DL, LOWEST_GLUCOSE_MG_DL
from include.schemas.rules import WARNING, rule

EPSILON = 1e-6  # what sums of doubles may be off by
HIGHEST_SHARE_OF_LOWS_PCT = 30
PLAUSIBLE_MEAN_MG_DL = (80, 250)


class Measure(NamedTuple):
    """A named column."""

    name: str
    column: pa.Column


def plain(
    name: str, dtype: pl.DataType | type[pl.DataType], description: str, *, filled: bool = True
) -> Measure:
    """A column without a rule, but that it must not be null where `filled`."""
    return _measure(name, dtype, description, filled, [])


def count(name: str, description: str, *, least: int = 0, filled: bool = True) -> Measure:
    """A number of things, at least `least`."""
    enough = rule(f"{name}_below_{least}", (pl.col(name) >= least).fill_null(True))
    return _measure(name, pl.Int64, description, filled, [enough])


def percent(name: str, description: str, *, filled: bool = True) -> Measure:
    """A share of a whole: 0 to 100."""
    possible = pl.col(name).is_between(-EPSILON, 100 + EPSILON).fill_null(True)
    return _measure(
        name, pl.Float64, description, filled, [rule(f"{name}_outside_0_to_100", possible)], unit="%"
    )


def glucose(name: str, description: str, *, filled: bool = True) -> Measure:
    """A glucose, or a statistic that cannot leave the range of readings: 20 to 600 mg/dL."""
    possible = pl.col(name).is_between(LOWEST_GLUCOSE_MG_DL - EPSILON, HIGHEST_GLUCOSE_MG_DL + EPSILON)
    impossible = rule(f"{name}_outside_20_to_600", possible.fill_null(True))
    return _measure(name, pl.Float64, description, filled, [impossible], unit="mg/dL")


def positive(name: str, description: str, *, filled: bool = True) -> Measure:
    """A finite number that cannot be negative."""
    possible = (pl.col(name) >= 0) & pl.col(name).is_finite()
    return _measure(
        name,
        pl.Float64,
        description,
        filled,
        [rule(f"{name}_negative_or_infinite", possible.fill_null(True))],
    )


def equal(name: str, expected: pl.Expr, code: str) -> pa.Check:
    """The column is what the expression says; null where that is null."""
    off = (pl.col(name) - expected).abs() <= EPSILON * pl.max_horizontal(1.0, expected.abs())
    return rule(code, pl.when(expected.is_null()).then(pl.col(name).is_null()).otherwise(off))


def ascending(*names: str) -> pa.Check:
    """Each column is at most the next, where both are known."""
    pairs = [(pl.col(low) <= pl.col(high) + EPSILON).fill_null(True) for low, high in pairwise(names)]
    return rule(f"{names[0]}_to_{names[-1]}_not_ascending", pl.all_horizontal(pairs))


def sums_to(total: pl.Expr, names: Sequence[str], code: str) -> pa.Check:
    """The columns add up to the total, or all of them are null."""
    close = (pl.sum_horizontal(names) - total).abs() <= EPSILON * pl.max_horizontal(100.0, total.abs())
    nothing = pl.all_horizontal(pl.col(name).is_null() for name in names)
    everything = pl.all_horizontal(pl.col(name).is_not_null() for name in names)
    return rule(code, nothing | (everything & close))


def plausible_mean(name: str) -> pa.Check:
    """A mean that a living person can have, but hardly has."""
    return rule(
        f"{name}_outside_80_to_250", pl.col(name).is_between(*PLAUSIBLE_MEAN_MG_DL).fill_null(True), WARNING
    )


def plausible_lows(name: str) -> pa.Check:
    """A share of lows that points to a broken sensor rather than to a person."""
    return rule(f"{name}_above_30", (pl.col(name) <= HIGHEST_SHARE_OF_LOWS_PCT).fill_null(True), WARNING)


def known_with_readings(*names: str) -> list[pa.Check]:
    """Each column is null where `reading_count` is 0, and only there."""
    nothing = pl.col("reading_count") == 0
    return [rule(f"{name}_known_without_readings", pl.col(name).is_null() == nothing) for name in names]


def sufficient_by_coverage() -> pa.Check:
    """`is_sufficient` is what `coverage_pct` says."""
    is_enough = (pl.col("coverage_pct") >= SUFFICIENT_PCT).fill_null(False)
    return rule("is_sufficient_wrong", pl.col("is_sufficient") == is_enough)


def weekday_of(date: str, name: str = "day_name") -> pa.Check:
    """The English name of the date's weekday."""
    return rule(f"{name}_wrong", pl.col(name) == pl.col(date).dt.strftime("%A"))


def model(
    name: str, description: str, key: tuple[str, ...], measures: Sequence[Measure], rules: Sequence[pa.Check]
) -> pa.DataFrameSchema:
    """The contract of a model: further columns are allowed, the key is whole and unique, the rules hold."""
    columns = {measure.name: measure.column for measure in measures}
    first = columns[key[0]]
    first.checks = [*first.checks, rule("key_duplicate", ~pl.struct(key).is_duplicated()), *rules]
    return pa.DataFrameSchema(
        columns, name=name, description=description, strict=False, coerce=False, metadata={"key": list(key)}
    )


def _measure(
    name: str,
    dtype: pl.DataType | type[pl.DataType],
    description: str,
    filled: bool,
    checks: list[pa.Check],
    unit: str = "",
) -> Measure:
    needed = [rule(f"{name}_null", pl.col(name).is_not_null())] if filled else []
    return Measure(name, column(dtype, description, checks=[*needed, *checks], unit=unit))
