"""The stage: an answer is kept whole or not at all, once, whatever happens meanwhile."""

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from include.errors import ServiceError, StageError
from include.ingestion.stage import Stage, StagedRead
from include.ingestion.staged_read import read_id_of
from include.nightscout.client import Answer
from include.nightscout.windows import Collection, Window

AT = datetime(2026, 6, 1, 12, 0, 0, 123456, tzinfo=UTC)
WINDOW = Window("home", Collection.ENTRIES, AT - timedelta(days=1), AT)
DOCUMENTS = ('{"_id":"a","sgv":100}', '{"_id":"b","notes":"höher \\ud83d\\ude00"}')
READ_ID = f"home-entries-{WINDOW.key}--run-1"


def keep(stage: Stage, documents: tuple[str, ...] = DOCUMENTS, **changes: Any) -> StagedRead:
    about = {"kind": "window", "origin": "https://ns.example", "run_id": "run:1", "branch": "run-1"} | changes
    window = about.pop("window", WINDOW)
    answer = Answer("/api/v1/entries.json?count=0", documents, about.pop("fetched_at", AT))
    return stage.write(window, answer, **about)


def texts(stage: Stage, read: StagedRead) -> list[tuple[int, str]]:
    table = stage.documents(read)
    return [(row["row_number"], row["document"]) for row in table.to_pylist()]


def test_what_is_kept(stage: Stage, tmp_path: Path) -> None:
    read = keep(stage)
    folder = tmp_path / "stage" / "home" / "entries" / READ_ID
    assert sorted(path.name for path in folder.iterdir()) == ["documents.parquet", "manifest.json"]
    assert texts(stage, read) == [(0, DOCUMENTS[0]), (1, DOCUMENTS[1])]
    assert json.loads((folder / "manifest.json").read_text()) == {
        "read_id": READ_ID,
        "window": {
            "site_id": "home",
            "collection": "entries",
            "start": "2026-05-31T12:00:00.123Z",
            "end": "2026-06-01T12:00:00.123Z",
        },
        "kind": "window",
        "origin": "https://ns.example",
        "request": "/api/v1/entries.json?count=0",
        "fetched_at": "2026-06-01T12:00:00.123456+00:00",
        "document_count": 2,
        "checksum": read.checksum,
        "run_id": "run:1",
        "branch": "run-1",
        "document_id": None,
    }
    assert not list((tmp_path / "stage" / ".drafts").iterdir())


def test_a_read_is_found_again_as_it_was_written(stage: Stage) -> None:
    read = keep(stage)
    assert stage.find(WINDOW, "run-1") == read
    assert stage.find(WINDOW, "run-2") is None
    assert stage.reads() == [read]


def test_an_empty_answer_is_known_empty(stage: Stage) -> None:
    read = keep(stage, ())
    assert read.document_count == 0
    assert texts(stage, read) == []
    assert stage.find(WINDOW, "run-1") == read


def test_written_once(stage: Stage) -> None:
    first = keep(stage)
    assert keep(stage, ('{"_id":"other"}',), fetched_at=AT + timedelta(hours=1)) == first
    assert texts(stage, first) == [(0, DOCUMENTS[0]), (1, DOCUMENTS[1])]


def test_another_branch_is_another_read(stage: Stage) -> None:
    first = keep(stage)
    second = keep(stage, ('{"_id":"other"}',), branch="run-2")
    assert texts(stage, first)[0][1] == DOCUMENTS[0]
    assert texts(stage, second) == [(0, '{"_id":"other"}')]


def test_a_look_up_is_a_read_of_its_own(stage: Stage) -> None:
    window = keep(stage)
    found = keep(stage, DOCUMENTS[:1], kind="look_up", document_id="a/b\0c")
    assert found.read_id == read_id_of(WINDOW, "run-1", "a/b\0c")
    assert found.read_id.startswith("home-entries-lookup-")
    assert "/" not in found.read_id
    assert stage.find(WINDOW, "run-1", "a/b\0c") == found
    assert stage.find(WINDOW, "run-1", "a") is None
    assert {read.read_id for read in stage.reads()} == {window.read_id, found.read_id}


def test_names_of_reads_differ_by_site_and_collection() -> None:
    """The ledger has one row a read: its name alone must tell reads apart."""
    windows = [
        Window(site, collection, WINDOW.start, WINDOW.end)
        for site in ("home", "clinic")
        for collection in Collection
    ]
    names = [read_id_of(window, "run-1", of) for window in windows for of in (None, "a", "b")]
    assert len(set(names)) == 2 * len(Collection) * 3


def test_reads_come_oldest_fetch_first_and_can_be_skipped(stage: Stage) -> None:
    late = keep(stage, branch="a", fetched_at=AT + timedelta(hours=2))
    early = keep(stage, branch="b", fetched_at=AT)
    other = Window("clinic", Collection.TREATMENTS, WINDOW.start, WINDOW.end)
    middle = keep(stage, branch="c", fetched_at=AT + timedelta(hours=1), window=other)
    assert stage.reads() == [early, middle, late]
    assert stage.reads(skip={middle.read_id}) == [early, late]


def test_an_empty_stage_has_no_reads(stage: Stage) -> None:
    assert stage.reads() == []


def test_removed_for_good(stage: Stage, tmp_path: Path) -> None:
    read = keep(stage)
    stage.put(read, "validation.json", b"{}")
    stage.remove(read)
    stage.remove(read)
    assert stage.reads() == []
    with pytest.raises(StageError, match="gone"):
        stage.documents(read)


def test_files_beside_the_documents(stage: Stage, tmp_path: Path) -> None:
    read = keep(stage)
    assert stage.get(read, "validation.json") is None
    stage.put(read, "validation.json", b"1")
    stage.put(read, "validation.json", b"2")
    assert stage.get(read, "validation.json") == b"2"
    folder = tmp_path / "stage" / "home" / "entries" / read.read_id
    assert sorted(p.name for p in folder.iterdir()) == [
        "documents.parquet",
        "manifest.json",
        "validation.json",
    ]


def test_a_damaged_file_is_named(stage: Stage, tmp_path: Path) -> None:
    read = keep(stage)
    path = tmp_path / "stage" / "home" / "entries" / read.read_id / "documents.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(StageError, match=f"{read.read_id}/documents.parquet is damaged"):
        stage.documents(read)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"window": {}}'])
def test_a_damaged_manifest_is_named(stage: Stage, tmp_path: Path, text: str) -> None:
    read = keep(stage)
    (tmp_path / "stage" / "home" / "entries" / read.read_id / "manifest.json").write_text(text)
    with pytest.raises(StageError, match=f"{read.read_id}/manifest.json is damaged"):
        stage.find(WINDOW, "run-1")


def test_a_folder_without_manifest_is_no_read_and_is_replaced(stage: Stage, tmp_path: Path) -> None:
    read = keep(stage)
    (tmp_path / "stage" / "home" / "entries" / read.read_id / "manifest.json").unlink()
    assert stage.find(WINDOW, "run-1") is None
    assert stage.reads() == []
    again = keep(stage, ('{"_id":"new"}',))
    assert texts(stage, again) == [(0, '{"_id":"new"}')]


def test_two_writers_agree_on_the_first(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Path.rename
    first: list[StagedRead] = []

    def overtaken(path: Path, target: Path) -> Path:
        monkeypatch.setattr(Path, "rename", original)
        first.append(keep(stage, ('{"_id":"first"}',)))
        return original(path, target)

    monkeypatch.setattr(Path, "rename", overtaken)
    assert keep(stage) == first[0]
    assert texts(stage, first[0]) == [(0, '{"_id":"first"}')]


def test_windows_of_mapped_tasks_at_the_same_time(stage: Stage) -> None:
    """dlt keeps pipelines in process-wide state: threads must not mix their answers."""
    windows = [
        Window("home", Collection.ENTRIES, AT + timedelta(days=day), AT + timedelta(days=day + 1))
        for day in range(6)
    ]
    threads = [
        threading.Thread(
            target=keep, args=(stage, (f'{{"_id":"{n}"}}',) * (n + 1)), kwargs={"window": window}
        )
        for n, window in enumerate(windows)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n, window in enumerate(windows):
        read = stage.find(window, "run-1")
        assert read is not None
        assert texts(stage, read) == [(row, f'{{"_id":"{n}"}}') for row in range(n + 1)]


def test_an_object_store_gets_the_manifest_last() -> None:
    order: list[str] = []

    class Recording(MemoryFileSystem):  # type: ignore[misc]
        cachable = False
        store: dict[str, Any] = {}  # noqa: RUF012
        pseudo_dirs = [""]  # noqa: RUF012

        def pipe_file(self, path: str, value: bytes, **kwargs: Any) -> None:
            order.append(path.rpartition("/")[2])
            super().pipe_file(path, value, **kwargs)

    stage = Stage(Recording(), "/bucket/stage")
    read = keep(stage)
    assert order == ["documents.parquet", "manifest.json"]
    assert keep(stage, ('{"_id":"other"}',)) == read
    assert order == ["documents.parquet", "manifest.json"]
    assert stage.reads() == [read]
    assert texts(stage, read) == [(0, DOCUMENTS[0]), (1, DOCUMENTS[1])]
    stage.put(read, "validation.json", b"{}")
    assert stage.get(read, "validation.json") == b"{}"
    stage.remove(read)
    assert stage.reads() == []


def test_nothing_is_written_outside_the_stage(stage: Stage, tmp_path: Path) -> None:
    """dlt likes to leave state in the home folder; a fresh process with a fresh home shows it."""
    home = tmp_path / "home"
    home.mkdir()
    child = run_child(tmp_path, "keep(stage)", {"HOME": str(home), "XDG_DATA_HOME": str(home)})
    assert child.returncode == 0, child.stderr
    assert [str(path) for path in home.rglob("*")] == []
    assert len(stage.reads()) == 1


# --- a full disk, no permission ---


def refuse(error: int) -> Callable[..., None]:
    def fault(*_: object, **__: object) -> None:
        raise OSError(error, os.strerror(error))

    return fault


@pytest.mark.parametrize(
    ("owner", "name"),
    [(shutil, "copyfileobj"), (Path, "write_text"), (os, "fsync"), (Path, "rename"), (Path, "mkdir")],
)
def test_a_full_disk(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: object, name: str
) -> None:
    with monkeypatch.context() as faulty:
        faulty.setattr(owner, name, refuse(errno.ENOSPC))
        with pytest.raises(ServiceError, match=rf"{tmp_path}/stage .*No space left on device.*free space"):
            keep(stage)
    assert stage.reads() == []
    drafts = tmp_path / "stage" / ".drafts"
    assert not drafts.exists() or not list(drafts.iterdir())
    assert texts(stage, keep(stage))[0] == (0, DOCUMENTS[0])


def test_a_full_disk_inside_dlt(stage: Stage, tmp_path: Path) -> None:
    """A real limit on the size of files: dlt's own writers meet it before ours do."""
    child = run_child(
        tmp_path,
        """
import resource
from include.errors import ServiceError
documents = tuple(f'{{"_id":"{os.urandom(16).hex()}"}}' for _ in range(20_000))
os.environ.update(loader.DLT_ENVIRONMENT)
import dlt
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    keep(stage, documents)
except ServiceError as error:
    print(error)
""",
    )
    assert child.returncode == 0, child.stderr
    assert f"{tmp_path}/stage cannot be written (File too large" in child.stdout
    assert stage.reads() == []


def test_a_full_disk_beside_the_documents(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = keep(stage)
    stage.put(read, "validation.json", b"old")
    with monkeypatch.context() as faulty:
        faulty.setattr(LocalFileSystem, "mv", refuse(errno.ENOSPC))
        with pytest.raises(ServiceError, match="No space left on device"):
            stage.put(read, "validation.json", b"new")
    assert stage.get(read, "validation.json") == b"old"
    assert len(list((tmp_path / "stage" / "home" / "entries" / read.read_id).iterdir())) == 3


def test_a_stage_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ServiceError, match="cannot be written"):
        keep(Stage(LocalFileSystem(), f"{tmp_path}/file/stage"))


# --- kill -9 ---

CHILD = """
import os, signal, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from fsspec.implementations.local import LocalFileSystem
from include.ingestion import loader
from include.ingestion.stage import Stage
from include.nightscout.client import Answer
from include.nightscout.windows import Collection, Window
AT = datetime.fromisoformat({at!r})
WINDOW = Window("home", Collection.ENTRIES, AT - timedelta(days=1), AT)
stage = Stage(LocalFileSystem(), {root!r})
def keep(stage, documents={documents!r}, window=WINDOW):
    return stage.write(window, Answer("/api/v1/entries.json", documents, AT), kind="window",
                       origin="https://ns.example", run_id="run:1", branch="run-1")
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def child_program(tmp_path: Path, body: str) -> list[str]:
    head = CHILD.format(at=AT.isoformat(), root=f"{tmp_path}/stage", documents=DOCUMENTS)
    return [sys.executable, "-c", head + body]


def run_child(
    tmp_path: Path, body: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        child_program(tmp_path, body),
        env=os.environ | (environment or {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


KILLED = {
    "before dlt": "import include.ingestion.stage as s; s.load_parquet = die; keep(stage)",
    "before the copy": "import shutil; shutil.copyfileobj = die; keep(stage)",
    "within the copy": """
import shutil
def half(source, copy):
    copy.write(source.read(100)); copy.flush(); die()
shutil.copyfileobj = half
keep(stage)""",
    "within the manifest": """
original = Path.write_text
def half(path, text, **kwargs):
    original(path, text[:40], **kwargs); die()
Path.write_text = half
keep(stage)""",
    "before it is revealed": "Path.rename = die; keep(stage)",
    "after it was revealed": """
original = Path.rename
def then_die(path, target):
    original(path, target); die()
Path.rename = then_die
keep(stage)""",
}


def whole(stage: Stage) -> list[StagedRead]:
    """Every read that has a manifest; each must have its whole documents."""
    found = stage.reads()
    for read in found:
        assert len(texts(stage, read)) == read.document_count
    return found


FORKED = """
import json
os.environ.update(loader.DLT_ENVIRONMENT)
import dlt  # once, before the children are forked
statuses = {{}}
for moment, body in {moments!r}.items():
    child = os.fork()
    if not child:
        stage = Stage(LocalFileSystem(), {root!r} + "/" + moment)
        exec(body)
        os._exit(0)
    statuses[moment] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(json.dumps(statuses))
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One stage for each moment, as the killed process left it."""
    folder = tmp_path_factory.mktemp("killed")
    child = run_child(folder, FORKED.format(moments=KILLED, root=str(folder)))
    assert child.returncode == 0, child.stderr
    assert json.loads(child.stdout) == dict.fromkeys(KILLED, -signal.SIGKILL), child.stderr
    return folder


@pytest.mark.parametrize("moment", KILLED)
def test_killed(killed: Path, moment: str) -> None:
    stage = Stage(LocalFileSystem(), f"{killed}/{moment}")
    assert len(whole(stage)) == (1 if moment == "after it was revealed" else 0)
    read = keep(stage)
    assert texts(stage, read) == [(0, DOCUMENTS[0]), (1, DOCUMENTS[1])]
    assert whole(stage) == [read]
    stage.clear_drafts()
    assert [path.name for path in (killed / moment).iterdir()] == ["home"]
    assert keep(stage) == read


@pytest.mark.parametrize("seed", range(2))
def test_killed_at_random(stage: Stage, tmp_path: Path, seed: int) -> None:
    """A child stages one window after the other and is killed anywhere; all can be staged afterwards."""
    body = """
print("ready", flush=True)
for day in range(1000):
    start = AT + timedelta(days=day)
    window = Window("home", Collection.ENTRIES, start, start + timedelta(days=1))
    keep(stage, tuple(f'{{"_id":"{day}-{n}"}}' for n in range(2000)), window)
    print(day, flush=True)
"""
    moments = random.Random(seed)
    with subprocess.Popen(child_program(tmp_path, body), stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        last = "ready"
        for _ in range(moments.randint(2, 8)):
            last = child.stdout.readline().strip()
        threading.Event().wait(moments.random() * 0.1)
        child.kill()
        child.stdout.read()
    done = int(last) if last != "ready" else -1
    reads = whole(stage)
    assert len(reads) >= done + 1
    for day in range(done + 4):
        start = AT + timedelta(days=day)
        window = Window("home", Collection.ENTRIES, start, start + timedelta(days=1))
        read = keep(stage, tuple(f'{{"_id":"{day}-{n}"}}' for n in range(2000)), window=window)
        assert texts(stage, read)[-1] == (1999, f'{{"_id":"{day}-1999"}}')
    whole(stage)
