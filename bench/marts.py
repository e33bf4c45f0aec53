"""The models over a year of readings, in DuckDB's own time and beside iglu-python; the report of them."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import NamedTemporaryFile
from typing import Any

import duckdb
from pyarrow import csv

from bench.laboratory import Laboratory
from bench.steps import year_of_history
from include.lakehouse import Branch
from include.lakehouse.extensions import engine_configuration
from include.run.pipeline import Pipeline
from include.run.transform import RESULTS, prepare_target, run_dbt, target_of
from tests.stack_fixture import environment_of

IGLU = "iglu-python==0.4.3"
REPEATS = 5
MARTS_LIMIT, IGLU_RATIO = 1, 20
REPORT_SECONDS, REPORT_MEGABYTES = 2, 5
READINGS = """
select site_id as id, reading_timestamp_local as time, glucose_mg_dl as gl
from silver.fct_glucose_readings
order by reading_timestamp
"""


def measure() -> None:
    """Print all of it."""
    with year_of_history() as pipeline:
        measure_report(pipeline, 90)
        measure_report(pipeline, 365)
        branch = pipeline.lakehouse.open_branch("bench", pipeline.lakehouse.main_version(), run_id="bench")
        branch.refresh_views()
        environment = target_of("bench", pipeline.settings) | branch.dbt_environment()
        target = Path(environment["DBT_TARGET_PATH"])
        prepare_target(target)
        run_dbt(["run", "--quiet"], environment, branch.dbt_folder())
        models = json.loads((target / RESULTS).read_bytes())["results"]
        seconds = engine_seconds(branch, environment["LAKEHOUSE_DUCKDB_EXTENSIONS"], models)
        peer = iglu_seconds(pipeline)
    marts = sum(cost for model, cost in seconds.items() if ".marts." in model)
    from_facts = marts + sum(cost for model, cost in seconds.items() if ".gold." in model)
    print(
        f"a year in DuckDB's own time: marts {marts:.2f} s (at most {MARTS_LIMIT}), "
        f"with gold {from_facts:.2f} s, with silver and bronze {sum(seconds.values()):.2f} s; the slowest:"
    )
    for model, cost in sorted(seconds.items(), key=lambda item: -item[1])[:5]:
        print(f"  {model}: {cost:.3f} s")
    print(
        f"  {IGLU} on the same readings: {peer:.1f} s, {peer / marts:.0f} times the marts "
        f"(at least {IGLU_RATIO}), {peer / from_facts:.0f} times gold and marts"
    )


def measure_report(pipeline: Pipeline, period_days: int) -> None:
    """The command that makes the report of a period, as a whole process."""
    laboratory = Laboratory(pipeline.settings, os.environ | environment_of(pipeline.settings))
    lakehouse = str(Path(sys.executable).with_name("lakehouse"))
    with NamedTemporaryFile(suffix=".html") as page:
        command = (lakehouse, "report", "--days", str(period_days), "--out", page.name)
        costs = [laboratory.python(*command).wall_seconds for _ in range(REPEATS)]
        megabytes = Path(page.name).stat().st_size / 1e6
    print(
        f"the report of {period_days} days: {median(costs):.1f} s (of 90 at most {REPORT_SECONDS}), "
        f"{megabytes:.1f} MB (at most {REPORT_MEGABYTES})"
    )


def engine_seconds(branch: Branch, extensions: str, models: list[dict[str, Any]]) -> dict[str, float]:
    """Median seconds of each model's own statement, in the order in which dbt ran them."""
    costs: dict[str, list[float]] = {}
    path = branch.dbt_folder() / branch.dbt_environment()["LAKEHOUSE_DUCKDB_PATH"]
    with duckdb.connect(path, config=engine_configuration(Path(extensions))) as database:
        database.execute("load avro")
        database.execute("load iceberg")
        database.execute("set TimeZone = 'UTC'")
        database.execute("set threads = 2")
        database.execute("set memory_limit = '128MB'")  # as in dbt's profile
        for _ in range(REPEATS):
            for model in models:
                name, query = model["relation_name"], model["compiled_code"]
                kind = "view" if '"bronze"' in name else "table"
                started = time.perf_counter()
                database.execute(f"create or replace {kind} {name} as {query}")
                costs.setdefault(name.replace('"', ""), []).append(time.perf_counter() - started)
    return {name: median(seconds) for name, seconds in costs.items()}


def iglu_seconds(pipeline: Pipeline) -> float:
    """Seconds that iglu-python takes for the metrics that it shares with the marts, its imports apart."""
    readings = pipeline.lakehouse.at("main").query(READINGS)
    uv = str(Path(sys.executable).with_name("uv"))
    alone = (uv, "run", "--no-project", "--isolated", "--quiet", "--python", sys.executable)
    program = str(Path(__file__).with_name("iglu_year.py"))
    with NamedTemporaryFile(suffix=".csv") as file:
        csv.write_csv(readings, file.name)
        done = subprocess.run(
            [*alone, "--with", IGLU, "python", program, file.name],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return float(done.stdout.split()[-1])  # it warns on the same stream
