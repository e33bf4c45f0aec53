"""Starting things: the main job with its progress, a terminal, the UI, dbt; and removing everything."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from include.cli.output import console, say
from include.cli.summary import show_summary
from include.errors import InputError, LakehouseError
from include.ingestion.plan import RunRequest
from include.nightscout.client import read_profile_zone
from include.nightscout.sites import Site, configured_sites
from include.nightscout.sites_file import SiteEntry, read_sites_file
from include.nightscout.zones import local_date
from include.orchestration.environment import airflow_environment, prepare_airflow
from include.run.home import remove_home
from include.run.pipeline import Pipeline
from include.run.scratch import dbt_on_scratch_branch
from include.run.transform import ensure_manifest
from include.settings import Settings, load_settings

DAG = "nightscout_glucose"
DEFAULT_DAYS = 90
STARTING = re.compile(r"\[DAG TEST\] starting task_id=(\S+) map_index=(-?\d+)")

STEPS = {
    "take_lease": "wait for other runs",
    "plan": "plan the windows",
    "open_branch": "open a branch",
    "stage": "read the site",
    "validate": "validate",
    "merge": "merge into raw tables",
    "dbt": "build bronze, silver, gold, marts (dbt)",
    "audit": "audit",
    "promote": "promote the branch to main",
    "publish": "publish to Postgres",
    "report": "make the report",
    "verdict": "verdict",
    "close_run": "close the run",
}


def run(
    start: Annotated[
        str | None, typer.Option(help="First day, YYYY-MM-DD. Default: 90 days before END.")
    ] = None,
    end: Annotated[
        str | None, typer.Option(help="Last day, YYYY-MM-DD. Default: today at the sites.")
    ] = None,
) -> None:
    """Load a range of days (default: the last 90), then show each day."""
    settings = load_settings()
    first, last = days_between(start, end, latest_today(settings, datetime.now(UTC)))
    prepare(settings)
    log = settings.lakehouse_home / "logs" / f"run-{datetime.now(UTC):%Y%m%dT%H%M%S}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    say(f"Loading {first} to {last}. The full log: {log}")
    form = json.dumps({"start": first.isoformat(), "end": last.isoformat()})
    failed = _run_dag(settings, ["dags", "test", DAG, "--conf", form], log)
    if failed:
        raise LakehouseError(failure_sentence(log))
    show_summary(settings)


def shell() -> None:
    """Open a terminal in which `airflow dags test` and `lakehouse` just work."""
    settings = load_settings()
    prepare(settings)
    program = os.environ.get("SHELL", "/bin/sh")
    if sys.stdin.isatty():
        console.print(f"Try: airflow dags test {DAG} 2024-10-15      Leave with: exit")
    try:
        sys.exit(subprocess.run([program], env=_environment(settings), check=False).returncode)
    except OSError as error:
        raise InputError(f"SHELL ({program}) cannot be started: {error.strerror}.") from None


def up() -> None:
    """Run Airflow's UI and scheduler on this machine until Ctrl-C."""
    from include.orchestration.service import serve

    settings = load_settings()
    ensure_manifest(settings)
    serve(settings)


def dbt(arguments: list[str]) -> None:
    """Run dbt by hand on a scratch branch of main: lakehouse dbt -- build --select marts."""
    dbt_on_scratch_branch(Pipeline(load_settings()), arguments, say)


def clean() -> None:
    """Stop the embedded Postgres and remove everything under LAKEHOUSE_HOME."""
    say(remove_home(load_settings()))


def days_between(start: str | None, end: str | None, today: date) -> tuple[date, date]:
    """The days a person asked for. Raises InputError: no date, a range that is backwards or cannot be."""
    last = _day("END", end) or today
    first = _day("START", start) or date.fromordinal(max(last.toordinal() - DEFAULT_DAYS + 1, 1))
    if first > today:
        raise InputError(f"{first} lies in the future: choose a day that has begun.")
    RunRequest(first_day=first, last_day=last)
    return first, last


def _day(name: str, text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{name} is not a date: {text!r}. Write it like 2024-10-31.") from None


def latest_today(settings: Settings, now: datetime) -> date:
    """The open day of the sites, by their own clocks: where it began first, should they differ.

    Raises SettingsError for what is wrong with the settings of sites, before anything is started. With
    sites.yaml only the file is read: its connections may be kept in Airflow.
    """
    sites: Iterable[SiteEntry | Site]
    if settings.sites_file.exists() and not settings.nightscout_url:
        sites = read_sites_file(settings.sites_file)
    else:
        sites = configured_sites(settings, profile_zone=read_profile_zone)
    return max(local_date(site.zones, now) for site in sites)


def prepare(settings: Settings) -> None:
    """Make what runs need, when it is missing or old: Airflow's database and pools, dbt's manifest."""
    ensure_manifest(settings)
    prepare_airflow(settings, "test")


def _environment(settings: Settings) -> dict[str, str]:
    programs = Path(sys.executable).parent
    path = f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {
        **os.environ,
        **airflow_environment(settings, "test"),
        "PATH": path,
        "VIRTUAL_ENV": str(programs.parent),
    }


def _run_dag(settings: Settings, arguments: list[str], log: Path) -> bool:
    """Run an airflow command, its output into the log, its steps onto the terminal; whether it failed."""
    command = [str(Path(sys.executable).with_name("airflow")), *arguments]
    with (
        log.open("w") as output,
        subprocess.Popen(
            command,
            env=_environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process,
    ):
        shown: set[str] = set()
        for line in process.stdout or ():
            output.write(line)
            _show_step(line, shown)
    return process.returncode != 0


def _show_step(line: str, shown: set[str]) -> None:
    """Print the step that a line of the log says has started, each once."""
    match = STARTING.search(line)
    step = match.group(1).split(".")[0] if match else ""
    if step in STEPS and step not in shown:
        shown.add(step)
        console.print(f"  {datetime.now():%H:%M:%S}  {STEPS[step]}")  # noqa: DTZ005 (a person's own clock)


def failure_sentence(log: Path) -> str:
    """What the verdict or a failed task says, the last error of ours in the log; and the place of the log."""
    errors = re.findall(r"include\.errors\.\w+: (.+)", log.read_text(errors="replace"))
    reason = errors[-1].rstrip() if errors else "The run failed."
    stop = "" if reason.endswith((".", "?", "!")) else "."
    return f"{reason}{stop} The full log: {log}"
