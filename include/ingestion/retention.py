"""How long staged answers are kept."""

from datetime import datetime

from include.ingestion.outcomes import Outcomes
from include.ingestion.stage import Stage


def forget_merged_reads(stage: Stage, outcomes_of_main: Outcomes, fetched_before: datetime) -> int:
    """Delete staged answers of before that instant which an outcome on main covers; gives their number.

    What no outcome covers stays however old it is: the next run merges it.
    """
    merged = outcomes_of_main.merged_reads()
    old = [read for read in stage.reads() if read.read_id in merged and read.fetched_at < fetched_before]
    for read in old:
        stage.remove(read)
    return len(old)
