"""`lakehouse run` on a site that refuses: the whole Dag, as `make run` starts it in a fresh clone."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from include.serving.postgres import is_running, remove
from include.settings import PROJECT, Settings
from tests.free_ports import free_port
from tests.nightscout.misbehaving import answer, misbehaving_server

SECRET = "canary-9a8b7c6d5e4f3021"
SET_BY_TESTS = ("NIGHTSCOUT_", "LAKEHOUSE_", "AIRFLOW", "DBT_", "SITES_FILE")


@dataclass
class Clone:
    """The project without what its user configured, and a home."""

    project: Path
    home: Path
    port: int

    def lakehouse(self, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        kept = {name: value for name, value in os.environ.items() if not name.startswith(SET_BY_TESTS)}
        environment = kept | {
            "PYTHONPATH": str(self.project),
            "LAKEHOUSE_HOME": str(self.home),
            "LAKEHOUSE_POSTGRES_PORT": str(self.port),
        }
        return subprocess.run(
            [str(Path(sys.executable).with_name("lakehouse")), *arguments],
            env=environment | settings,
            cwd=self.project,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def settings(self) -> Settings:
        return Settings(_env_file=None, lakehouse_home=self.home, lakehouse_postgres_port=self.port)


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Clone]:
    unwanted = shutil.ignore_patterns("__pycache__", ".env", "sites.yaml", "target", "logs")
    for folder in ("include", "dags", "plugins"):
        if (PROJECT / folder).is_dir():
            shutil.copytree(PROJECT / folder, tmp_path / "clone" / folder, ignore=unwanted)
    clone = Clone(tmp_path / "clone", tmp_path / "home", free_port())
    yield clone
    remove(clone.settings())


def test_a_wrong_secret_is_one_sentence_and_the_place_of_the_log(clone: Clone) -> None:
    with misbehaving_server() as site:
        site.replies(answer('{"status":401,"message":"Unauthorized"}', 401))
        done = clone.lakehouse(
            *("run", "--start", "2024-10-15", "--end", "2024-10-16"),
            NIGHTSCOUT_URL=site.url,
            NIGHTSCOUT_API_SECRET=SECRET,
            NIGHTSCOUT_TIME_ZONE="Europe/Berlin",
        )
    assert done.returncode == 1, done.stdout + done.stderr
    (sentence,) = done.stderr.splitlines()
    assert re.fullmatch(r"lakehouse: .*site home.* answers 401: .*stays\. The full log: \S+", sentence), (
        sentence
    )
    log = Path(sentence.rpartition(" ")[2])
    assert log.is_file()
    assert "Traceback" not in done.stdout
    assert "read the site" in done.stdout  # progress, step by step
    told = done.stdout + done.stderr
    assert SECRET not in told
    for file in clone.home.rglob("*"):
        assert not file.is_file() or SECRET.encode() not in file.read_bytes(), file
    assert is_running(clone.settings())
    status = clone.lakehouse("status").stdout
    assert "nothing was loaded yet" in status
    (run,) = json.loads(clone.lakehouse("status", "--json").stdout)[0]["runs"]
    assert (run["outcome"], run["left_out"], run["version"]) == ("left_out", ["home"], None)
    assert "answers 401" in run["reason"]
    assert run["ended_at"] > run["taken_at"]
