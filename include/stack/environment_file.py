"""The secrets of the containers, in `.env`. Run by `make env` before anything is installed: plain Python."""

import base64
import re
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

from include.serving.secret_file import write_secret

HEADING = (
    "# Secrets of the containers, made by `make env`. Volumes that exist keep to them: do not lose them."
)

VALUE = r"""^(?:export +)?{}=(?!['"]{{2}}\s*$)\S"""  # quotes with nothing between them are none


def _password() -> str:
    return secrets.token_hex(24)  # of letters that no URL, JSON or shell reads in its own way


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


# Everything that docker-compose.yaml demands, and how it is made.
SECRETS: dict[str, Callable[[], str]] = {
    "STACK_POSTGRES_PASSWORD": _password,
    "STACK_LAKE_PASSWORD": _password,
    "STACK_READER_PASSWORD": _password,
    "STACK_NESSIE_PASSWORD": _password,
    "STACK_AIRFLOW_PASSWORD": _password,
    "STACK_S3_ACCESS_KEY_ID": lambda: secrets.token_hex(10),
    "STACK_S3_SECRET_ACCESS_KEY": _password,
    "STACK_ADMIN_PASSWORD": lambda: secrets.token_urlsafe(16),
    "STACK_FERNET_KEY": _fernet_key,
    "STACK_JWT_SECRET": _password,
    "STACK_SESSION_KEY": _password,
}


def complete(path: Path) -> list[str]:
    """Add the secrets that a file of settings lacks, and return their names; what it holds stays as it is.

    Afterwards only its owner can read it. Raises OSError.
    """
    path = path.resolve()  # a link stays one
    text = path.read_text() if path.exists() else ""
    missing = [name for name in SECRETS if not re.search(VALUE.format(name), text, re.MULTILINE)]
    if missing:
        before = text.rstrip("\n") + "\n\n" if text.strip() else ""
        lines = [HEADING, *(f"{name}={SECRETS[name]()}" for name in missing)]
        text = before + "\n".join(lines) + "\n"
    write_secret(path, text)
    return missing


def main() -> None:
    """Complete `.env` of this folder, and say what was done; never a value."""
    try:
        added = complete(Path(".env"))
    except OSError as error:
        sys.exit(f".env cannot be completed ({error.strerror}): see that this user can read and write it")
    said = f"{len(added)} secrets were added to .env" if added else ".env has every secret already"
    sys.stdout.write(f"{said}; only you can read it.\n")


if __name__ == "__main__":
    main()
