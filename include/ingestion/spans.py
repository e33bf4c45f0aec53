"""Half-open stretches of time, and what several of them cover together."""

from collections.abc import Iterable
from datetime import datetime

Span = tuple[datetime, datetime]


def join_spans(spans: Iterable[Span]) -> list[Span]:
    """What half-open spans cover together: disjoint, ascending; those that touch become one."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined
