"""The real services: what they answer, where they listen, and that no kill and no stop loses anything."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from pyarrow import fs
from trino.dbapi import connect

from include.serving import postgres
from include.serving.postgres import ensure
from include.settings import PROJECT, Settings
from include.stack.connection import REGION, lake_connection
from include.stack.credentials import read_credentials
from include.stack.stack import ServiceStatus, Stack
from tests.lakehouse.both import empty
from tests.stack_fixture import S3_INNER_PORTS, environment_of

pytestmark = pytest.mark.stack

FOUR = ["Postgres", "SeaweedFS", "Nessie", "Trino"]
BRANCH = "wip_nightscout"


def until(is_so: Callable[[], bool], seconds: float = 60) -> None:
    give_up = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def states(settings: Settings) -> dict[str, str]:
    return {service.service: service.state for service in Stack(settings).status()}


def server_processes(settings: Settings) -> list[psutil.Process]:
    """Every process of the stack, those of Postgres too."""
    first = int((settings.postgres_path / "server/data/postmaster.pid").read_text().split()[0])
    served = psutil.Process(first)
    return [
        served,
        *served.children(recursive=True),
        *(process for program in Stack(settings).programs for process in program.processes()),
    ]


def of_each(processes: list[psutil.Process], look: Callable[[psutil.Process], Any]) -> list[Any]:
    """What is seen of each process; a connection of Postgres may end meanwhile."""
    seen = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            seen.append(look(process))
    return seen


def processes_with_files_in(home: Path) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["open_files"])
        if process.pid != os.getpid()
        and any(file.path.startswith(str(home)) for file in process.info["open_files"] or ())
    ]


@contextmanager
def trino(settings: Settings) -> Iterator[Callable[[str], list[Any]]]:
    with closing(connect(host="127.0.0.1", port=settings.lakehouse_trino_port, user="tests")) as connection:

        def query(statement: str) -> list[Any]:
            with closing(connection.cursor()) as cursor:
                cursor.execute(statement)
                return list(cursor.fetchall())

        yield query


def nessie(settings: Settings, method: str, path: str, **arguments: Any) -> Any:
    uri = f"{lake_connection(settings).nessie_uri}/{path}"
    answer = requests.request(method, uri, timeout=30, **arguments)
    answer.raise_for_status()
    return answer.json() if answer.content else None


def store(settings: Settings, secret: str | None = None) -> fs.S3FileSystem:
    lake = lake_connection(settings)
    return fs.S3FileSystem(
        access_key=lake.access_key_id,
        secret_key=secret or lake.secret_access_key,
        endpoint_override=lake.s3_endpoint,
        region=REGION,
    )


@pytest.fixture
def branch(stack: Settings) -> Iterator[None]:
    """The pipeline's branch, opened from main of an empty lake."""
    empty(stack)
    main = nessie(stack, "GET", "api/v2/trees/main")["reference"]
    nessie(stack, "POST", "api/v2/trees", params={"name": BRANCH, "type": "BRANCH"}, json=main)
    yield
    head = nessie(stack, "GET", f"api/v2/trees/{BRANCH}")["reference"]["hash"]
    nessie(stack, "DELETE", f"api/v2/trees/{BRANCH}@{head}", params={"type": "BRANCH"})


def test_all_are_ready_within_four_gigabytes(stack: Settings) -> None:
    assert states(stack) == dict.fromkeys(FOUR, "ready")
    assert sum(of_each(server_processes(stack), lambda process: process.memory_info().rss)) < 4 << 30


def test_trino_answers(stack: Settings) -> None:
    with trino(stack) as query:
        assert query("select 1") == [[1]]
        assert query("show catalogs") == [["lake"], ["nightscout"], ["postgres"], ["system"]]
        assert ["public"] in query("show schemas from postgres")
        with pytest.raises(Exception, match="Access Denied"):
            query("create schema lake.scratch")


def test_nessie_answers(stack: Settings) -> None:
    assert nessie(stack, "GET", "api/v2/config")["defaultBranch"] == "main"
    assert nessie(stack, "GET", "iceberg/main/v1/config")["defaults"]["prefix"] == "main"


def test_the_store_has_the_bucket_and_asks_for_the_key(stack: Settings) -> None:
    assert store(stack).get_file_info("warehouse").type == fs.FileType.Directory
    with pytest.raises(OSError, match="ACCESS_DENIED"):
        store(stack, secret="wrong").get_file_info("warehouse/any")
    with pytest.raises(OSError, match=r"(?i)bucket"):
        store(stack).open_output_stream("mistyped/any").close()


def test_nobody_else_can_reach_it(stack: Settings) -> None:
    listening = {
        connection.laddr
        for of_process in of_each(server_processes(stack), lambda process: process.net_connections("inet"))
        for connection in of_process
        if connection.status == psutil.CONN_LISTEN
    }
    assert {address.ip for address in listening} <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
    named = (
        stack.lakehouse_postgres_port,
        stack.lakehouse_trino_port,
        stack.lakehouse_nessie_port,
        stack.lakehouse_nessie_management_port,
        stack.lakehouse_s3_port,
    )
    inner = range(stack.lakehouse_s3_inner_ports, stack.lakehouse_s3_inner_ports + S3_INNER_PORTS)
    assert {address.port for address in listening} == {*named, *inner}


def test_secrets_are_in_no_command_and_no_log(stack: Settings) -> None:
    credentials = read_credentials(stack.stack_path)
    assert credentials is not None
    secrets = [
        credentials.s3_secret_access_key,
        credentials.version_store_password,
        ensure(stack).password,
    ]
    logs = list((stack.stack_path / "logs").iterdir())
    assert {log.name for log in logs} >= {"postgres.log", "s3.log", "nessie.log", "trino.log"}
    told = [log.read_text() for log in logs]
    told += of_each(server_processes(stack), lambda process: " ".join(process.cmdline()))
    assert not [secret for secret in secrets for text in told if secret in text]
    readable = [path for path in stack.stack_path.rglob("*") if path.is_file() and not path.is_symlink()]
    holding = [path.name for path in readable for secret in secrets if secret.encode() in path.read_bytes()]
    assert set(holding) == {"credentials.json"}
    assert stack.stack_path.stat().st_mode & 0o077 == 0


def test_up_again_leaves_them_running(stack: Settings) -> None:
    before = {service.process for service in Stack(stack).status()}
    said: list[str] = []
    Stack(stack, said.append).up()
    assert {service.process for service in Stack(stack).status()} == before
    assert said[-3:] == ["Trino is ready", "Nessie is ready", "SeaweedFS is ready"]


@pytest.mark.parametrize("killed", FOUR)
def test_up_heals_what_was_killed(stack: Settings, branch: None, killed: str) -> None:
    with trino(stack) as query:
        query("create schema nightscout.scratch")
        query("create table nightscout.scratch.kept as select 1 as a")
    if killed == "Postgres":
        process = server_processes(stack)[0]
    else:
        (program,) = (program for program in Stack(stack).programs if program.name == killed)
        (process,) = program.processes()
    process.kill()
    until(lambda: states(stack)[killed] == "stopped")
    Stack(stack).up()
    assert states(stack) == dict.fromkeys(FOUR, "ready")
    with trino(stack) as query:
        assert query("select a from nightscout.scratch.kept") == [[1]]
        query("insert into nightscout.scratch.kept values 2")


def test_down_leaves_no_process_and_keeps_the_lake(stack: Settings, branch: None) -> None:
    with trino(stack) as query:
        query("create schema nightscout.scratch")
        query("create table nightscout.scratch.kept as select 1 as a")
    Stack(stack).down()
    assert states(stack) == dict.fromkeys(FOUR, "stopped")
    assert not processes_with_files_in(stack.lakehouse_home)
    Stack(stack).down()
    start_and_kill_the_starter(stack)
    Stack(stack).up()
    with trino(stack) as query:
        assert query("select a from nightscout.scratch.kept") == [[1]]


def start_and_kill_the_starter(settings: Settings) -> None:
    """`lakehouse stack up`, killed as soon as it has started Trino."""
    command = Path(sys.executable).with_name("lakehouse")
    environment = {**os.environ, **environment_of(settings)}
    with subprocess.Popen(
        [str(command), "stack", "up"], cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL
    ) as starter:
        until(Stack(settings).programs.trino.is_running)
        starter.kill()


def test_the_command_shows_what_runs(stack: Settings) -> None:
    command = Path(sys.executable).with_name("lakehouse")
    done = subprocess.run(
        [str(command), "stack", "status", "--csv"],
        cwd=PROJECT,
        env={**os.environ, **environment_of(stack)},
        capture_output=True,
        text=True,
        check=True,
    )
    header, *rows = done.stdout.splitlines()
    assert header == ",".join(ServiceStatus.__dataclass_fields__)
    assert [row.split(",")[1] for row in rows] == ["ready"] * 4
    assert postgres.is_running(stack)
