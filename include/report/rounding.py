"""Rounding as people do it: a half goes away from zero. Python's own formats give 144.5 as 144."""

from decimal import ROUND_HALF_UP, Decimal


def rounded(value: float, decimals: int = 0) -> str:
    """The number with so many decimals; what rounds to nothing has no sign."""
    text = str(Decimal(repr(value)).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP))
    return text.lstrip("-") if float(text) == 0 else text


def rounded_change(value: float, decimals: int = 0) -> str:
    """A difference, with its sign."""
    text = rounded(value, decimals)
    return text.replace("-", "\N{MINUS SIGN}") if float(text) <= 0 else f"+{text}"
