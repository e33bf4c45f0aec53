"""Glucose as the field has it: its units, the limits of its classes, and the periods it is looked at in."""

from typing import Literal

UnitName = Literal["mg/dL", "mmol/L"]

MG_DL_PER_MMOL_L = 18.01559  # Nightscout's constant

# The consensus's classes and the share of readings that statistics need (Battelino 2019)
VERY_LOW_MG_DL, LOW_MG_DL, HIGH_MG_DL, VERY_HIGH_MG_DL = 54, 70, 180, 250
HIGH_OF_TIGHT_RANGE_MG_DL = 140
SUFFICIENT_PCT = 70
FEWEST_OF_A_BIN = 5  # readings of a time of day, below which nothing is judged

PERIOD_DAYS = (7, 14, 30, 90, 180, 365)
