"""PyIceberg's view of one reference of Nessie: the path of the catalog's address names it."""

import json
from urllib.parse import urlsplit

import requests
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException, RESTError
from pyiceberg.io import FileIO
from pyiceberg.table import CommitTableResponse, Table
from pyiceberg.table.update import AssertRefSnapshotId, TableRequirement, TableUpdate
from pyiceberg.typedef import EMPTY_DICT, Properties
from requests import Response, Session

from include.errors import ContractError, ServiceError
from include.lakehouse.interface import RAW
from include.lakehouse.nessie.api import ANSWER_SECONDS
from include.lakehouse.nessie.loopback import LOOPBACK
from include.lakehouse.raw_table import Guard, held, raw_table
from include.schemas import RAW_TABLES, iceberg_schema
from include.stack.connection import REGION, LakeConnection


class NessieCatalog(RestCatalog):
    """The tables at one reference; commits only while `guard` lets it, without one never.

    Whatever is asked of it raises ServiceError when Nessie does not answer.
    """

    def __init__(self, connection: LakeConnection, reference: str, guard: Guard | None = None) -> None:
        self._address = connection.nessie_uri
        self.guard = guard
        self._store = {
            "py-io-impl": "include.lakehouse.nessie.file_io.ToldFileIO",
            "s3.endpoint": connection.s3_endpoint,
            "s3.access-key-id": connection.access_key_id,
            "s3.secret-access-key": connection.secret_access_key,
            "s3.region": REGION,
            "s3.connect-timeout": "10",
            "s3.request-timeout": "30",
        }
        super().__init__("lake", uri=f"{connection.nessie_uri}/iceberg/{reference}")

    def commit_table(
        self, table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        """Commit while the guard is held. Raises BranchError when this catalog may not change."""
        with held(self.guard):
            self._check_still_empty(table, requirements)
            try:
                answer: CommitTableResponse = super().commit_table(table, requirements, updates)
            except ServiceError as error:  # no answer: it may have arrived
                raise CommitStateUnknownException(str(error)) from error
            return answer

    def _check_still_empty(self, table: Table, requirements: tuple[TableRequirement, ...]) -> None:
        """Nessie ignores the requirement of no snapshot, and would replace the first one of another."""
        expects_none = any(
            isinstance(requirement, AssertRefSnapshotId) and requirement.snapshot_id is None
            for requirement in requirements
        )
        if expects_none and self.load_table(table.name()).current_snapshot() is not None:
            raise CommitFailedException(f"{'.'.join(table.name())} was empty a moment ago")

    def _load_file_io(self, properties: Properties = EMPTY_DICT, location: str | None = None) -> FileIO:
        return super()._load_file_io({**properties, **self._store}, location)  # ours, not what Nessie uses

    def _create_session(self) -> Session:
        session = super()._create_session()
        for scheme in ("http://", "https://"):
            session.mount(scheme, _ToldAdapter(self._address))
        session.trust_env = urlsplit(self._address).hostname not in LOOPBACK  # loopback needs no proxy
        return session


class _ToldAdapter(requests.adapters.HTTPAdapter):
    """Sends with a time limit, and says in one sentence when nobody answers."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address

    def send(self, request: requests.PreparedRequest, **options: object) -> Response:  # type: ignore[override]
        options["timeout"] = ANSWER_SECONDS
        if isinstance(request.body, bytes) and b'"add-schema"' in request.body:
            request.prepare_body(_with_last_columns(request.body), None)
        try:
            return super().send(request, **options)  # type: ignore[arg-type]
        except requests.RequestException as error:
            raise ServiceError(
                f"Nessie on {self._address} is not usable ({type(error).__name__}): see that it runs, "
                "then try again"
            ) from None


def _with_last_columns(commit: bytes) -> bytes:
    """Nessie 0.99 refuses a new schema without `last-column-id`, which PyIceberg does not send any more."""
    content = json.loads(commit)
    for update in content["updates"]:
        if update["action"] == "add-schema":
            update["last-column-id"] = max(field["id"] for field in update["schema"]["fields"])
    return json.dumps(content).encode()


def contracted_table(catalog: NessieCatalog, name: str) -> Table:
    """The table `raw.<name>`, created from its contract when absent.

    Raises BranchError when it has no contract, ContractError when somebody made it with other columns,
    ServiceError when Nessie cannot make it.
    """
    try:
        table = raw_table(catalog, catalog.guard, name)
    except RESTError as error:
        raise ServiceError(f"Nessie cannot give or make {RAW}.{name}: {_first_line(error)}") from error
    expected, found = (
        {field.name: (str(field.field_type), field.required) for field in schema.fields}
        for schema in (iceberg_schema(RAW_TABLES[name]), table.schema())
    )
    differing = sorted(column for column in expected | found if expected.get(column) != found.get(column))
    if differing:
        raise ContractError(
            f"{RAW}.{name} does not have the columns of its contract, it was made by hand or by another "
            f"program ({', '.join(differing)}): rename or drop it on main, then run again"
        )
    return table


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["no reason given"])[0]
