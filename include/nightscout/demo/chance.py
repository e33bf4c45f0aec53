"""Chance without state: every draw is a pure function of its name and an index.

Nothing is seeded and nothing is consumed, so a value never depends on what was asked before, in which
order, or by which version of Python.
"""

from datetime import date
from functools import lru_cache
from hashlib import sha256
from math import floor

SCALE = float(2**64)


@lru_cache(maxsize=8192)
def share(name: str, index: int) -> float:
    """A uniform draw in [0, 1)."""
    return int.from_bytes(sha256(f"{name} {index}".encode()).digest()[:8]) / SCALE


def between(name: str, index: int, low: float, high: float) -> float:
    """A uniform draw in [low, high)."""
    return low + (high - low) * share(name, index)


def spread(name: str, index: int) -> float:
    """A bell-shaped draw around 0 with standard deviation 1 that never leaves [-3, 3]."""
    digest = sha256(f"{name} {index}".encode()).digest()
    total = sum(int.from_bytes(digest[start : start + 8]) for start in (8, 16, 24))
    return 2 * total / SCALE - 3


def smooth(name: str, instant: float, period: float) -> float:
    """A curve in [-1, 1] that wanders over about `period` seconds, the same for every asker of `instant`."""
    position = instant / period
    knot = floor(position)
    rest = position - knot
    weight = rest * rest * (3 - 2 * rest)
    return 2 * ((1 - weight) * share(name, knot) + weight * share(name, knot + 1)) - 1


def falls_on(name: str, day: date, every: int) -> bool:
    """Whether something that happens once in each block of `every` days happens on this day.

    Blocks make rare things certain: any 2 * every - 1 days in a row hold at least one of them.
    """
    block, position = divmod(day.toordinal(), every)
    return position == floor(share(name, block) * every)
