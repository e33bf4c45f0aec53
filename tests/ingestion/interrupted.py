"""A merge that ends midway, as a kill would end it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pyiceberg.table import Table

from include.ingestion import merge
from include.lakehouse import Merged, merge_rows


class Killed(BaseException):
    """The process is gone."""


@contextmanager
def dying_before(table: str) -> Iterator[None]:
    """A merge within ends where it would write this raw table, if it does."""

    def write(into: Table, *more: Any, **named: Any) -> Merged:
        if into.name()[-1] == table:
            raise Killed
        return merge_rows(into, *more, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merge, "merge_rows", write)
        yield


@contextmanager
def killed_before(table: str) -> Iterator[None]:
    """The merge within ends where it would write this raw table."""
    with dying_before(table), pytest.raises(Killed):
        yield
