"""The trigger form: what a person may say about one run."""

from typing import Any

from airflow.sdk import Param

# Airflow validates the form about 35 times a task; against this older draft that costs 4 ms instead of 12.
DRAFT: dict[str, Any] = {"$schema": "http://json-schema.org/draft-07/schema#"}
PERCENT = DRAFT | {"type": ["null", "number"], "minimum": 0, "maximum": 100}

FORM = {
    "start": Param(
        None,
        type=["null", "string"],
        format="date",
        title="First day",
        description="Load a whole range in this one run; leave empty for one day.",
        **DRAFT,
    ),
    "end": Param(
        None,
        type=["null", "string"],
        format="date",
        title="Last day",
        description="Included. Empty: the first day.",
        **DRAFT,
    ),
    "promote": Param(
        True,
        type="boolean",
        title="Promote",
        description="Off: leave a finished branch to look at; main stays as it is.",
        **DRAFT,
    ),
    "max_quarantine_pct": Param(
        None,
        **PERCENT,
        title="Quarantine limit, %",
        description="For this run: a window with more of its rows quarantined leaves its site out. "
        "Raising it accepts what was refused. Empty: MAX_QUARANTINE_PCT.",
    ),
    "max_missing_pct": Param(
        None,
        **PERCENT,
        title="Missing limit, %",
        description="For this run: a window that lacks more of the documents it used to have leaves its "
        "site out. Raising it accepts their deletion. Empty: MAX_MISSING_PCT.",
    ),
}
