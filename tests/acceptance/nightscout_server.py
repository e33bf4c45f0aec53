"""A real Nightscout server, from npm, on a database that speaks MongoDB's protocol, from PyPI."""

import hashlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests import npm_packages
from tests.free_ports import free_port

HERE = Path(__file__).parent / "nightscout"
SECRET = "a-secret-of-this-test-only"
STARTED_WITHIN_SECONDS = 120


def installed() -> Path:
    """The folder of the server's installed package."""

    def prepare(folder: Path) -> None:
        (folder / "node_modules/nightscout/tmp/public").mkdir(parents=True)

    return (
        npm_packages.installed(HERE / "package.json", "nightscout", prepare) / "node_modules" / "nightscout"
    )


@contextmanager
def _process(command: list[str], log: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **options
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(process: subprocess.Popen[bytes], log: Path, ready: Any) -> None:
    deadline = time.monotonic() + STARTED_WITHIN_SECONDS
    while not ready():
        assert process.poll() is None, (
            f"it ended while starting; the end of {log}:\n{log.read_text()[-2000:]}"
        )
        assert time.monotonic() < deadline, f"not ready after {STARTED_WITHIN_SECONDS} s; see {log}"
        time.sleep(0.2)


def _accepts(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def database(folder: Path) -> Iterator[str]:
    """A database server on loopback; yields the start of its connection string."""
    port, log = free_port(), folder / "database.log"
    storage = folder / "database"
    storage.mkdir()
    program = str(Path(sys.executable).with_name("secantusd-py"))
    command = [
        program,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--standalone",
        "--storage-path",
        str(storage),
    ]
    with _process(command, log) as process:
        _wait(process, log, lambda: _accepts(port))
        yield f"mongodb://127.0.0.1:{port}/"


@dataclass
class Nightscout:
    """A running server and what a person or an uploader does to it, through its own API."""

    url: str
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.session.trust_env = False
        self.session.headers["api-secret"] = hashlib.sha1(SECRET.encode()).hexdigest()  # noqa: S324

    def _call(self, method: str, path: str, **options: Any) -> Any:
        answer = self.session.request(method, f"{self.url}/api/v1/{path}", timeout=60, **options)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text[:300]}"
        return answer.json() if answer.text else None

    def post(self, collection: str, documents: list[dict[str, Any]]) -> Any:
        return self._call("POST", f"{collection}.json", json=documents)

    def replace(self, collection: str, document: dict[str, Any]) -> None:
        self._call("PUT", f"{collection}.json", json=document)

    def delete(self, collection: str, document_id: str) -> None:
        self._call("DELETE", f"{collection}/{document_id}.json")

    def read(self, collection: str, **find: str) -> list[dict[str, Any]]:
        """Everything of a collection, or what a filter such as `**{"find[type]": "sgv"}` selects."""
        date = "date" if collection == "entries" else "created_at"
        everything = {f"find[{date}][$gte]": "0" if date == "date" else "1970-01-01", "count": "100000"}
        return list(self._call("GET", f"{collection}.json", params=everything | find))


@contextmanager
def nightscout(folder: Path, connection: str, name: str) -> Iterator[Nightscout]:
    """A server with a database of its own."""
    port, log = free_port(), folder / f"{name}.log"
    package = installed()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "MONGO_CONNECTION": connection + name,
        "API_SECRET": SECRET,
        "INSECURE_USE_HTTP": "true",
        "HOSTNAME": "127.0.0.1",
        "PORT": str(port),
        "ENABLE": "careportal devicestatus",
    }
    command = ["node", "--no-deprecation", "-r", str(HERE / "preload.js"), "server.js"]
    with _process(command, log, cwd=package, env=environment) as process:
        server = Nightscout(f"http://127.0.0.1:{port}")
        with server.session:
            _wait(process, log, lambda: _accepts(port))
            _wait(process, log, lambda: server.session.get(f"{server.url}/api/v1/status.json", timeout=60).ok)
            yield server
