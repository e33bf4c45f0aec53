"""The steps of one run, in order, as methods over JSON-safe dicts; any orchestrator may call them.

What a step returns is what later steps are given: the lease, the plan, the branch, summaries. They hold
names, counts and times, never documents and never secrets.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from include.connections import FindConnection, environment_connection
from include.errors import LeaseLostError, SettingsError, TransformError
from include.ingestion.collection_merge import Limits
from include.ingestion.ledger import check_ledger
from include.ingestion.merge import merge_reads, was_interrupted
from include.ingestion.merge_report import MergeReport
from include.ingestion.origins import refuse_demo_beside_real
from include.ingestion.outcome_rows import FailedRead
from include.ingestion.outcomes import WINDOW, Outcomes
from include.ingestion.retention import forget_merged_reads
from include.ingestion.rounds import merged_whole
from include.ingestion.stage import Stage
from include.ingestion.validation_report import validate_reads
from include.lakehouse import Branch, Lakehouse, branch_name, open_lakehouse
from include.nightscout.client import open_client, read_profile_zone
from include.nightscout.sites import Credentials, Site, configured_sites, known_site_ids
from include.nightscout.windows import Window
from include.run.audit import audit_branch
from include.run.checks import check_sites
from include.run.ending import ending_of
from include.run.model_tests import model_tests
from include.run.planning import plan_run
from include.run.transform import (
    RESULTS,
    check_manifest,
    manifest_path,
    model_schemas,
    prepare_target,
    run_dbt,
    target_of,
)
from include.run.verdict import judge
from include.schemas.checks import FAILED as MISSED
from include.schemas.checks import CheckResult
from include.serving.check_results import has_checks_of_sites, record_checks
from include.serving.lease import Lease, Leases, Owner
from include.serving.postgres import Postgres, open_postgres
from include.serving.publish import publish, published_version
from include.serving.published_models import published_models
from include.serving.runs import end_run
from include.settings import Settings, load_settings

LEASE_LIFE = timedelta(hours=2)  # longer than any one step takes; each step renews it

Facts = dict[str, Any]


class Pipeline:
    """One process's view of a run. The state of the run itself travels in the dicts."""

    def __init__(
        self, settings: Settings | None = None, find_connection: FindConnection = environment_connection
    ) -> None:
        self.settings = settings or load_settings()
        self.find_connection = find_connection

    @cached_property
    def lakehouse(self) -> Lakehouse:
        """The lake."""
        return open_lakehouse(self.settings, self.find_connection)

    @cached_property
    def inbox(self) -> Stage:
        """The inbox of staged answers."""
        return Stage(*self.lakehouse.stage_folder())

    @cached_property
    def postgres(self) -> Postgres:
        """The database of lease and publication; the embedded one is started when it does not run."""
        return open_postgres(self.settings, self.find_connection)

    @cached_property
    def leases(self) -> Leases:
        """The lease of the lake."""
        return Leases(self.postgres)

    @cached_property
    def sites(self) -> dict[str, Site]:
        """The configured sites by id."""
        sites = configured_sites(self.settings, self.find_connection, read_profile_zone)
        return {site.site_id: site for site in sites}

    def take_lease(self, owner: Owner, has_ended: Callable[[Owner], bool]) -> Facts | None:
        """The lease, with this try's branch name; None while another run holds it."""
        lease = self.leases.take(owner, LEASE_LIFE, has_ended)
        if lease is None:
            return None
        return lease.as_dict() | {"branch": branch_name(owner.run_id, lease.number)}

    def plan(self, request: Facts, lease: Facts) -> Facts:
        """Which windows of which sites and collections this run reads; the same answer at every try."""
        self._renew(lease)
        outcomes = self.outcomes_of_main()
        refuse_demo_beside_real(list(self.sites.values()), outcomes)
        taken_at = datetime.fromisoformat(lease["taken_at"])
        return plan_run(request, self.sites, taken_at, outcomes.whole(), self.settings)

    def open_branch(self, lease: Facts, plan: Facts) -> Facts:
        """The run's branch from main's version; a second try opens it again from the recorded one.

        Raises SettingsError when dbt's models are not those that the tasks of the run were drawn from.
        """
        check_manifest(self.settings)
        self._renew(lease)
        self.inbox.clear_drafts()
        name = lease["branch"]
        recorded = {info.name: info.base for info in self.lakehouse.branches()}
        base = recorded.get(name, self.lakehouse.main_version())
        branch = self.lakehouse.open_branch(name, base, run_id=lease["owner"]["run_id"])
        limits = {limit: plan[limit] for limit in ("max_quarantine_pct", "max_missing_pct")}
        environment = target_of("build", self.settings) | branch.dbt_environment()
        return {
            "branch": name,
            "base": base,
            "lease": lease,
            "limits": limits,
            "dbt_environment": environment,
        }

    def stage(self, window: Facts, branch: Facts) -> Facts:
        """Read one window into the inbox, unless this try of the run did so.

        Raises one of SITE_ERRORS when that fails because of the site alone.
        """
        self._renew(branch["lease"])
        asked = Window.from_dict(window)
        found = self.inbox.find(asked, branch["branch"])
        if found is None:
            site = self.sites[asked.site_id]
            with open_client(site) as client:
                answer = client.read_window(asked)
            run_id = branch["lease"]["owner"]["run_id"]
            found = self.inbox.write(
                asked, answer, kind=WINDOW, origin=site.origin, run_id=run_id, branch=branch["branch"]
            )
        return window | {"read_id": found.read_id, "document_count": found.document_count}

    def validate(self, branch: Facts, staged: Sequence[Facts]) -> Facts:
        """Judge every document of every read that is to be merged, left-overs of failed runs too.

        A read that is damaged is told by site: merge leaves that site out.
        """
        self._renew(branch["lease"])
        report = validate_reads(self.inbox, self.sites, merged=self.outcomes_of_main().merged_reads())
        return report | {"failed": [result["failed"] for result in staged if "failed" in result]}

    def merge(self, branch: Facts, staged: Sequence[Facts]) -> Facts:
        """Merge what was staged into the raw tables of the branch; nothing new is no commit."""
        lease, work = self._own(branch)
        if was_interrupted(work):  # what a killed try wrote is worth nothing without its outcomes
            work = self._reopened(branch)
        failed = [
            FailedRead(Window.from_dict(of), of["failed"], lease.taken_at) for of in staged if "failed" in of
        ]

        def merge(into: Branch, left_out: Mapping[str, str]) -> MergeReport:
            return merge_reads(
                self.inbox,
                into,
                sites=list(self.sites.values()),
                open_source=lambda site_id: open_client(self.sites[site_id]),
                limits=Limits(**branch["limits"]),
                run_id=lease.owner.run_id,
                lease_number=lease.number,
                failures=failed,
                left_out=left_out,
            )

        work, report = merged_whole(merge, work, lambda: self._reopened(branch))
        work.expire()
        work.refresh_views()
        return report.as_dict()

    def _reopened(self, branch: Facts) -> Branch:
        """The run's branch anew, without what was merged into it."""
        lease, _ = self._own(branch)
        return self.lakehouse.open_branch(branch["branch"], branch["base"], run_id=lease.owner.run_id)

    def build(self, branch: Facts) -> None:
        """Build every dbt model on the branch, and test it; drop what is no model any more.

        Raises TransformError, or ServiceError when a service is the reason.
        """
        environment = branch["dbt_environment"]
        target = Path(environment["DBT_TARGET_PATH"])
        prepare_target(target)
        lease, work = self._own(branch)
        work.ready_to_build()
        work.drop_strangers({f"{schema}.{name}" for name, schema in model_schemas(self.settings).items()})
        # Unit tests prove the formulas, not the data: `make test` runs them. What is no table has no test.
        build = ["build", "--quiet", "--exclude-resource-type", "unit_test"]
        build += ["--exclude", "config.materialized:ephemeral"]
        build += ["--no-write-json"]  # the manifest, twice, which is there already
        try:
            run_dbt(build, environment, work.dbt_folder(), results=target / RESULTS)
        except TransformError as error:
            work.blame_services(str(error))
            raise
        finally:
            self._record(lease, work.name, [model_tests(target / RESULTS)])

    def audit(self, branch: Facts) -> Facts:
        """Prove the branch. Raises AuditError naming what is wrong; main then stays as it was."""
        lease, work = self._own(branch)
        head = work.head()  # before all else: what is written from now on was not audited
        base = self.lakehouse.at(branch["base"]) if branch["base"] else None
        problems = check_ledger(self.inbox, work, base, lease.number)
        audit = audit_branch(work, problems, model_schemas(self.settings))
        of_sites = check_sites(work, datetime.now(UTC), known_site_ids(self.settings))
        self._record(lease, work.name, [*audit.results(), *of_sites])
        audit.demand_soundness()
        missed = [str(result) for result in of_sites if result.outcome == MISSED]
        return {"head": head, "warnings": [*audit.warnings, *missed]}

    def promote(self, branch: Facts, audited: Facts) -> Facts:
        """Make the branch main, all tables of all layers at once, or nothing."""
        lease = Lease.from_dict(branch["lease"])
        self._renew(branch["lease"])
        with self.leases.held(lease):
            self.lakehouse.promote(branch["branch"], audited["head"])
        return {"version": branch["branch"]}

    def publish(self, lease: Facts) -> Facts:
        """Show readers main as it is; nothing to do when they see it already."""
        held = self._renew(lease)
        version = self.lakehouse.main_version()
        shown = published_version(self.postgres)
        if version is None or (shown is not None and shown.version == version):
            return {"published": False, "version": version}
        models = published_models(manifest_path(self.settings))
        view = self.lakehouse.at(version)
        publication = publish(view, self.postgres, models, held, self.leases, held.owner.run_id)
        return {"published": True, "version": version, "row_counts": publication.row_counts}

    def verdict(self, staged: Sequence[Facts], merged: Facts | None, failures: Mapping[str, str]) -> None:
        """Raise when a site was left out or a task failed, naming it and the reason."""
        judge(staged, merged, failures)

    def close_run(self, lease: Facts, results: Facts) -> Facts:
        """Record how the run ended (`ending_of` its results), drop what is not needed, release the lease.

        It is released also when a service is down: the next run can drop what this one could not.
        """
        held = Lease.from_dict(lease)
        try:
            end_run(self.postgres, held.number, ending_of(results, self._secrets()))
            self._check_main(held)
            self.leases.check(held)
            swept = self.lakehouse.sweep(in_use=[lease["branch"]])
            keep_since = datetime.now(UTC) - timedelta(days=self.settings.stage_retention_days)
            forgotten = forget_merged_reads(self.inbox, self.outcomes_of_main(), keep_since)
        except LeaseLostError:
            return {"released": False}
        finally:
            self.leases.release(held)
        return {
            "released": True,
            "swept_versions": list(swept.versions),
            "swept_branches": list(swept.branches),
            "swept_files": swept.file_count,
            "forgotten_reads": forgotten,
        }

    def _check_main(self, lease: Lease) -> None:
        """A run that came to no audit checks main instead: what readers see may be old by now."""
        main = self.lakehouse.main_version()
        if main is not None and not has_checks_of_sites(self.postgres, lease.number):
            configured = known_site_ids(self.settings)
            self._record(lease, main, check_sites(self.lakehouse.at(main), datetime.now(UTC), configured))

    def _record(self, lease: Lease, version: str, results: Sequence[CheckResult]) -> None:
        record_checks(self.postgres, lease.number, lease.owner.run_id, version, results)

    def _own(self, branch: Facts) -> tuple[Lease, Branch]:
        """The branch, which this run may write: its lease is held and it was not promoted."""
        return self._renew(branch["lease"]), self.lakehouse.branch(branch["branch"])

    def _secrets(self) -> list[Credentials]:
        """What no record may hold."""
        try:
            return [site.credentials for site in self.sites.values()]
        except SettingsError:  # it is what failed the run, and its messages never quote a setting
            return []

    def _renew(self, lease: Facts) -> Lease:
        held = Lease.from_dict(lease)
        self.leases.renew(held)
        return held

    def outcomes_of_main(self) -> Outcomes:
        """What became of every staged read, as main has it."""
        if self.lakehouse.main_version() is None:
            return Outcomes.empty()
        return Outcomes.read(self.lakehouse.at("main").table("ingest_outcomes"))
