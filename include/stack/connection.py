"""Where the lake of the profile `trino` is: Nessie, the S3 store and its keys."""

from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from include.errors import ServiceError, SettingsError
from include.settings import Settings
from include.stack.credentials import Credentials, read_credentials
from include.stack.service import HOST

REGION = "us-east-1"


@dataclass(frozen=True)
class LakeConnection:
    """What a client of the lake needs to know. `nessie_uri` has no path: add /api/v2 or /iceberg/BRANCH."""

    nessie_uri: str
    warehouse: str
    s3_endpoint: str
    access_key_id: str
    secret_access_key: str = field(repr=False)

    @property
    def bucket(self) -> str:
        """The bucket of the warehouse."""
        return urlsplit(self.warehouse).netloc

    @property
    def stage(self) -> str:
        """Bucket and folder of staged reads: beside the warehouse, in which queries may read files."""
        folder = urlsplit(self.warehouse).path.strip("/")
        return f"{self.bucket}/{folder}-stage" if folder else f"{self.bucket}/stage"


def lake_connection(settings: Settings) -> LakeConnection:
    """The servers that the settings name; those that they do not name are the native stack's.

    The keys of the settings are those of AWS_S3_ENDPOINT and count only together with it. Raises
    SettingsError when one is missing, ServiceError when the native stack was never started.
    """
    here = LakeConnection("", settings.iceberg_warehouse_path, "", "", "")
    if settings.nessie_uri is None or settings.aws_s3_endpoint is None:
        here = native_connection(settings, _credentials(settings))
    if settings.nessie_uri is not None:
        here = replace(here, nessie_uri=settings.nessie_uri.rstrip("/"))
    if settings.aws_s3_endpoint is not None:
        if settings.aws_access_key_id is None or settings.aws_secret_access_key is None:
            raise SettingsError(
                "AWS_S3_ENDPOINT is set without its keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY too"
            )
        here = replace(
            here,
            s3_endpoint=settings.aws_s3_endpoint.rstrip("/"),
            access_key_id=settings.aws_access_key_id,
            secret_access_key=settings.aws_secret_access_key.get_secret_value(),
        )
    return here


def native_connection(settings: Settings, credentials: Credentials) -> LakeConnection:
    """The servers of the native stack, whatever else the settings name."""
    return LakeConnection(
        nessie_uri=f"http://{HOST}:{settings.lakehouse_nessie_port}",
        warehouse=settings.iceberg_warehouse_path,
        s3_endpoint=f"http://{HOST}:{settings.lakehouse_s3_port}",
        access_key_id=credentials.s3_access_key_id,
        secret_access_key=credentials.s3_secret_access_key,
    )


def _credentials(settings: Settings) -> Credentials:
    credentials = read_credentials(settings.stack_path)
    if credentials is None:
        raise ServiceError(
            "the stack was never started here: `make stack-up`, or let NESSIE_URI and AWS_S3_ENDPOINT name "
            "servers of your own"
        )
    return credentials
