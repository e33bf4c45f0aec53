"""Staged answers are deleted when main covers them and they are old; never before."""

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


def outcomes_with(reads: list[StagedRead]) -> Outcomes:
    rows = [{"read_id": read.read_id, "status": "merged", "kind": "window"} for read in reads]
    return Outcomes(pl.DataFrame(rows, schema=Outcomes.empty().rows.schema))


def test_only_old_answers_that_main_covers_go(stage: Stage) -> None:
    old, old_left_over, young = (
        staged(stage, "old", FETCHED),
        staged(stage, "left-over", FETCHED),
        staged(stage, "young", FETCHED + 2 * DAY),
    )
    assert forget_merged_reads(stage, outcomes_with([old, young]), FETCHED + DAY) == 1
    assert stage.reads() == [old_left_over, young]


def test_an_outcome_that_was_not_merged_covers_nothing(stage: Stage) -> None:
    read = staged(stage, "old", FETCHED)
    rows = outcomes_with([read]).rows.with_columns(pl.lit("set_aside").alias("status"))
    assert forget_merged_reads(stage, Outcomes(rows), FETCHED + DAY) == 0
    assert stage.reads() == [read]
