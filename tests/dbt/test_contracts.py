"""What dbt builds keeps the contracts that the audit holds it against."""

import duckdb
import pytest

from include.schemas.audit import AUDITED_MODELS, check_frame
from tests.dbt.glucose_lake import Dbt


@pytest.mark.parametrize("name", sorted(AUDITED_MODELS))
def test_the_audit_finds_no_error(dbt: Dbt, connection: duckdb.DuckDBPyConnection, name: str) -> None:
    (schema,) = (node.schema for node in dbt.parse().nodes.values() if node.name == name)
    frame = connection.sql(f"select * from lake.{schema}.{name}").pl()  # noqa: S608 - a name of our own
    assert len(frame) > 0
    assert [finding for finding in check_frame(name, frame) if finding.severity == "error"] == []
