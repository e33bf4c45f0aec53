"""Glucose in the unit that a site shows: mg/dL in whole numbers, mmol/L with one decimal."""

from dataclasses import dataclass

from include.glucose import MG_DL_PER_MMOL_L, UnitName
from include.report.rounding import rounded, rounded_change


@dataclass(frozen=True)
class Units:
    """Converts and writes glucose that is stored in mg/dL."""

    name: UnitName = "mg/dL"

    def of(self, glucose_mg_dl: float) -> float:
        """The number in this unit, unrounded."""
        return glucose_mg_dl if self.name == "mg/dL" else glucose_mg_dl / MG_DL_PER_MMOL_L

    def text(self, glucose_mg_dl: float) -> str:
        """The number as it is shown, without the unit."""
        return rounded(self.of(glucose_mg_dl), self._decimals)

    def change(self, glucose_mg_dl: float) -> str:
        """A difference, with its sign."""
        return rounded_change(self.of(glucose_mg_dl), self._decimals)

    def between(
        self, low_mg_dl: float, high_mg_dl: float, *, above: bool = False, below: bool = False
    ) -> str:
        """The values of a class. `above` leaves out its lower bound, `below` the upper: 181-250, 54-69."""
        step = 10.0**-self._decimals
        low = float(self.text(low_mg_dl)) + (step if above else 0)
        high = float(self.text(high_mg_dl)) - (step if below else 0)
        return f"{low:.{self._decimals}f}\N{EN DASH}{high:.{self._decimals}f}"

    @property
    def _decimals(self) -> int:
        return 0 if self.name == "mg/dL" else 1
