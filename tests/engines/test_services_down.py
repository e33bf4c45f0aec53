"""A service of the profile trino that is down at any step: one sentence, nothing half-visible, and the step
succeeds when it is tried again."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from include.connections import Fields
from include.errors import LakehouseError, PublishError, ServiceError
from include.nightscout.demo import DEMO_ZONE
from include.nightscout.demo.server import serve
from include.run.pipeline import Pipeline
from include.run.transform import ensure_manifest
from include.run.turn import owner_of_this_process, process_has_ended
from include.serving.postgres import ensure
from include.serving.publish import published_version
from include.settings import Settings
from include.stack.connection import lake_connection
from include.stack.program import Program
from include.stack.stack import Stack
from tests.faults.gate import Gate, gates
from tests.lakehouse.both import empty
from tests.run.steps import RESULTS, Facts, day, days, run, until_staged

pytestmark = pytest.mark.stack

NOW = datetime(2024, 10, 20, 12, tzinfo=UTC)
LAST_DAY = date(2024, 10, 12)
NAMES = {"postgres": "Postgres on", "nessie": "Nessie on", "s3": "the S3 store on", "trino": "Trino on"}
# What each step needs; without any of it the step has to fail.
NEEDS = {
    "take_lease": ("postgres",),
    "plan": ("postgres", "nessie", "s3"),
    "open_branch": ("postgres", "nessie", "s3", "trino"),
    "stage": ("postgres", "s3"),
    "validate": ("postgres", "nessie", "s3"),
    "merge": ("postgres", "nessie", "s3"),
    "build": ("postgres", "nessie", "s3", "trino"),
    "audit": ("postgres", "nessie", "s3"),
    "promote": ("postgres", "nessie"),
    "publish": ("postgres", "nessie", "s3", "trino"),
    "close_run": ("postgres", "nessie"),
}


@dataclass
class Lake:
    """A lake with some days in it, whose services lie behind gates, and the way around the gates."""

    gates: dict[str, Gate]
    pipeline: Callable[[], Pipeline]
    undisturbed: Pipeline
    last_day: date

    def next_day(self) -> Facts:
        """The request of a day that no run has read."""
        self.last_day += timedelta(days=1)
        return day(self.last_day.isoformat())

    def look(self) -> tuple[str | None, str | None]:
        """The versions that main and readers of Postgres show."""
        shown = published_version(self.undisturbed.postgres)
        return self.undisturbed.lakehouse.main_version(), shown.version if shown else None


@dataclass
class Run:
    """One run whose every step is tried in vain before it is carried out."""

    lake: Lake
    seen: list[tuple[str, str, Any]] = field(default_factory=list)

    def step(self, name: str, *arguments: Any) -> Any:
        for service in NEEDS[name]:
            gate = self.lake.gates[service]
            gate.shut()
            try:
                with pytest.raises((ServiceError, PublishError)) as failed:
                    getattr(self.lake.pipeline(), name)(*arguments)
            finally:
                gate.open()
            assert_one_sentence(failed.value, service, gate.port)
            self.seen.append((name, service, self.lake.look()))
        return getattr(self.lake.pipeline(), name)(*arguments)


def assert_one_sentence(error: LakehouseError, service: str, port: int) -> None:
    assert NAMES[service] in str(error)
    assert str(port) in str(error)
    assert "\n" not in str(error)


@pytest.fixture(scope="module")
def lake_behind_gates(stack: Settings) -> Iterator[Lake]:
    empty(stack)
    lake, postgres = lake_connection(stack), ensure(stack)
    services = {
        "postgres": postgres.port,
        "nessie": stack.lakehouse_nessie_port,
        "s3": stack.lakehouse_s3_port,
        "trino": stack.lakehouse_trino_port,
    }
    with serve(lambda: NOW) as url, gates(**services) as ways:
        site = {"nightscout_url": url, "nightscout_time_zone": DEMO_ZONE}
        near = stack.model_copy(
            update=site
            | {
                "nessie_uri": f"http://127.0.0.1:{ways['nessie'].port}",
                "aws_s3_endpoint": f"http://127.0.0.1:{ways['s3'].port}",
                "aws_access_key_id": lake.access_key_id,
                "aws_secret_access_key": SecretStr(lake.secret_access_key),
            }
        )
        connections = {
            "lakehouse_postgres": Fields(
                "127.0.0.1", postgres.database, ways["postgres"].port, postgres.user, postgres.password
            ),
            "lakehouse_trino": Fields("127.0.0.1", port=ways["trino"].port),
        }
        ensure_manifest(stack)
        undisturbed = Pipeline(stack.model_copy(update=site))
        run(undisturbed, days("2024-10-10", f"{LAST_DAY}"), "first")
        yield Lake(ways, lambda: Pipeline(near, connections.get), undisturbed, LAST_DAY)


@pytest.fixture
def lake(lake_behind_gates: Lake) -> Lake:
    """The same lake for every test; nobody writes, whatever became of the test before."""
    with lake_behind_gates.undisturbed.postgres.transaction() as connection:
        connection.execute("update ops.lease set run_id = null, dag_id = null")
    return lake_behind_gates


def overview_rows(lake: Lake) -> int:
    return int(lake.pipeline().lakehouse.at("main").query("from marts.mrt_glucose_overview").num_rows)


def test_each_service_down_at_each_step(lake: Lake) -> None:
    before, rows, disturbed = lake.look(), overview_rows(lake), Run(lake)
    version = carry_out(disturbed)
    promoted_at = [name for name, _, _ in disturbed.seen].index("publish")
    assert {seen for _, _, seen in disturbed.seen[:promoted_at]} == {before}
    assert {seen for name, _, seen in disturbed.seen if name == "publish"} == {(version, before[1])}
    assert lake.look() == (version, version)
    assert overview_rows(lake) == rows + 1


def carry_out(disturbed: Run) -> str:
    """Every step of a run of one day; gives its version."""
    results: Facts = dict.fromkeys(RESULTS) | {"failures": {}}
    owner = owner_of_this_process("test", "disturbed")
    lease = disturbed.step("take_lease", owner, process_has_ended)
    plan = disturbed.step("plan", disturbed.lake.next_day(), lease)
    branch = disturbed.step("open_branch", lease, plan)
    staged = [disturbed.step("stage", window, branch) for window in plan["windows"]]
    disturbed.step("validate", branch, staged)
    disturbed.step("merge", branch, staged)
    disturbed.step("build", branch)
    audited = disturbed.step("audit", branch)
    disturbed.step("promote", branch, audited)
    disturbed.step("publish", lease)
    disturbed.step("close_run", lease, results)
    assert disturbed.lake.pipeline().leases.holder() is None
    return str(branch["branch"])


def test_the_bucket_is_missing(lake: Lake) -> None:
    pipeline = lake.pipeline()
    elsewhere = pipeline.settings.model_copy(update={"iceberg_warehouse_path": "s3://another-bucket/lake"})
    with pytest.raises(ServiceError, match=r"the S3 store on .*another-bucket"):
        run(Pipeline(elsewhere, pipeline.find_connection), lake.next_day(), "no bucket")
    assert lake.look()[0] == lake.undisturbed.lakehouse.main_version()
    assert pipeline.leases.holder() is None


@pytest.mark.parametrize("service", ["nessie", "s3", "trino"])
def test_a_service_is_killed_while_dbt_builds(lake: Lake, stack: Settings, service: str) -> None:
    """Not the way to it but the service itself: Trino too loses what it works with."""
    pipeline, before = lake.undisturbed, lake.look()
    lease, branch, staged = until_staged(pipeline, lake.next_day(), service)
    pipeline.merge(branch, staged)
    killing = threading.Timer(1.0, kill, [getattr(Stack(stack).programs, service)])
    killing.start()
    try:
        with pytest.raises(ServiceError, match=NAMES[service]):
            pipeline.build(branch)
    finally:
        killing.join()
        Stack(stack).up()
    assert lake.look() == before
    pipeline.build(branch)
    pipeline.promote(branch, pipeline.audit(branch))
    pipeline.publish(lease)
    pipeline.close_run(lease, dict.fromkeys(RESULTS) | {"failures": {}})
    assert lake.look() == (branch["branch"], branch["branch"])


def kill(program: Program) -> None:
    for process in program.processes():
        process.kill()
