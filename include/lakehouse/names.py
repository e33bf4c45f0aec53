"""Names of branches: made from run and lease, safe as folder, Nessie reference and SQL literal."""

import hashlib
import re

from include.errors import InputError

_PATTERN = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,99}")
_SLUG_LENGTH = 70


def branch_name(run_id: str, lease_number: int) -> str:
    """The branch of one try of a run: readable part of the run id, hash of all of it, lease number.

    Different run ids or lease numbers never give the same name. Letters, digits, `_`, `-`; at most 100.
    """
    slug = re.sub(r"[^A-Za-z0-9_]+", "-", run_id).strip("-_")[:_SLUG_LENGTH].rstrip("-_")
    digest = hashlib.sha256(run_id.encode()).hexdigest()[:10]
    readable = slug if slug[:1].isalpha() else f"run-{slug}".rstrip("-")
    return checked_name(f"{readable}-{digest}-{lease_number}")


def checked_name(name: str) -> str:
    """`name` itself. Raises InputError when it cannot be the name of a branch."""
    if not _PATTERN.fullmatch(name) or name == "main":
        raise InputError(
            f"{name!r} cannot name a branch: start with a letter, go on with letters, digits, '-' or '_', "
            "at most 100, and leave 'main' to the lake itself"
        )
    return name


def name_is_taken(name: str) -> InputError:
    """What is said when a branch cannot be made because something has its name."""
    return InputError(f"there is a version, branch or tag {name} already: choose another name")


def lake_is_empty() -> InputError:
    """What is said when main is asked for before the first promote."""
    return InputError("the lake is empty: nothing was promoted yet, `make run` loads the first days")
