"""The quality checks of a run, by name: how bad a miss is, against what it is held, and whom it concerns.

An error keeps the branch from being promoted, a warning never does. Checks of a site look at its last ended
days, so that each can become clean again: `LAST_DAYS` for what a late upload may still mend, `PERIOD_DAYS`
for shares and means. They are no medical alarm.
"""

from dataclasses import dataclass

from include.schemas.measures import HIGHEST_SHARE_OF_LOWS_PCT, PLAUSIBLE_MEAN_MG_DL
from include.schemas.rules import ERROR, WARNING

LAST_DAYS = 3
PERIOD_DAYS = 14

FEWEST_READINGS = 200
LEAST_COVERAGE_PCT = 70
LONGEST_GAP_MINUTES = 30
LEAST_PLAUSIBLE_PCT = 99
LONGEST_UNREAD_MINUTES = 120  # two of the hourly runs
LONGEST_SILENCE_MINUTES = 60

PASSED, FAILED, NOT_MEASURED = "passed", "failed", "not_measured"


@dataclass(frozen=True)
class Check:
    """What is measured, in which unit, the limit in words, who should care, and what a miss may mean."""

    name: str
    severity: str
    unit: str
    limit: str
    concerns: str
    meaning: str


MODEL_TESTS = Check(
    "model_tests",
    ERROR,
    "of dbt's tests failed",
    "0",
    "the data engineer",
    "a table breaks a promise, as one row a reading or sums that add up: published numbers would be wrong",
)
LEDGER = Check(
    "ledger",
    ERROR,
    "problems",
    "0",
    "the data engineer",
    "documents may have been lost or counted twice",
)
OWN_TABLES = Check(
    "own_tables", ERROR, "tables", "0", "the data engineer", "somebody else writes into the lake"
)
CONTRACTS = Check(
    "contracts",
    ERROR,
    "broken rules",
    "0",
    "the data engineer",
    "nulls, repeated keys or values out of range: published numbers would be wrong",
)
CONTRACT_WARNINGS = Check(
    "contract_warnings",
    WARNING,
    "rules",
    "0",
    "the data engineer",
    "rows that are unlikely, though not impossible; the warnings of the run name them",
)
SOURCE_READ = Check(
    "source_read",
    WARNING,
    "minutes since the site was last read whole",
    f"at most {LONGEST_UNREAD_MINUTES}",
    "the data engineer",
    "runs fail, or the site is down",
)
LAST_READING = Check(
    "last_reading",
    WARNING,
    "minutes from the last reading to the end of what was read",
    f"at most {LONGEST_SILENCE_MINUTES}",
    "the person",
    "the sensor or its uploader has stopped",
)
READINGS_A_DAY = Check(
    "readings_a_day",
    WARNING,
    "readings",
    f"at least {FEWEST_READINGS}, or {LEAST_COVERAGE_PCT} % of the expected ones",
    "the person and the clinician",
    "sensor or uploader were off; that day's numbers say little",
)
GAPS = Check(
    "gaps",
    WARNING,
    f"gaps of more than {LONGEST_GAP_MINUTES} minutes that touch the day",
    "0",
    "the person and the clinician",
    "lows and highs may have passed unseen",
)
SHARE_OF_LOWS = Check(
    "share_of_lows",
    WARNING,
    "% below 70 mg/dL",
    f"below {HIGHEST_SHARE_OF_LOWS_PCT}",
    "the clinician and the person",
    "dangerously many lows, or a sensor that reads low",
)
MEAN_GLUCOSE = Check(
    "mean_glucose",
    WARNING,
    "mg/dL",
    "{} to {}".format(*PLAUSIBLE_MEAN_MG_DL),
    "the clinician and the person",
    "glucose far from any target, a sensor that is off, or values in another unit",
)
PLAUSIBLE_VALUES = Check(
    "plausible_values",
    WARNING,
    "% of sensor values from 20 to 600 mg/dL",
    f"at least {LEAST_PLAUSIBLE_PCT}",
    "the data engineer and the person",
    "the sensor sends error codes, or the uploader sends something else",
)

OF_THE_LAKE = (MODEL_TESTS, LEDGER, OWN_TABLES, CONTRACTS, CONTRACT_WARNINGS)
OF_A_SITE = (
    SOURCE_READ,
    LAST_READING,
    READINGS_A_DAY,
    GAPS,
    SHARE_OF_LOWS,
    MEAN_GLUCOSE,
    PLAUSIBLE_VALUES,
)


@dataclass(frozen=True)
class CheckResult:
    """What one check found. `site_id` None: the whole lake. `about` says where: days, or what is wrong.

    `measured` is in the unit of the check; without it `is_met` is None, too.
    """

    check: Check
    site_id: str | None = None
    measured: float | None = None
    is_met: bool | None = None
    about: str = ""

    @property
    def outcome(self) -> str:
        """passed, failed or not_measured."""
        return {True: PASSED, False: FAILED, None: NOT_MEASURED}[self.is_met]

    def __str__(self) -> str:
        where = f"site {self.site_id}, " if self.site_id else ""
        about = f" ({self.about})" if self.about else ""
        if self.measured is None:
            return f"{where}{self.check.name}: not measured{about}"
        found = f"{where}{self.check.name}: {self.measured:.4g} {self.check.unit}{about}"
        missed = f", should be {self.check.limit}; for {self.check.concerns}: {self.check.meaning}"
        return found if self.is_met else found + missed
