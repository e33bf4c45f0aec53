"""Staged answers are deleted when main has covered them for long; never before."""

from datetime import UTC, datetime, timedelta

import polars as pl

from include.ingestion.outcomes import Outcomes
from include.ingestion.retention import forget_merged_reads
from include.ingestion.stage import Stage, StagedRead
from include.nightscout.client import Answer
from include.nightscout.windows import Collection, Window

DAY = timedelta(days=1)
FETCHED = datetime(2024, 10, 15, tzinfo=UTC)


def staged(stage: Stage, branch: str, fetched_at: datetime) -> StagedRead:
    window = Window("home", Collection.ENTRIES, FETCHED - DAY, FETCHED)
    answer = Answer("/api/v1/entries.json", (), fetched_at)
    return stage.write(window, answer, kind="window", origin="o", run_id=branch, branch=branch)


def outcomes_of(*runs: list[StagedRead], status: str = "merged") -> Outcomes:
    """Those of main: each run holds one lease and merged its reads."""
    rows = [
        {
            "read_id": read.read_id,
            "status": status,
            "kind": "window",
            "fetched_at": read.fetched_at,
            "lease_number": lease_number,
        }
        for lease_number, reads in enumerate(runs)
        for read in reads
    ]
    return Outcomes(pl.DataFrame(rows, schema=Outcomes.empty().rows.schema))


def test_only_old_answers_that_main_covers_go(stage: Stage) -> None:
    old, uncovered, young = (
        staged(stage, "old", FETCHED),
        staged(stage, "uncovered", FETCHED),
        staged(stage, "young", FETCHED + 2 * DAY),
    )
    assert forget_merged_reads(stage, outcomes_of([old], [young]), FETCHED + DAY) == 1
    assert stage.reads() == [uncovered, young]


def test_a_left_over_stays_as_long_as_the_answers_it_was_merged_with(stage: Stage) -> None:
    """Fetched long ago, merged just now: a rollback would have to load it again from here."""
    left_over = staged(stage, "left-over", FETCHED)
    fetched = staged(stage, "merges", FETCHED + 31 * DAY)
    outcomes = outcomes_of([left_over, fetched])
    assert forget_merged_reads(stage, outcomes, FETCHED + 2 * DAY) == 0
    assert stage.reads() == [left_over, fetched]
    assert forget_merged_reads(stage, outcomes, FETCHED + 32 * DAY) == 2


def test_an_outcome_that_was_not_merged_covers_nothing(stage: Stage) -> None:
    read = staged(stage, "old", FETCHED)
    assert forget_merged_reads(stage, outcomes_of([read], status="set_aside"), FETCHED + DAY) == 0
    assert stage.reads() == [read]
