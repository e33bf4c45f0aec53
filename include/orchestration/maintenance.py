"""What the tasks of maintenance do, beside those that every run has (`include.orchestration.tasks`)."""

from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

Facts = dict[str, Any]


def compact(lease: Facts) -> Facts:
    """Write small files of one partition as one, on a branch. Skipped when there are none."""
    from include.orchestration.pipeline import pipeline
    from include.run.maintenance import compact_main

    branch = compact_main(pipeline(), lease)
    if branch is None:
        raise AirflowSkipException("no partition holds several small files")
    return branch


def audit(branch: Facts) -> Facts:
    """Prove that the branch holds exactly the rows of main."""
    from include.orchestration.pipeline import pipeline
    from include.run.maintenance import audit_compacted

    return audit_compacted(pipeline(), branch)


def promote(branch: Facts, audited: Facts) -> Facts:
    """Make the branch main, all tables at once."""
    from include.orchestration.pipeline import pipeline

    return pipeline().promote(branch, audited)


def remove_left_overs() -> Facts:
    """Remove old logs of `lakehouse run`, and files of queries and reads that were killed."""
    from include.orchestration.pipeline import pipeline
    from include.run.maintenance import remove_left_overs as remove

    return remove(pipeline())
