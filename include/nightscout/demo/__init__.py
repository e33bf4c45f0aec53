"""The demo site: a simulated person behind a small server that answers like Nightscout.

Everything the site holds is a function of the local day and of now, from 2020-01-01 on: nothing lies in
the future, and a day is settled 48 hours after it ended.
"""

from include.nightscout.demo.days import DEMO_ZONE, FIRST_DAY
from include.nightscout.demo.documents import documents
from include.nightscout.demo.profiles import profiles

__all__ = ["DEMO_ZONE", "FIRST_DAY", "documents", "profiles"]
