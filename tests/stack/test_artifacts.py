"""Downloads: checked, gone on with, unpacked whole or not at all; from a small repository on this machine."""

import hashlib
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from include.errors import ServiceError
from include.stack import artifacts
from include.stack.artifacts import NESSIE, TRINO, Artifacts, cache_folder

JAR = os.urandom(3_000_000)


@pytest.fixture
def server_archive(tmp_path: Path) -> bytes:
    """A Trino server in small: some plugins, one file that is a hard link into another plugin."""
    root = tmp_path / "made" / "trino-server-476"
    for plugin in ("iceberg", "postgresql", "geospatial", "cassandra"):
        (root / "plugin" / plugin).mkdir(parents=True)
    (root / "plugin" / "cassandra" / "shared.jar").write_bytes(b"shared")
    (root / "plugin" / "iceberg" / "shared.jar").hardlink_to(root / "plugin" / "cassandra" / "shared.jar")
    archive = tmp_path / "made.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(root / "plugin" / "cassandra", arcname="trino-server-476/plugin/cassandra")
        tar.add(root, arcname="trino-server-476")
    return archive.read_bytes()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def cache(
    httpserver: HTTPServer, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> Artifacts:
    monkeypatch.setattr(artifacts, "NESSIE", replace(NESSIE, sha256=hashlib.sha256(JAR).hexdigest()))
    return Artifacts(httpserver.url_for("/maven2/"), said.append, tmp_path / "cache")


def test_a_file_is_downloaded_once(cache: Artifacts, httpserver: HTTPServer, said: list[str]) -> None:
    httpserver.expect_ordered_request(f"/maven2/{NESSIE.path}").respond_with_data(JAR)
    jar = cache.nessie()
    assert jar.read_bytes() == JAR
    assert cache.nessie() == jar
    assert said == ["Downloading Nessie 0.99.0 (245 MB, once)"]
    httpserver.check()


def test_a_file_with_another_checksum_is_refused_and_deleted(
    cache: Artifacts, httpserver: HTTPServer
) -> None:
    httpserver.expect_request(f"/maven2/{NESSIE.path}").respond_with_data(JAR[:-1] + b"?")
    with pytest.raises(ServiceError, match="is not the file that was expected") as refused:
        cache.nessie()
    assert NESSIE.path in str(refused.value)
    assert [path.name for path in cache.folder.iterdir()] == ["lock"]


def test_a_download_that_broke_off_is_gone_on_with(cache: Artifacts, httpserver: HTTPServer) -> None:
    asked: list[str | None] = []

    def give(request: Request) -> Response:
        asked.append(request.headers.get("Range"))
        have = int((request.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        if len(asked) == 1:  # says that more comes than does
            return Response(iter([JAR[:1_500_000]]), headers={"Content-Length": str(len(JAR))})
        return Response(JAR[have:], status=206)

    httpserver.expect_request(f"/maven2/{NESSIE.path}").respond_with_handler(give)
    assert cache.nessie().read_bytes() == JAR
    assert asked == [None, f"bytes={artifacts.BLOCK_BYTES}-"]


def test_a_download_that_was_killed_at_its_end_is_only_checked(
    cache: Artifacts, httpserver: HTTPServer
) -> None:
    httpserver.expect_request(f"/maven2/{NESSIE.path}").respond_with_data(status=416)
    cache.folder.mkdir()
    (cache.folder / f"{NESSIE.file_name}.part").write_bytes(JAR)
    assert cache.nessie().read_bytes() == JAR


def test_a_repository_without_the_file_is_named(cache: Artifacts, httpserver: HTTPServer) -> None:
    httpserver.expect_request(f"/maven2/{NESSIE.path}").respond_with_data(status=404)
    with pytest.raises(ServiceError, match=r"\(HTTP 404\).*MAVEN_REPOSITORY") as refused:
        cache.nessie()
    assert httpserver.url_for("/maven2/") in str(refused.value)
    assert len(httpserver.log) == 1


def test_a_repository_that_is_not_there_is_named(tmp_path: Path, said: list[str]) -> None:
    cache = Artifacts("http://127.0.0.1:9", said.append, tmp_path / "cache")
    with pytest.raises(ServiceError, match=r"127.0.0.1:9.*ConnectionError.*MAVEN_REPOSITORY"):
        cache.nessie()


def test_the_server_is_unpacked_without_other_plugins(
    cache: Artifacts, httpserver: HTTPServer, server_archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    httpserver.expect_request(f"/maven2/{TRINO.path}").respond_with_data(server_archive)
    monkeypatch.setattr(artifacts, "TRINO", replace(TRINO, sha256=hashlib.sha256(server_archive).hexdigest()))
    (cache.folder / "unfinished" / "rest of a killed try").mkdir(parents=True)
    server = cache.trino()
    assert sorted(path.name for path in (server / "plugin").iterdir()) == [
        "geospatial",
        "iceberg",
        "postgresql",
    ]
    assert (server / "plugin" / "iceberg" / "shared.jar").read_bytes() == b"shared"
    assert sorted(path.name for path in cache.folder.iterdir()) == ["lock", server.name]


def test_the_cache_lies_where_the_desktop_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "nightscout-lakehouse" / "stack"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "nightscout-lakehouse" / "stack"
