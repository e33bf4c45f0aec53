"""The secrets of the stack: made once, kept in one file that only its owner can read."""

import json
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from include.errors import ServiceError
from include.serving.secret_file import write_secret


@dataclass(frozen=True)
class Credentials:
    """The key of the S3 store, and the password of Nessie's role in Postgres."""

    s3_access_key_id: str
    s3_secret_access_key: str = field(repr=False)
    version_store_password: str = field(repr=False)


def read_credentials(folder: Path) -> Credentials | None:
    """What was made before; None when nothing was. Raises ServiceError when the file is damaged."""
    path = folder / "credentials.json"
    try:
        return Credentials(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        raise ServiceError(
            f"{path} is damaged: delete it and run `lakehouse stack up`, which makes new keys"
        ) from None


def make_credentials(folder: Path) -> Credentials:
    """What was made before, else new ones, written down. Raises ServiceError as `read_credentials` does."""
    credentials = read_credentials(folder)
    if credentials is None:
        credentials = Credentials(
            s3_access_key_id=secrets.token_hex(10),
            s3_secret_access_key=secrets.token_urlsafe(30),
            version_store_password=secrets.token_urlsafe(18),
        )
        write_secret(folder / "credentials.json", json.dumps(asdict(credentials), indent=1))
    return credentials
