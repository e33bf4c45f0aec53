"""What the three services of the stack beside Postgres are: their programs, environments and health."""

import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import requests
from pyarrow import fs
from trino.dbapi import connect
from trino.exceptions import Error as TrinoError

from include.errors import ServiceError
from include.serving.postgres import Postgres
from include.settings import PROJECT, Settings
from include.stack.connection import LakeConnection
from include.stack.object_store import object_store
from include.stack.program import Program
from include.stack.service import HOST, Service

DEPLOY = PROJECT / "deploy"
NESSIE_HEAP = "-Xmx512m"
S3_MEMORY = "512MiB"  # Go's collector works harder from here on
ANSWER_SECONDS = 5.0
# `select 1` needs no node, and for seconds after its first answer Trino has none for a catalog's tables.
TRINO_QUESTION = "select * from table(postgres.system.query(query => 'select 1 as one'))"
# Ports that parts of SeaweedFS use among themselves, counted from LAKEHOUSE_S3_INNER_PORTS on.
S3_INNER_PORTS = (
    "s3.port.grpc",
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "admin.port",
    "admin.port.grpc",
)


@dataclass(frozen=True)
class Programs:
    """The programs of the stack beside Postgres."""

    s3: Program
    nessie: Program
    trino: Program

    def __iter__(self) -> Iterator[Program]:
        return iter((self.s3, self.nessie, self.trino))


def programs(settings: Settings) -> Programs:
    """The three, by the folders in which they run or ran."""
    folder, logs = settings.stack_path, settings.stack_path / "logs"
    return Programs(
        s3=Program("SeaweedFS", folder / "s3", logs / "s3.log"),
        nessie=Program("Nessie", folder / "nessie", logs / "nessie.log"),
        trino=Program("Trino", folder / "trino", logs / "trino.log"),
    )


def s3_service(settings: Settings, lake: LakeConnection) -> Service:
    """SeaweedFS, which makes the bucket of the warehouse. Raises ServiceError when it is not installed."""
    weed = Path(sysconfig.get_path("scripts")) / "weed"
    if not weed.exists():
        raise ServiceError("SeaweedFS is not installed: use `make stack-up`, which does that")
    program, options = programs(settings).s3, DEPLOY / "seaweedfs" / "mini.options"
    inner = dict(enumerate(S3_INNER_PORTS, settings.lakehouse_s3_inner_ports))
    command = [
        str(weed),
        "mini",
        f"-options={options}",
        f"-dir={program.folder}",
        f"-ip={HOST}",
        f"-ip.bind={HOST}",
        f"-bucket={lake.bucket}",
        f"-s3.port={settings.lakehouse_s3_port}",
        *(f"-{option}={port}" for port, option in inner.items()),
    ]
    return Service(
        program,
        command,
        environment=_keys(lake) | {"GOMEMLIMIT": S3_MEMORY},
        ports={settings.lakehouse_s3_port: "LAKEHOUSE_S3_PORT"}
        | dict.fromkeys(inner, "LAKEHOUSE_S3_INNER_PORTS"),
        configuration=[options],
        is_ready=lambda: s3_is_ready(lake),
    )


def nessie_service(
    settings: Settings, lake: LakeConnection, version_store: Postgres, java: Path, jar: Path
) -> Service:
    """Nessie, which keeps its branches in the database `version_store`."""
    properties = DEPLOY / "nessie" / "application.properties"
    return Service(
        programs(settings).nessie,
        command=[str(java / "bin" / "java"), NESSIE_HEAP, "-XX:+ExitOnOutOfMemoryError", "-jar", str(jar)],
        environment={
            "QUARKUS_CONFIG_LOCATIONS": str(properties),
            "BIND_ADDRESS": HOST,
            "HTTP_PORT": str(settings.lakehouse_nessie_port),
            "MANAGEMENT_PORT": str(settings.lakehouse_nessie_management_port),
            "VERSION_STORE_URL": _jdbc(version_store),
            "VERSION_STORE_USER": version_store.user,
            "VERSION_STORE_PASSWORD": version_store.password,
            "ICEBERG_WAREHOUSE_PATH": lake.warehouse,
            "AWS_S3_ENDPOINT": lake.s3_endpoint,
        }
        | _keys(lake),
        ports={
            settings.lakehouse_nessie_port: "LAKEHOUSE_NESSIE_PORT",
            settings.lakehouse_nessie_management_port: "LAKEHOUSE_NESSIE_MANAGEMENT_PORT",
        },
        configuration=[properties],
        is_ready=lambda: nessie_is_ready(settings),
    )


def trino_service(
    settings: Settings, lake: LakeConnection, published: Postgres, java: Path, server: Path
) -> Service:
    """Trino, with two catalogs of the lake and one of the database `published`."""
    program, etc = programs(settings).trino, DEPLOY / "trino" / "etc"
    return Service(
        program,
        command=[
            str(server / "bin" / "launcher"),
            "run",
            f"--etc-dir={etc}",
            f"--data-dir={program.folder}",
        ],
        environment={
            "JAVA_HOME": str(java),
            "BIND_ADDRESS": HOST,
            "INTERNAL_ADDRESS": HOST,
            "HTTP_PORT": str(settings.lakehouse_trino_port),
            "NESSIE_URI": lake.nessie_uri,
            "AWS_S3_ENDPOINT": lake.s3_endpoint,
            "POSTGRES_URL": _jdbc(published),
            "POSTGRES_USER": published.user,
            "POSTGRES_PASSWORD": published.password,
        }
        | _keys(lake),
        ports={settings.lakehouse_trino_port: "LAKEHOUSE_TRINO_PORT"},
        configuration=sorted(path for path in etc.rglob("*") if path.is_file()),
        is_ready=lambda: trino_is_ready(settings),
        left_over=[program.folder / "var" / "run" / "launcher.pid"],
    )


def s3_is_ready(lake: LakeConnection) -> bool:
    """Whether the store answers, and has the bucket of the warehouse."""
    if not _answers(f"{lake.s3_endpoint}/healthz"):
        return False
    store = object_store(lake, answer_seconds=ANSWER_SECONDS, tries=1)
    try:
        return bool(store.get_file_info(lake.bucket).type == fs.FileType.Directory)
    except OSError:
        return False


def nessie_is_ready(settings: Settings) -> bool:
    """Whether it answers, and reaches its version store and the warehouse."""
    return _answers(f"http://{HOST}:{settings.lakehouse_nessie_management_port}/q/health/ready")


def trino_is_ready(settings: Settings) -> bool:
    """Whether it runs queries on a catalog: it answers before that, and for a while has no node for one."""
    if not _answers(f"http://{HOST}:{settings.lakehouse_trino_port}/v1/info", '"starting":false'):
        return False
    with requests.Session() as session:
        session.trust_env = False  # loopback needs no proxy
        connection = connect(  # type: ignore[no-untyped-call]
            host=HOST,
            port=settings.lakehouse_trino_port,
            user="health",
            request_timeout=ANSWER_SECONDS,
            http_session=session,
        )
        try:
            return bool(connection.cursor().execute(TRINO_QUESTION).fetchall() == [[1]])
        except (TrinoError, requests.RequestException):
            return False


def _keys(lake: LakeConnection) -> dict[str, str]:
    return {"AWS_ACCESS_KEY_ID": lake.access_key_id, "AWS_SECRET_ACCESS_KEY": lake.secret_access_key}


def _jdbc(postgres: Postgres) -> str:
    return f"jdbc:postgresql://{postgres.host}:{postgres.port}/{postgres.database}"


def _answers(url: str, word: str = "") -> bool:
    """Whether the address answers 200, with the word in its answer."""
    with requests.Session() as session:
        session.trust_env = False  # loopback needs no proxy
        try:
            answer = session.get(url, timeout=ANSWER_SECONDS)
        except requests.RequestException:
            return False
    return answer.status_code == requests.codes.ok and word in answer.text
