"""How long staged answers are kept."""

from datetime import datetime

from include.ingestion.outcomes import Outcomes
from include.ingestion.stage import Stage


def forget_merged_reads(stage: Stage, outcomes_of_main: Outcomes, merged_before: datetime) -> int:
    """Delete staged answers that main has covered since before that instant; gives their number.

    The age of an answer itself says nothing: a left-over may be merged long after it was fetched, and a
    rollback needs it from then on. What no outcome covers stays however old it is: the next run merges it.
    """
    covered = outcomes_of_main.merged_before(merged_before)
    old = [read for read in stage.reads() if read.read_id in covered]
    for read in old:
        stage.remove(read)
    return len(old)
