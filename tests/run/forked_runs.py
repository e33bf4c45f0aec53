"""Runs in processes that can be killed: imports once, forks for every run.

A program: reads one JSON command a line (`{"prepare": true}`, `{"run": request, "run_id": ...}`, with
`"dies": [step, seconds]` when it is to be killed so long after a step began, or `{"look": true}`), forks a
child in a process group of its own, prints its pid, and after its end its exit code and what it said.
"""

import hashlib
import json
import os
import signal
import sys
import threading
import traceback
from typing import Any

import psycopg

from include.lakehouse import Reference
from include.run.pipeline import Pipeline
from include.run.transform import ensure_manifest, model_schemas
from include.serving.publish import published_version
from tests.forked import import_late_ones
from tests.run.steps import run

# What differs from run to run without being data: who wrote it, and when.
BOOKKEEPING = {"first_seen_at", "first_read_at", "ingested_at", "run_id", "deleted_at"}
RAW = ("raw.glucose_entries", "raw.treatments")


def look(pipeline: Pipeline) -> dict[str, Any]:
    """What readers of the lake and of Postgres see: digests of the content of every table."""
    shown = published_version(pipeline.postgres)
    published = shown.row_counts if shown else {}
    reference = pipeline.lakehouse.at("main")
    models = {name: f"{schema}.{name}" for name, schema in model_schemas(pipeline.settings).items()}
    return {
        "lake": digests(reference, [*RAW, *models.values()]),
        "duplicates": duplicate_keys(reference),
        "published": {name: published_digest(pipeline, name) for name in sorted(published)},
        "of_published_version": {
            name: digest(pipeline.lakehouse.at(shown.version), qualified)
            for name, qualified in models.items()
            if shown and name in published
        },
    }


def digests(reference: Reference, tables: list[str]) -> dict[str, list[Any]]:
    """Of each table the number of rows and a digest of them in any order; one query for all."""
    left_out = ", ".join(f"'{name}'" for name in sorted(BOOKKEEPING))
    digest = " union all ".join(
        f"select '{table}' as name, count(*) as n, md5(string_agg(text, chr(10) order by text)) as digest"  # noqa: S608
        f" from (select cast(to_json(kept) as varchar) as text"
        f" from (select columns(lambda name: name not in ({left_out})) from {table}) as kept)"
        for table in tables
    )
    return {row["name"]: [row["n"], row["digest"]] for row in reference.query(digest).to_pylist()}


def digest(reference: Reference, table: str) -> str:
    """Of a table as readers of Postgres see it, too."""
    rows = reference.query(f"select * from {table}")  # noqa: S608
    return digest_of(
        rows.drop_columns([name for name in rows.column_names if name in BOOKKEEPING]).to_pylist()
    )


def digest_of(rows: list[dict[str, Any]]) -> str:
    texts = sorted(json.dumps(row, default=str, sort_keys=True) for row in rows)
    return f"{len(texts)} rows {hashlib.sha256(chr(10).join(texts).encode()).hexdigest()[:16]}"


def duplicate_keys(reference: Reference) -> int:
    query = "select count(*) - count(distinct (site_id, _id)) as n from {}"
    return sum(int(reference.query(query.format(table))["n"][0].as_py()) for table in RAW)


def published_digest(pipeline: Pipeline, name: str) -> str:
    with pipeline.postgres.transaction() as connection:
        connection.execute("set time zone 'UTC'")
        cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
        return digest_of(cursor.execute(f"select * from marts.{name}").fetchall())  # noqa: S608


def carry_out(command: dict[str, Any]) -> dict[str, Any]:
    pipeline = Pipeline()
    if "prepare" in command:
        ensure_manifest(pipeline.settings)
        return {}
    if "look" in command:
        return look(pipeline)
    if "dies" in command:
        die_in(pipeline, *command["dies"])
    return run(pipeline, command["run"], command["run_id"])


def die_in(pipeline: Pipeline, step: str, seconds: float) -> None:
    """Let the whole process group be killed so long after the step began, in it or after it."""
    carried_out = getattr(pipeline, step)

    def dying(*arguments: Any) -> Any:
        threading.Timer(seconds, os.killpg, [0, signal.SIGKILL]).start()
        return carried_out(*arguments)

    setattr(pipeline, step, dying)


def child(command: dict[str, Any], answer: int) -> None:
    """Carry out one command and leave the process, whatever happens."""
    code = 1
    try:
        os.setpgid(0, 0)
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # dbt prints its errors where our answers go
        os.write(answer, json.dumps(carry_out(command), default=str).encode())
        code = 0
    except BaseException:  # noqa: BLE001 (reported to the parent; the process ends here)
        os.write(answer, traceback.format_exc().encode())
    finally:
        os._exit(code)


def main() -> None:
    import_late_ones()
    for line in sys.stdin:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            child(json.loads(line), writing)
        os.close(writing)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
        with os.fdopen(reading) as answer:
            said = answer.read()
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(json.dumps({"code": os.waitstatus_to_exitcode(status), "said": said}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
