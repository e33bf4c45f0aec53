"""Starting, knowing and stopping a program in the background: with a small server in place of a large one."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Timer

import psutil
import pytest

from include.errors import ServiceError
from include.stack import program as program_module
from include.stack.program import Program
from include.stack.service import Service
from tests.free_ports import free_port

SERVER = """
import os, signal, socket, sys
if "stubborn" in sys.argv: signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "broken" in sys.argv: sys.exit("ERROR: no such catalog")
with socket.create_server(("127.0.0.1", int(os.environ["HTTP_PORT"]))) as server:
    print("listening", sorted(os.environ), flush=True)
    while True: server.accept()[0].close()
"""


def until(is_so: Callable[[], bool], seconds: float = 20) -> None:
    give_up = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < give_up
        time.sleep(0.02)


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def make(tmp_path: Path, port: int) -> Iterator[Callable[..., Service]]:
    program = Program("The server", tmp_path / "folder", tmp_path / "logs" / "server.log")
    configuration = tmp_path / "server.properties"
    configuration.write_text("a=1\n")

    def answers() -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        return False

    def made(*arguments: str, **environment: str) -> Service:
        command = [sys.executable, "-c", SERVER, *arguments]
        environment = {"HTTP_PORT": str(port), **environment}
        return Service(program, command, environment, {port: "LAKEHOUSE_X_PORT"}, [configuration], answers)

    yield made
    program.stop()


def only_process(service: Service) -> psutil.Process:
    (process,) = service.program.processes()
    return process


def test_started_once_and_stopped(make: Callable[..., Service], port: int) -> None:
    service = make()
    assert not service.program.is_running()
    service.program.stop()
    service.launch()
    service.wait()
    process = only_process(service)
    service.launch()
    service.wait()
    assert only_process(service) == process
    assert process.ppid() != os.getpid()
    service.program.stop()
    until(lambda: has_ended(process))
    assert not service.program.is_running()


def has_ended(process: psutil.Process) -> bool:
    """Whether it is gone, or waits only for whoever collects its exit code."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_it_sees_no_secret_of_ours(make: Callable[..., Service], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSCOUT_TOKEN", "canary")
    monkeypatch.setenv("JDK_JAVA_OPTIONS", "-Xmx64g")
    service = make()
    service.launch()
    service.wait()
    until(lambda: "listening" in service.program.log.read_text())
    log = service.program.log.read_text()
    assert "NIGHTSCOUT" not in log
    assert "JDK_JAVA_OPTIONS" not in log


def test_killed_it_is_started_again(make: Callable[..., Service]) -> None:
    service = make()
    service.launch()
    service.wait()
    killed = only_process(service)
    killed.kill()
    until(lambda: not service.program.is_running())
    service.launch()
    service.wait()
    assert only_process(service) != killed


def test_one_that_is_still_ending_is_waited_for(make: Callable[..., Service]) -> None:
    """A process that was killed shows no open file before the last of its threads frees the lock."""
    service = make()
    service.launch()
    service.wait()
    only_process(service).kill()
    until(lambda: not service.program.is_running())
    ending = service.program.claim()
    assert ending is not None
    Timer(0.3, ending.close).start()
    service.launch()
    service.wait()
    assert only_process(service).is_running()


@pytest.mark.parametrize("change", ["arguments", "environment", "configuration", "unknown"])
def test_with_anything_changed_it_is_started_anew(
    make: Callable[..., Service], tmp_path: Path, change: str
) -> None:
    service = make()
    service.launch()
    service.wait()
    before = only_process(service)
    if change == "arguments":
        service = make("more")
    elif change == "environment":
        service = make(PASSWORD="new")
    elif change == "configuration":
        (tmp_path / "server.properties").write_text("a=2\n")
    else:
        (service.program.folder / "started").unlink()
    service.launch()
    service.wait()
    assert only_process(service) != before


def test_a_port_in_use_is_one_sentence(make: Callable[..., Service], port: int) -> None:
    with socket.create_server(("127.0.0.1", port)):
        with pytest.raises(ServiceError) as refused:
            make().launch()
        assert str(refused.value) == (
            f"port {port} cannot be used for The server (Address already in use): "
            "set LAKEHOUSE_X_PORT to a free port"
        )
    assert not make().program.is_running()


def test_one_that_ends_at_once_says_why(make: Callable[..., Service]) -> None:
    service = make("broken")
    service.launch()
    with pytest.raises(ServiceError, match=r"The server does not start: ERROR: no such catalog \(its log: "):
        service.wait()


def test_a_program_that_does_not_exist_says_so(make: Callable[..., Service]) -> None:
    service = make()
    missing = Service(**{**vars(service), "command": ["/no/such/program"]})
    missing.launch()
    with pytest.raises(ServiceError, match=r"does not start: .*/no/such/program"):
        missing.wait()


def test_one_that_does_not_want_to_end_is_killed(
    make: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program_module, "STOP_SECONDS", 0.3)
    service = make("stubborn")
    service.launch()
    service.wait()
    service.program.stop()
    assert not service.program.is_running()


def test_a_stranger_with_its_name_is_left_alone(make: Callable[..., Service], port: int) -> None:
    service = make()
    service.launch()
    service.wait()
    environment = {**os.environ, "HTTP_PORT": str(free_port())}
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], env=environment, stdout=subprocess.DEVNULL
    ) as stranger:
        service.program.stop()
        assert stranger.poll() is None
        stranger.send_signal(signal.SIGKILL)


def test_what_a_killed_one_left_is_cleared_away(make: Callable[..., Service], tmp_path: Path) -> None:
    left_over = tmp_path / "launcher.pid"
    left_over.write_text("1")
    service = Service(**{**vars(make()), "left_over": [left_over]})
    service.launch()
    service.wait()
    assert not left_over.exists()


def test_the_log_of_the_start_before_is_kept(make: Callable[..., Service]) -> None:
    service = make("broken")
    service.launch()
    until(lambda: not service.program.is_running())
    make().launch()
    log = service.program.log
    assert "no such catalog" in log.with_suffix(".before.log").read_text()
    assert "no such catalog" not in log.read_text()
